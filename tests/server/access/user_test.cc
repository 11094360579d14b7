// The rules of users: what they come to, and how they are told.

#include "server/access/user.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/access/category.h"
#include "server/access/password.h"
#include "server/access/permission.h"
#include "server/access/users.h"
#include "server/resp/commands/registry.h"

namespace forebay::server::access {
namespace {

constexpr std::string_view kHashOfPw = "30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4";

User user_of(std::string_view rules) {
  User user("u");
  const auto wrong = user.apply(split_rules(rules));
  EXPECT_FALSE(wrong) << wrong->text;
  return user;
}

// The line of ACL LIST without what every user's begins with.
std::string told(std::string_view rules) {
  return user_of(rules).describe().substr(std::string_view("user u ").size());
}

std::string wrong(std::string_view rules) {
  User user("u");
  const auto error = user.apply(split_rules(rules));
  return error ? error->text : "";
}

bool may(const User& user, const std::vector<std::string_view>& request) {
  return !check(user, *find_command(request[0]), request);
}

TEST(AccessUser, RulesAreToldAsRedisTellsThem) {
  EXPECT_EQ(told(""), "off sanitize-payload resetchannels -@all");
  EXPECT_EQ(told("on >pw"), "on sanitize-payload #" + std::string(kHashOfPw) + " resetchannels -@all");
  EXPECT_EQ(told("on nopass ~* &* +@all"), "on nopass sanitize-payload ~* &* +@all");
  EXPECT_EQ(told("%R~a* ~b %W~b %r~c %RW~d &ch"),
            "off sanitize-payload %R~a* ~b %R~c ~d resetchannels &ch -@all");
  EXPECT_EQ(told("+@read +select|0 -get +Config|Get"),
            "off sanitize-payload resetchannels -@all +@read +select|0 -get +config|get");
  EXPECT_EQ(told("(+get ~x) ( %W~y +@all -get)"),
            "off sanitize-payload resetchannels -@all (~x resetchannels -@all +get) (%W~y resetchannels "
            "+@all -get)");
  EXPECT_EQ(told("(+get ~x) clearselectors"), told(""));
  EXPECT_EQ(told("on ~* &* +@all >pw skip-sanitize-payload (+get) reset"), told(""));
  EXPECT_EQ(User::unrestricted_default().describe(), "user default on nopass sanitize-payload ~* &* +@all");
}

TEST(AccessUser, ALaterRuleReplacesWhatItSaysAgain) {
  EXPECT_EQ(user_of("+get -get +get").root().commands(), "-@all +get");
  EXPECT_EQ(user_of("+config|get +config|set -config").root().commands(), "-@all -config");
  EXPECT_EQ(user_of("+get +@all").root().commands(), "+@all");
  EXPECT_EQ(user_of("+get allcommands -set nocommands").root().commands(), "-@all");
  EXPECT_EQ(user_of("+get +getdel -get").root().commands(), "-@all +getdel -get") << "another command";
}

TEST(AccessUser, WrongRulesAreToldInRedisWords) {
  const auto modifier = [](const std::string& rule, const std::string& why) {
    return "Error in ACL SETUSER modifier '" + rule + "': " + why;
  };
  for (const std::string rule :
       {"+nope", "+", "-", "+|", "+@nope", "+config|nope", "-config|nope", "-select|0", "+get)"})
    EXPECT_EQ(wrong(rule), modifier(rule, "Unknown command or category name in ACL"));
  for (const std::string rule :
       {"%~a", "%RR~a", "%X~a", "%", "foo", "@all", "(foo)", "((+get))", "+get|", "+config|", "(on)"})
    EXPECT_EQ(wrong(rule), modifier(rule, "Syntax error"));
  EXPECT_EQ(wrong("+config|get|x"),
            modifier("+config|get|x", "Allowing first-arg of a subcommand is not supported"));
  EXPECT_EQ(wrong("<no"),
            modifier("<no", "The password you are trying to remove from the user does not exist"));
  EXPECT_TRUE(wrong("#abc").ends_with(
      "must be exactly 64 characters and contain only lowercase hexadecimal characters"));
  EXPECT_TRUE(wrong("allkeys ~x").find("(or the 'allkeys' flag) is not valid") != std::string::npos);
  EXPECT_TRUE(wrong("&* &x").find("(or the 'allchannels' flag) is not valid") != std::string::npos);
  EXPECT_EQ(wrong("(+get ~x"), "Unmatched parenthesis in acl selector starting at '(+get'.");
  EXPECT_EQ(wrong("(+get (~x) +set)"), modifier("(+get (~x)", "Syntax error"));
  EXPECT_EQ(wrong("%R"), "") << "the empty pattern";
  EXPECT_FALSE(wrong("~" + std::string(1025, 'a')).empty()) << "a pattern has a limit";
}

TEST(AccessUser, PasswordsAreAddedAndTakenAwayByTextOrHash) {
  const std::string hash(kHashOfPw);
  EXPECT_EQ(hash_of_password("pw"), hash);
  EXPECT_TRUE(user_of("on >pw").accepts("pw"));
  EXPECT_TRUE(user_of("on #" + hash).accepts("pw"));
  EXPECT_FALSE(user_of("on >pw").accepts("pW"));
  EXPECT_FALSE(user_of("on >pw").accepts(""));
  EXPECT_FALSE(user_of("on >pw").accepts(hash)) << "the hash is no password";
  EXPECT_FALSE(user_of(">pw").accepts("pw")) << "off";
  EXPECT_FALSE(user_of("on").accepts("")) << "no password at all";
  EXPECT_TRUE(user_of("on >pw >other <pw").accepts("other"));
  EXPECT_FALSE(user_of("on >pw >other !" + hash).accepts("pw"));
  EXPECT_TRUE(user_of("on nopass").accepts("anything"));
  EXPECT_FALSE(user_of("on nopass >pw").accepts("anything"));
  EXPECT_FALSE(user_of("on >pw resetpass").accepts("pw"));
}

TEST(AccessUser, KeysNeedTheRightsThatTheCommandUses) {
  const User user = user_of("+@all %R~r:* %W~w:* ~rw:*");
  EXPECT_TRUE(may(user, {"get", "r:1"}));
  EXPECT_FALSE(may(user, {"get", "w:1"}));
  EXPECT_FALSE(may(user, {"get", "other"}));
  EXPECT_TRUE(may(user, {"set", "w:1", "v"}));
  EXPECT_FALSE(may(user, {"set", "r:1", "v"}));
  EXPECT_FALSE(may(user, {"set", "w:1", "v", "GET"})) << "answers what was there";
  EXPECT_TRUE(may(user, {"set", "rw:1", "v", "get"}));
  EXPECT_FALSE(may(user, {"incr", "w:1"}));
  EXPECT_TRUE(may(user, {"exists", "r:1", "w:1"})) << "needs neither right";
  EXPECT_FALSE(may(user, {"exists", "other"}));
  EXPECT_TRUE(may(user, {"copy", "r:1", "w:1"}));
  EXPECT_FALSE(may(user, {"copy", "w:1", "r:1"}));
  EXPECT_TRUE(may(user, {"zunionstore", "w:d", "2", "r:1", "r:2"}));
  EXPECT_FALSE(may(user, {"zunionstore", "w:d", "2", "r:1", "w:2"}));
  EXPECT_TRUE(may(user, {"bitfield", "r:1", "get", "u8", "0"}));
  EXPECT_FALSE(may(user, {"bitfield", "r:1", "set", "u8", "0", "1"}));
  EXPECT_FALSE(may(user, {"eval", "return 1", "1", "r:1"}));
  EXPECT_TRUE(may(user, {"eval_ro", "return 1", "1", "r:1"}));
  EXPECT_FALSE(may(user, {"mset", "w:1", "v", "r:1", "v"})) << "every key";
  EXPECT_FALSE(may(user, {"forebay", "read", "w:1"}));
  EXPECT_TRUE(may(user, {"forebay", "write", "w:1", "v"}));
  EXPECT_FALSE(may(user, {"forebay", "once", "id", "set", "r:1", "v"})) << "the command that it runs";
  EXPECT_FALSE(may(user, {"forebay", "once", "id", "forebay", "write", "r:1", "v"}));
  EXPECT_FALSE(may(user, {"object", "encoding", "other"}));
}

TEST(AccessUser, ASelectorsPermissionsGoTogether) {
  const User user = user_of("+get ~a (+set ~b)");
  EXPECT_TRUE(may(user, {"get", "a"}));
  EXPECT_TRUE(may(user, {"set", "b", "v"}));
  EXPECT_FALSE(may(user, {"set", "a", "v"}));
  EXPECT_FALSE(may(user, {"get", "b"}));
}

TEST(AccessUser, CommandsSubcommandsAndFirstArguments) {
  const User user = user_of("+config|get +client -client|kill +select|0 ~*");
  EXPECT_TRUE(may(user, {"config", "GET", "x"}));
  EXPECT_FALSE(may(user, {"config", "set", "x", "y"}));
  EXPECT_TRUE(may(user, {"client", "id"}));
  EXPECT_FALSE(may(user, {"client", "kill", "x"}));
  EXPECT_TRUE(may(user, {"select", "0"}));
  EXPECT_FALSE(may(user, {"select", "1"}));
  EXPECT_TRUE(may(user, {"auth", "x"})) << "needs no permission";
  EXPECT_FALSE(may(user_of("+@all -@dangerous"), {"config", "get", "x"}));
  EXPECT_FALSE(may(user_of("+@all -@admin"), {"forebay", "purge", "all"}));
}

TEST(AccessUser, ChannelsArePermittedByNameAndPatternsByLetter) {
  const User user = user_of("+@pubsub &news:*");
  EXPECT_TRUE(may(user, {"publish", "news:1", "m"}));
  EXPECT_FALSE(may(user, {"publish", "other", "m"}));
  EXPECT_FALSE(may(user, {"subscribe", "news:1", "other"}));
  EXPECT_TRUE(may(user, {"psubscribe", "news:*"}));
  EXPECT_FALSE(may(user, {"psubscribe", "news:1*"}));
  EXPECT_TRUE(may(user, {"unsubscribe", "other"}));
}

TEST(AccessUser, WhatARuleOfTheConfigurationSaysWrongIsToldWithoutPasswords) {
  EXPECT_FALSE(check_rules("a", "on >secret ~a:* +@read"));
  const auto unknown = check_rules("a", "on >secret +nope");
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->offset, 11U);
  EXPECT_NE(unknown->what.find("'+nope': Unknown command"), std::string::npos);
  for (const std::string rules : {"on > hunter2", "on <hunter2", "on #hunter2", "hunter2 on"}) {
    const auto wrong_rules = check_rules("a", rules);
    ASSERT_TRUE(wrong_rules) << rules;
    EXPECT_EQ(wrong_rules->what.find("hunter2"), std::string::npos) << wrong_rules->what;
  }
}

TEST(AccessUsers, AConfigurationIsTakenOverWholeOrNotAtAll) {
  Users users;
  EXPECT_TRUE(users.open_to_all());
  config::Server options;
  options.password = "pw";
  options.users = {{"reader", "on >r +@read ~*", {}}, {"gone", "on", {}}};
  ASSERT_TRUE(users.take_over(options));
  EXPECT_FALSE(users.open_to_all());
  EXPECT_FALSE(users.some_need_no_password());
  EXPECT_TRUE(users.log_in("default", "pw"));
  EXPECT_TRUE(users.log_in("reader", "r"));
  EXPECT_FALSE(users.log_in("nobody", "r"));
  EXPECT_FALSE(users.change("made", std::vector<std::string_view>{"on"}));

  options.users = {{"reader", "on >r2 +nope", {}}};
  const std::uint64_t before = users.generation();
  EXPECT_FALSE(users.take_over(options));
  EXPECT_EQ(users.generation(), before);
  EXPECT_TRUE(users.log_in("reader", "r"));

  options.users = {{"reader", "on >r2", {}}, {"default", "off", {}}};
  ASSERT_TRUE(users.take_over(options));
  EXPECT_FALSE(users.log_in("reader", "r")) << "set anew";
  EXPECT_TRUE(users.log_in("reader", "r2"));
  EXPECT_EQ(users.find("gone"), nullptr);
  EXPECT_NE(users.find("made"), nullptr) << "one that no configuration made stays";
  EXPECT_FALSE(users.log_in("default", "pw"));
  EXPECT_FALSE(users.remove("default"));
}

}  // namespace
}  // namespace forebay::server::access
