// From a message to the keys that it makes stale.

#include "events/template.h"

#include <gtest/gtest.h>

#include <string>

#include "config/key_template.h"

namespace forebay::events {
namespace {

std::string shown(const Expansion& expansion) {
  std::string text;
  for (const Invalidation& each : expansion.made) text += each.name + " ";
  return expansion.wrong.message.empty() ? text : text + "! " + expansion.wrong.message;
}

std::vector<config::KeyTemplate> parsed(const std::vector<std::string>& texts) {
  std::vector<config::KeyTemplate> templates;
  std::vector<config::TextMistake> mistakes;
  for (const std::string& text : texts) templates.push_back(config::parse_key_template(text, mistakes));
  EXPECT_TRUE(mistakes.empty());
  return templates;
}

std::string made(const std::vector<std::string>& templates, const std::string& json, std::size_t most = 100) {
  Message message;
  message.text = json;
  return shown(expand(parsed(templates), message, most));
}

std::string made_of_fields(const std::vector<std::string>& templates,
                           std::vector<std::pair<std::string, std::string>> fields) {
  Message message;
  message.fields = std::move(fields);
  return shown(expand(parsed(templates), message, 100));
}

TEST(Template, TakesFieldsFromTheMessage) {
  EXPECT_EQ(made({"order:{order_id}"}, R"({"order_id":7})"), "order:7 ");
  EXPECT_EQ(made({"order:{id}:{kind}/x"}, R"({"id":"a b","kind":true})"), "order:a b:true/x ");
  EXPECT_EQ(made({"order:{id}"}, R"({"id":18446744073709551615})"), "order:18446744073709551615 ");
  EXPECT_EQ(made({"order:{id}"}, R"({"id":-3})"), "order:-3 ");
  EXPECT_EQ(made({"order:1"}, "{}"), "order:1 ");
}

TEST(Template, FollowsDots) {
  EXPECT_EQ(made({"order:{order.id.n}"}, R"({"order":{"id":{"n":5}}})"), "order:5 ");
}

TEST(Template, MakesAKeyOfEachElement) {
  EXPECT_EQ(made({"order:{ids}"}, R"({"ids":[1,"two",[3]]})"), "order:1 order:two order:3 ");
  EXPECT_EQ(made({"order:{lines.sku}"}, R"({"lines":[{"sku":"a"},{"sku":"b"}]})"), "order:a order:b ");
  EXPECT_EQ(made({"o:{a}:{b}"}, R"({"a":[1,2],"b":[3,4]})"), "o:1:3 o:1:4 o:2:3 o:2:4 ");
  EXPECT_EQ(made({"order:{ids}"}, R"({"ids":[]})"), "");
  EXPECT_EQ(made({"order:{id}"}, R"([{"id":1},{"id":2}])"), "order:1 order:2 ");
}

TEST(Template, SaysWhatIsWrongAndMakesTheRest) {
  EXPECT_EQ(made({"order:{id}"}, "no json"), "! it is no JSON");
  EXPECT_EQ(made({"order:{id}"}, ""), "! it is no JSON");
  EXPECT_EQ(made({"order:{id}"}, "7"), "! it has no {id}");
  EXPECT_EQ(made({"order:{id}", "user:{user}"}, R"({"user":1})"), "user:1 ! it has no {id}");
  EXPECT_EQ(made({"order:{id}"}, R"({"id":null})"), "! it has no {id}");
  EXPECT_EQ(made({"order:{id}"}, R"({"id":1.5})"), "! its {id} is neither a text nor an integer");
  EXPECT_EQ(made({"order:{id}"}, R"({"id":{"x":1}})"), "! its {id} is neither a text nor an integer");
  EXPECT_EQ(made({"order:{id}"}, R"({"id":""})"), "! its {id} is empty");
  EXPECT_EQ(made({"order:{id}"}, R"({"id":"a\u0000b"})"), "! its {id} has a zero byte");
  EXPECT_EQ(made({"order:{id}"}, R"({"id":")" + std::string(70'000, 'x') + "\"}"),
            "! its {id} is too long for a key");
}

TEST(Template, IsBounded) {
  EXPECT_EQ(made({"o:{a}"}, R"({"a":[1,2,3]})", 3), "o:1 o:2 o:3 ");
  EXPECT_EQ(made({"o:{a}"}, R"({"a":[1,2,3]})", 2), "! it names too many keys");
  EXPECT_EQ(made({"o:{a}:{b}"}, R"({"a":[1,2],"b":[1,2]})", 3), "! it names too many keys");
  EXPECT_EQ(made({"o:{a}", "p:{a}"}, R"({"a":[1,2]})", 3), "o:1 o:2 ! it names too many keys");
  EXPECT_EQ(made({"o:{a}"}, std::string(100'000, '[')), "! it is no JSON");
  Message large;
  large.too_large = true;
  EXPECT_EQ(shown(expand(parsed({"o:{a}"}), large, 10)), "! it is too large");
}

TEST(Template, TakesAStreamsOwnFields) {
  EXPECT_EQ(made_of_fields({"order:{id}"}, {{"id", "7"}, {"x", "y"}}), "order:7 ");
  EXPECT_EQ(made_of_fields({"order:{id}"}, {{"id", "{7}"}}), "order:{7} ");
  EXPECT_EQ(made_of_fields({"order:{order.id}"}, {{"order", R"({"id":[7,8]})"}}), "order:7 order:8 ");
  EXPECT_EQ(made_of_fields({"order:{order.id}"}, {{"order.id", "9"}, {"order", R"({"id":7})"}}), "order:9 ");
  EXPECT_EQ(made_of_fields({"order:{ids}"}, {{"ids", "[1,2]"}}), "order:1 order:2 ");
  EXPECT_EQ(made_of_fields({"order:{ids}"}, {{"ids", "[1,2"}}), "order:[1,2 ");
  EXPECT_EQ(made_of_fields({"order:{id}"}, {{"x", "1"}}), "! it has no {id}");
  EXPECT_EQ(made_of_fields({"order:{id}"}, {{"id", ""}}), "! its {id} is empty");
  EXPECT_EQ(made_of_fields({"order:{a.b}"}, {{"a", "x"}}), "! what {a.b} goes through is no JSON");
}

}  // namespace
}  // namespace forebay::events
