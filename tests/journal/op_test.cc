#include "journal/op.h"

#include <gtest/gtest.h>

#include "journal/crc32c.h"

namespace forebay::journal {
namespace {

std::vector<Effect> effects(const std::vector<std::pair<OpType, std::string>>& ops) {
  std::vector<Effect> all;
  std::uint64_t seq = 0;
  for (const auto& [type, payload] : ops) combine(all, type, payload, ++seq);
  return all;
}

std::string in_words(const std::vector<Effect>& all) {
  std::string text;
  for (const Effect& effect : all) {
    text += effect.type == OpType::kSet ? "=" : effect.type == OpType::kAdd ? "+" : "x";
    text += effect.payload + "@" + std::to_string(effect.seq) + " ";
  }
  return text;
}

std::string merged(std::optional<std::string> value, const std::vector<Effect>& all) {
  auto result = merge(std::move(value), all);
  if (!result) return "!" + std::string(to_string(result.error().code));
  return result->value_or("(none)");
}

constexpr OpType kSet = OpType::kSet;
constexpr OpType kAdd = OpType::kAdd;
constexpr OpType kRemove = OpType::kRemove;

TEST(JournalOp, LastValueWins) {
  EXPECT_EQ(in_words(effects({{kSet, "a"}, {kSet, "b"}})), "=b@2 ");
}

TEST(JournalOp, AdditionsAddUp) {
  EXPECT_EQ(in_words(effects({{kAdd, "5"}, {kAdd, "-7"}})), "+-2@2 ");
  EXPECT_EQ(in_words(effects({{kSet, "10"}, {kAdd, "-7"}})), "=3@2 ");
}

TEST(JournalOp, AdditionsWhoseSumLeaves64BitsStayApart) {
  const std::string most = "9223372036854775807";
  const auto all = effects({{kAdd, most}, {kAdd, "1"}, {kAdd, "1"}});
  EXPECT_EQ(in_words(all), "+" + most + "@1 +2@3 ");
  EXPECT_EQ(merged("-10", all), "9223372036854775799");
  EXPECT_EQ(merged("0", all), "!invalid_argument");
}

TEST(JournalOp, ADeletionSwallowsWhatCameBeforeItAndStaysApartFromWhatFollows) {
  const auto all = effects({{kSet, "a"}, {kAdd, "1"}, {kRemove, ""}, {kAdd, "1"}, {kAdd, "2"}});
  EXPECT_EQ(in_words(all), "x@3 +3@5 ");
  EXPECT_EQ(merged("77", all), "3");
  EXPECT_EQ(in_words(effects({{kRemove, ""}, {kSet, "b"}})), "x@1 =b@2 ");
  EXPECT_EQ(merged("77", effects({{kRemove, ""}})), "(none)");
}

TEST(JournalOp, OnlyAdditionsNeedToKnowWhatWasThere) {
  EXPECT_FALSE(absolute({}));
  EXPECT_FALSE(absolute(effects({{kAdd, "1"}})));
  EXPECT_TRUE(absolute(effects({{kSet, "1"}})));
  EXPECT_TRUE(absolute(effects({{kRemove, ""}, {kAdd, "1"}})));
}

TEST(JournalOp, MergesOntoWhatIsThere) {
  EXPECT_EQ(merged("40", effects({{kAdd, "2"}})), "42");
  EXPECT_EQ(merged(std::nullopt, effects({{kAdd, "2"}})), "2");
  EXPECT_EQ(merged("x", effects({{kAdd, "2"}})), "!invalid_argument");
}

TEST(JournalOp, TheChecksumCoversEveryField) {
  const Op op{7, 1, "db", "views", "k", OpType::kSet, "v"};
  const std::uint32_t sum = checksum(op);
  for (int field = 0; field < 7; ++field) {
    Op other = op;
    if (field == 0) other.seq = 8;
    if (field == 1) other.lane = 2;
    if (field == 2) other.source = "dc";
    if (field == 3) other.space = "viewt";
    if (field == 4) other.key = "l";
    if (field == 5) other.type = OpType::kAdd;
    if (field == 6) other.payload = "w";
    EXPECT_NE(checksum(other), sum) << field;
  }
  // Bytes that move from one text to the next change it.
  EXPECT_NE(checksum({7, 1, "db", "views", "kv", OpType::kSet, ""}), sum);
}

TEST(Crc32c, HasTheStandardsCheckValue) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c("456789", crc32c("123")), 0xE3069283U);
}

}  // namespace
}  // namespace forebay::journal
