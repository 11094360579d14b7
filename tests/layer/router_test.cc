#include "layer/namespaces/router.h"

#include <gtest/gtest.h>

namespace forebay::layer {
namespace {

config::Pattern pattern(std::vector<std::string> literals, std::vector<std::string> fields) {
  config::Pattern made;
  made.literals = std::move(literals);
  made.fields = std::move(fields);
  return made;
}

TEST(Pattern, AFieldMatchesUpToTheNextLiteral) {
  const auto order = pattern({"order:", ":", ""}, {"region", "id"});
  KeyFields fields;
  ASSERT_TRUE(match(order, "order:eu:7", &fields));
  EXPECT_EQ(fields, (KeyFields{"eu", "7"}));
}

TEST(Pattern, TheLastFieldTakesTheRestWhateverIsInIt) {
  const auto order = pattern({"order:", ":", ""}, {"region", "id"});
  KeyFields fields;
  ASSERT_TRUE(match(order, "order:eu:7:8", &fields));
  EXPECT_EQ(fields, (KeyFields{"eu", "7:8"}));
}

TEST(Pattern, EmptyFieldsDoNotMatch) {
  const auto order = pattern({"order:", ":", ""}, {"region", "id"});
  EXPECT_FALSE(match(order, "order::7", nullptr));
  EXPECT_FALSE(match(order, "order:eu:", nullptr));
  EXPECT_FALSE(match(order, "order:eu", nullptr));
  EXPECT_FALSE(match(order, "order:", nullptr));
}

TEST(Pattern, AClosingLiteralStandsAtTheVeryEnd) {
  const auto page = pattern({"page:", ".html"}, {"path"});
  KeyFields fields;
  ASSERT_TRUE(match(page, "page:a.html.html", &fields));
  EXPECT_EQ(fields, KeyFields{"a.html"});
  EXPECT_FALSE(match(page, "page:.html", nullptr));
}

TEST(Pattern, MakesTheKeyItMatches) {
  const auto order = pattern({"order:", ":", ":x"}, {"region", "id"});
  const std::string key = make_key(order, {"eu", "7"});
  EXPECT_EQ(key, "order:eu:7:x");
  KeyFields fields;
  ASSERT_TRUE(match(order, key, &fields));
  EXPECT_EQ(fields, (KeyFields{"eu", "7"}));
}

TEST(Router, TheLongestLiteralPrefixWins) {
  Namespace rest, user, user_name, any;
  user.info.name = "user";
  user.info.index = 1;
  user.config.key = pattern({"user:", ""}, {"id"});
  user_name.info.name = "user_name";
  user_name.info.index = 2;
  user_name.config.key = pattern({"user:name:", ""}, {"name"});
  any.info.name = "any";
  any.info.index = 3;
  any.config.key = pattern({"", ":count"}, {"what"});
  const Router router({&rest, &any, &user, &user_name});
  EXPECT_EQ(&router.route("user:7"), &user);
  EXPECT_EQ(&router.route("user:name:ada"), &user_name);
  EXPECT_EQ(&router.route("likes:count"), &any);
  EXPECT_EQ(&router.route("user:"), &rest);
  EXPECT_EQ(&router.route(""), &rest);
  EXPECT_EQ(&router.route("other"), &rest);
  EXPECT_EQ(router.find("user_name"), &user_name);
  EXPECT_EQ(router.find("nobody"), nullptr);
}

TEST(Router, KeysOfOtherDatabasesAreInNoNamespaceOfTheFirst) {
  Namespace rest, any, second;
  any.info.index = 1;
  any.config.key = pattern({"", ""}, {"what"});
  second.info.index = 2;
  second.database = 1;
  const Router router({&rest, &any, &second});
  EXPECT_EQ(&router.route("user:7"), &any);
  EXPECT_EQ(&router.route(database_prefix(1) + "user:7"), &second);
  EXPECT_EQ(&router.route(database_prefix(1)), &second);
  // Names that only look like it.
  EXPECT_EQ(&router.route("\xff"), &any);
  EXPECT_EQ(&router.route(std::string(kDatabaseMark)), &any);
  EXPECT_EQ(&router.route(std::string(kDatabaseMark) + std::string(1, '\0') + "k"), &any);
  EXPECT_EQ(&router.route(std::string(kDatabaseMark) + static_cast<char>(kMostDatabases) + "k"), &any);
}

}  // namespace
}  // namespace forebay::layer
