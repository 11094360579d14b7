#include "server/commands/harness.h"

namespace forebay::server {
namespace {

using Counters = PlainKeys;

TEST_F(Counters, CountUpAndDownFromNothing) {
  EXPECT_EQ(run("INCR", "a"), ":1");
  EXPECT_EQ(run("INCRBY", "a", "41"), ":42");
  EXPECT_EQ(run("DECR", "a"), ":41");
  EXPECT_EQ(run("DECRBY", "a", "50"), ":-9");
  EXPECT_EQ(run("GET", "a"), "$2|-9");
}

TEST_F(Counters, RefuseWhatIsNoNumber) {
  const std::string refused = "-ERR value is not an integer or out of range";
  run("MSET", "text", "abc", "blanks", "  11", "float", "1.5");
  EXPECT_EQ(run("INCR", "text"), refused);
  EXPECT_EQ(run("INCR", "blanks"), refused);
  EXPECT_EQ(run("INCR", "float"), refused);
  EXPECT_EQ(run("INCRBY", "n", "1.5"), refused);
  EXPECT_EQ(run("DECRBY", "n", "x"), refused);
  EXPECT_EQ(run("EXISTS", "n"), ":0");
}

TEST_F(Counters, OverflowChangesNothing) {
  run("MSET", "most", "9223372036854775807", "least", "-9223372036854775808");
  EXPECT_EQ(run("INCR", "most"), "-ERR increment or decrement would overflow");
  EXPECT_EQ(run("DECR", "least"), "-ERR increment or decrement would overflow");
  EXPECT_EQ(run("DECRBY", "n", "-9223372036854775808"), "-ERR decrement would overflow");
  EXPECT_EQ(run("GET", "most"), "$19|9223372036854775807");
}

TEST_F(Counters, KeepTheirExpiry) {
  run("SET", "a", "1", "EX", "10");
  EXPECT_EQ(run("INCR", "a"), ":2");
  EXPECT_EQ(run("INCRBYFLOAT", "a", "0.5"), "$3|2.5");
  EXPECT_EQ(run("TTL", "a"), ":10");
}

TEST_F(Counters, FloatsAreFormattedAsRedisDoes) {
  EXPECT_EQ(run("INCRBYFLOAT", "a", "1"), "$1|1");
  EXPECT_EQ(run("INCRBYFLOAT", "a", "1.5"), "$3|2.5");
  run("SET", "a", "3.0e3");
  EXPECT_EQ(run("INCRBYFLOAT", "a", "200"), "$4|3200");
  run("SET", "a", "1");
  EXPECT_EQ(run("INCRBYFLOAT", "a", "-1.1"), "$4|-0.1");
  EXPECT_EQ(run("INCRBYFLOAT", "a", "x"), "-ERR value is not a valid float");
  run("SET", "a", "abc");
  EXPECT_EQ(run("INCRBYFLOAT", "a", "1"), "-ERR value is not a valid float");
  run("SET", "a", "1");
  EXPECT_EQ(run("INCRBYFLOAT", "a", "+inf"), "-ERR increment would produce NaN or Infinity");
  EXPECT_EQ(run("GET", "a"), "$1|1");
}

}  // namespace
}  // namespace forebay::server
