#include "resp/writer.h"

#include <gtest/gtest.h>

#include <limits>

namespace forebay::resp {
namespace {

std::string written(Protocol protocol, auto write) {
  std::string out;
  Writer writer(out, protocol);
  write(writer);
  return out;
}

TEST(Writer, WritesEachTypeAsResp2HasIt) {
  const auto write = [](Writer& writer) {
    writer.simple("OK");
    writer.error("ERR no");
    writer.integer(std::numeric_limits<std::int64_t>::min());
    writer.bulk(std::string_view("a\0\r\n", 4));
    writer.null();
    writer.null_array();
    writer.array(2);
    writer.map(2);
    writer.set(3);
    writer.push(1);
    writer.boolean(true);
    writer.real(0.1);
    writer.verbatim("hi");
  };
  using namespace std::string_literals;
  EXPECT_EQ(written(Protocol::kResp2, write),
            "+OK\r\n-ERR no\r\n:-9223372036854775808\r\n$4\r\na\0\r\n\r\n$-1\r\n*-1\r\n*2\r\n*4\r\n*3\r\n"
            "*1\r\n:1\r\n$3\r\n0.1\r\n$2\r\nhi\r\n"s);
}

TEST(Writer, WritesEachTypeAsResp3HasIt) {
  const auto write = [](Writer& writer) {
    writer.null();
    writer.null_array();
    writer.map(2);
    writer.set(3);
    writer.push(1);
    writer.boolean(false);
    writer.real(-std::numeric_limits<double>::infinity());
    writer.verbatim("hi");
  };
  EXPECT_EQ(written(Protocol::kResp3, write), "_\r\n_\r\n%2\r\n~3\r\n>1\r\n#f\r\n,-inf\r\n=6\r\ntxt:hi\r\n");
}

TEST(Writer, LineEndsInAnErrorCannotForgeAReply) {
  EXPECT_EQ(written(Protocol::kResp2, [](Writer& writer) { writer.error("ERR unknown command 'a\r\n+OK'"); }),
            "-ERR unknown command 'a  +OK'\r\n");
}

}  // namespace
}  // namespace forebay::resp
