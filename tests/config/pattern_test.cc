#include "config/pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <regex>
#include <string>

namespace forebay::config {
namespace {

using testing::ElementsAre;

Pattern pattern(std::string_view text) {
  auto parsed = parse_pattern(text);
  EXPECT_TRUE(parsed.has_value()) << text;
  return parsed ? *parsed : Pattern{};
}

TEST(Pattern, IsSplitIntoLiteralsAndFields) {
  EXPECT_THAT(pattern("order:{region}:{id}").literals, ElementsAre("order:", ":", ""));
  EXPECT_THAT(pattern("order:{region}:{id}").fields, ElementsAre("region", "id"));
  EXPECT_THAT(pattern("{a}").literals, ElementsAre("", ""));
  EXPECT_THAT(pattern("plain").literals, ElementsAre("plain"));
  EXPECT_TRUE(pattern("plain").fields.empty());
  EXPECT_THAT(pattern("{a}.json").literals, ElementsAre("", ".json"));
}

TEST(Pattern, TheErrorSaysAtWhichByte) {
  const auto parsed = parse_pattern("a:{x}:{}");
  ASSERT_FALSE(parsed.has_value());
  EXPECT_EQ(parsed.error().code, ErrorCode::kConfig);
  EXPECT_THAT(parsed.error().message, testing::HasSubstr("byte 6"));
}

TEST(Pattern, AVeryLongOneIsRefused) {
  EXPECT_TRUE(parse_pattern(std::string(kMaxPattern, 'a')).has_value());
  EXPECT_FALSE(parse_pattern(std::string(kMaxPattern + 1, 'a')).has_value());
}

TEST(PatternCollision, ACommonKeyIsFoundWhereThereIsOne) {
  EXPECT_EQ(common_key(pattern("a:{x}"), pattern("a:{y}")), "a:x");
  EXPECT_EQ(common_key(pattern("a:{x}"), pattern("a:{y}:{z}")), "a:x:x");
  EXPECT_EQ(common_key(pattern("a:{x}:b"), pattern("a:{y}:{z}")), "a:x:b");
  EXPECT_EQ(common_key(pattern("a:{x}:{y}"), pattern("a:{y}-{z}")).size(), 6U);  // such as a:-:-x
  EXPECT_EQ(common_key(pattern("same"), pattern("same")), "same");
}

TEST(PatternCollision, NoneIsFoundWhereNoKeyHasBothForms) {
  EXPECT_EQ(common_key(pattern("a:{x}"), pattern("b:{x}")), "");
  EXPECT_EQ(common_key(pattern("a:{x}:end"), pattern("a:{x}:fin")), "");
  EXPECT_EQ(common_key(pattern("a:{x}"), pattern("a:")), "") << "a field is at least one byte";
  EXPECT_EQ(common_key(pattern("a:{x}"), pattern("a:b:{x}")), "")
      << "the longer literal prefix is tried first";
}

// The walk against std::regex: every key it gives matches both patterns; where it gives none, no short key
// does.
TEST(PatternCollision, AgreesWithRegularExpressions) {
  std::mt19937 random(1);
  const auto pick = [&random](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  const auto random_pattern = [&pick] {
    std::string text = "k";
    const int fields = pick(3);
    for (int i = 0; i < fields; ++i) {
      text += "{f" + std::to_string(i) + "}";
      for (int length = 1 + pick(2); length > 0; --length) text += "ab"[pick(2)];
    }
    if (pick(2) == 0) text += "{last}";
    return text;
  };
  const auto to_regex = [](const Pattern& from) {
    std::string text = from.literals.front();
    for (std::size_t i = 1; i < from.literals.size(); ++i) text += ".+" + from.literals[i];
    return std::regex(text);
  };
  int collisions = 0;
  for (int round = 0; round < 300; ++round) {
    const Pattern a = pattern(random_pattern());
    const Pattern b = pattern(random_pattern());
    const std::regex as_a = to_regex(a);
    const std::regex as_b = to_regex(b);
    const std::string key = common_key(a, b);
    if (!key.empty()) {
      ++collisions;
      EXPECT_TRUE(std::regex_match(key, as_a) && std::regex_match(key, as_b))
          << a.text << " " << b.text << " " << key;
      continue;
    }
    for (unsigned bits = 0; bits < 1U << 8U; ++bits) {
      for (std::size_t length = 0; length <= 8; ++length) {
        std::string candidate = "k";
        for (std::size_t i = 0; i < length; ++i) candidate += (bits >> i & 1U) != 0 ? 'a' : 'b';
        ASSERT_FALSE(std::regex_match(candidate, as_a) && std::regex_match(candidate, as_b))
            << a.text << " " << b.text << " " << candidate;
      }
    }
  }
  EXPECT_GT(collisions, 20);
}

}  // namespace
}  // namespace forebay::config
