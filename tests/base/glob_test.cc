#include "base/glob.h"

#include <gtest/gtest.h>

#include <string>

namespace forebay {
namespace {

bool match(std::string_view pattern, std::string_view text) {
  auto glob = Glob::compile(pattern);
  EXPECT_TRUE(glob.has_value());
  return glob && glob->matches(text);
}

struct Case {
  std::string_view pattern;
  std::string_view text;
  bool expected;
};

TEST(Glob, FollowsRedissSyntax) {
  using namespace std::string_view_literals;
  const Case cases[] = {
      {"", "", true},
      {"", "a", false},
      {"*", "", true},
      {"*", "anything", true},
      {"**", "anything", true},
      {"h?llo", "hello", true},
      {"h?llo", "hllo", false},
      {"h*llo", "heeeello", true},
      {"h*llo", "heeeell", false},
      {"h[ae]llo", "hallo", true},
      {"h[ae]llo", "hillo", false},
      {"h[^e]llo", "hallo", true},
      {"h[^e]llo", "hello", false},
      {"h[a-c]llo", "hbllo", true},
      {"h[a-c]llo", "hdllo", false},
      {"h[c-a]llo", "hbllo", true},
      {"\\*", "*", true},
      {"\\*", "a", false},
      {"a\\", "a\\", true},
      {"[\\]]", "]", true},
      {"[]a", "a", false},
      {"[^]a", "xa", true},
      {"[ab", "b", true},
      {"[ab", "c", false},
      {"[a-", "-", true},
      {"[", "[", false},
      {"[^", "x", true},
      {"[a-]b", "_", true},  // the range runs from ']' to 'a'; the set ends with the pattern
      {"*a*b*c*", "xxaxxbxxcxx", true},
      {"*a*b*c*", "xxaxxcxxbxx", false},
      {"*ab", "aab", true},
      {"a*b?c", "axxbxbyc", true},
      {"\xff*", "\xff\xfe", true},
      {"[\x80-\xff]", "\xc3", true},
      {"a\0b"sv, "a\0b"sv, true},
      {"a?b"sv, "a\0b"sv, true},
      {"a"sv, "a\0"sv, false},
  };
  for (const Case& c : cases)
    EXPECT_EQ(match(c.pattern, c.text), c.expected) << c.pattern << " on " << c.text;
}

TEST(Glob, RefusesAPatternBeyondItsLimit) {
  EXPECT_TRUE(Glob::compile(std::string(Glob::kMaxLength, 'a')).has_value());
  auto glob = Glob::compile(std::string(Glob::kMaxLength + 1, 'a'));
  ASSERT_FALSE(glob.has_value());
  EXPECT_EQ(glob.error().code, ErrorCode::kInvalidArgument);
}

TEST(Glob, ManyStarsCostNoMoreThanThePatternTimesTheText) {
  // Recursive matching would need about 2^100 steps for this; the test then never ends.
  std::string pattern;
  for (int i = 0; i < 100; ++i) pattern += "*a";
  pattern += "*b";
  EXPECT_FALSE(match(pattern, std::string(10'000, 'a')));
}

TEST(Glob, KnowsThePatternThatMatchesEverything) {
  EXPECT_TRUE(Glob::compile("*")->matches_everything());
  EXPECT_TRUE(Glob::compile("***")->matches_everything());
  EXPECT_FALSE(Glob::compile("*?")->matches_everything());
  EXPECT_FALSE(Glob::compile("")->matches_everything());
}

}  // namespace
}  // namespace forebay
