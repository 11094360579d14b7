#include "resp/output.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "resp/writer.h"

namespace forebay::resp {
namespace {

// What the peer gets if the socket takes `step` bytes at a time.
std::string sent(const Output& output, std::size_t step) {
  std::string all;
  Output::Cursor cursor;
  std::array<iovec, 3> parts;
  for (std::size_t count = output.gather(cursor, parts); count > 0; count = output.gather(cursor, parts)) {
    std::string piece;
    for (std::size_t i = 0; i < count; ++i)
      piece.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
    piece.resize(std::min(piece.size(), step));
    output.advance(cursor, piece.size());
    all += piece;
  }
  return all;
}

Value large(char letter) {
  return Value::bytes(std::string(Output::kByReference, letter));
}

std::string bulk(char letter) {
  return "$" + std::to_string(Output::kByReference) + "\r\n" + std::string(Output::kByReference, letter) +
         "\r\n";
}

TEST(Output, LargeValuesAreSentInTheirPlaceWithoutBeingCopied) {
  Output output;
  Writer writer(output, Protocol::kResp2);
  const Value a = large('a');
  writer.array(3);
  writer.bulk(a);
  writer.bulk("small");
  writer.bulk(a);
  EXPECT_LT(output.text.size(), 100u);
  const std::string expected = "*3\r\n" + bulk('a') + "$5\r\nsmall\r\n" + bulk('a');
  EXPECT_EQ(output.bytes(), expected.size());
  for (const std::size_t step : {1ul, 7ul, 5'000ul, 1'000'000ul}) EXPECT_EQ(sent(output, step), expected);
}

TEST(Output, PartsOfALentValueAreReferencesToo) {
  Output output;
  Writer writer(output, Protocol::kResp2);
  const Value value = Value::bytes(std::string(3 * Output::kByReference, 'x'));
  writer.lend(&value);
  writer.bulk(value.view().substr(5, Output::kByReference));
  writer.lend(nullptr);
  EXPECT_LT(output.text.size(), 100u);
  EXPECT_EQ(sent(output, 100'000), bulk('x'));
  const std::string other(Output::kByReference, 'y');  // lies elsewhere
  writer.lend(&value);
  writer.bulk(other);
  EXPECT_EQ(sent(output, 100'000), bulk('x') + bulk('y'));
}

TEST(Output, RepliesAreTakenBackAndMovedWithTheirValues) {
  Output output;
  Writer writer(output, Protocol::kResp2);
  writer.bulk(large('a'));
  const std::size_t mark = output.text.size();
  writer.bulk(large('b'));
  writer.array_of(1, bulk('c'));
  const Output tail = output.cut(mark);
  EXPECT_EQ(sent(output, 1'000'000), bulk('a'));
  EXPECT_EQ(sent(tail, 1'000'000), bulk('b') + "*1\r\n" + bulk('c'));
  output.append(tail);
  output.append(tail);
  output.truncate(mark);
  EXPECT_EQ(sent(output, 1'000'000), bulk('a'));
  EXPECT_EQ(output.bytes(), bulk('a').size());
}

TEST(Output, AReplyBeyondItsBoundStopsGrowing) {
  Output output;
  Writer writer(output, Protocol::kResp2, 1'000'000);
  const std::string piece(10'000, 'x');
  for (int i = 0; i < 1'000; ++i) writer.bulk(piece);
  EXPECT_TRUE(output.overflown);
  EXPECT_LT(output.bytes(), 1'100'000u);
  Output values;
  Writer by_reference(values, Protocol::kResp2, 1'000'000);
  for (int i = 0; i < 1'000; ++i) by_reference.bulk(large('v'));
  EXPECT_TRUE(values.overflown);
  EXPECT_LT(values.bytes(), 1'100'000u);
}

}  // namespace
}  // namespace forebay::resp
