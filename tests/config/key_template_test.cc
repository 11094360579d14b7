#include "config/key_template.h"

#include <gtest/gtest.h>

#include "config/redis_url.h"

namespace forebay::config {
namespace {

KeyTemplate parse(std::string_view text) {
  std::vector<TextMistake> mistakes;
  KeyTemplate made = parse_key_template(text, mistakes);
  EXPECT_TRUE(mistakes.empty()) << text;
  return made;
}

TEST(KeyTemplate, IsTakenApart) {
  const KeyTemplate made = parse("order:{region}:{order.line-items.id}/x");
  EXPECT_EQ(made.target, KeyTemplate::Target::kNamespace);
  EXPECT_EQ(made.pattern.literals, (std::vector<std::string>{"order:", ":", "/x"}));
  EXPECT_EQ(made.pattern.fields, (std::vector<std::string>{"region", "order.line-items.id"}));
}

TEST(KeyTemplate, SaysWhatItIsFor) {
  EXPECT_EQ(parse("key session:{id}").target, KeyTemplate::Target::kPlain);
  EXPECT_EQ(parse("key session:{id}").pattern.text, "session:{id}");
  EXPECT_EQ(parse("tag vendor:{vendor}").target, KeyTemplate::Target::kTag);
  EXPECT_EQ(parse("tag vendor:{vendor}").pattern.text, "vendor:{vendor}");
  EXPECT_EQ(parse("tags:{x}").target, KeyTemplate::Target::kNamespace);
}

TEST(KeyTemplate, MayUseAFieldTwiceAndPutTwoSideBySide) {
  EXPECT_EQ(parse("{a}{a}").pattern.fields.size(), 2u);
}

TEST(KeyTemplate, MistakesSayWhere) {
  const auto mistake = [](std::string_view text) {
    std::vector<TextMistake> mistakes;
    parse_key_template(text, mistakes);
    return mistakes.empty() ? "none" : std::to_string(mistakes.front().offset) + " " + mistakes.front().what;
  };
  EXPECT_TRUE(mistake("").starts_with("0 a key must not be empty"));
  EXPECT_TRUE(mistake("tag ").starts_with("0 a key must not be empty"));
  EXPECT_TRUE(mistake("a:{id").starts_with("2 this { is never closed"));
  EXPECT_TRUE(mistake("a:{i{d}").starts_with("2 this { is never closed"));
  EXPECT_TRUE(mistake("a:}").starts_with("2 this } closes no field"));
  EXPECT_TRUE(mistake("a:{}").starts_with("3 \"\" names no field"));
  EXPECT_TRUE(mistake("a:{x..y}").starts_with("3 \"x..y\" names no field"));
  EXPECT_TRUE(mistake("key a:{x y}").starts_with("7 \"x y\" names no field"));
  EXPECT_TRUE(mistake(std::string(1025, 'x')).starts_with("1024 a key has at most"));
}

TEST(KeyTemplate, NamesKeysOfANamespaceThatHaveTheFormOfBoth) {
  Namespace order;
  order.key = *parse_pattern("order:{region}:{id}");
  for (const char* yes :
       {"order:{a}:{b}", "order:eu:{b}", "order:{all}", "{whole}", "order:eu:7", "{a}:{b}:{c}"})
    EXPECT_TRUE(names_key_of(parse(yes), order)) << yes;
  for (const char* no : {"order:", "order:7", "ordr:{a}:{b}", "orders:{a}:{b}", "key order:{a}:{b}", "x{a}"})
    EXPECT_FALSE(names_key_of(parse(no), order)) << no;
}

std::string shown(std::string_view text) {
  const auto url = parse_redis_url(text);
  if (!url) return "! " + url.error().message;
  return url->user + "|" + url->password + "|" + url->host + "|" + std::to_string(url->port) + "|" +
         std::to_string(url->database);
}

TEST(RedisUrl, IsTakenApart) {
  EXPECT_EQ(shown("redis://h"), "||h|6379|0");
  EXPECT_EQ(shown("redis://h:1/3"), "||h|1|3");
  EXPECT_EQ(shown("redis://h/"), "||h|6379|0");
  EXPECT_EQ(shown("redis://:se%40cret@h"), "|se@cret|h|6379|0");
  EXPECT_EQ(shown("redis://ada:pw@[::1]:7/1"), "ada|pw|::1|7|1");
  EXPECT_EQ(shown("redis://[::1]"), "||::1|6379|0");
}

TEST(RedisUrl, SaysWhatIsWrongAndNeverThePassword) {
  EXPECT_TRUE(shown("rediss://h").contains("TLS"));
  EXPECT_TRUE(shown("http://h").contains("must begin with redis://"));
  for (const char* text :
       {"redis://ada:se@cret@h", "redis://ada:se/cret@h", "redis://ada:secret%4@h", "redis://ada:secret@",
        "redis://ada:secret@h:x", "redis://ada:secret@h/x", "redis://secret@h", "redis://ada:secret@h:0"}) {
    EXPECT_TRUE(shown(text).starts_with("! ")) << text;
    EXPECT_FALSE(shown(text).contains("secret")) << shown(text);
    EXPECT_FALSE(shown(text).contains("cret@")) << shown(text);
  }
}

}  // namespace
}  // namespace forebay::config
