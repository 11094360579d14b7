// Users at work: what clients may do, and what becomes of them when their user changes.

#include <string>
#include <vector>

#include "server/server_fixture.h"

namespace forebay::server {
namespace {

constexpr const char* kWrongPassword = "-WRONGPASS invalid username-password pair or user is disabled.";

class AccessTest : public ServerTest {
 protected:
  using Args = std::vector<std::string>;

  // A client that has logged in as a user of these rules.
  std::unique_ptr<TestClient> client_of(const std::string& name, const Args& rules) {
    Args args{"ACL", "SETUSER", name, "on", ">pw"};
    args.insert(args.end(), rules.begin(), rules.end());
    EXPECT_EQ(connect()->ask(args), "+OK");
    auto client = connect();
    EXPECT_EQ(client->ask({"AUTH", name, "pw"}), "+OK");
    return client;
  }
  static bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }
};

TEST_F(AccessTest, AUserMayDoWhatItsRulesSay) {
  start();
  auto alice = client_of(
      "alice", {"+get", "+set", "+acl|whoami", "+client|info", "+subscribe", "~a:*", "%R~r:*", "&ch"});
  EXPECT_EQ(alice->ask({"ACL", "WHOAMI"}), "alice");
  EXPECT_TRUE(contains(alice->ask({"CLIENT", "INFO"}), " user=alice "));
  EXPECT_EQ(alice->ask({"SET", "a:1", "v"}), "+OK");
  EXPECT_EQ(alice->ask({"GET", "a:1"}), "v");
  EXPECT_EQ(alice->ask({"DEL", "a:1"}), "-NOPERM User alice has no permissions to run the 'del' command");
  EXPECT_EQ(alice->ask({"ACL", "LIST"}),
            "-NOPERM User alice has no permissions to run the 'acl|list' command");
  EXPECT_EQ(alice->ask({"GET", "b:1"}), "-NOPERM No permissions to access a key");
  EXPECT_EQ(alice->ask({"SET", "r:1", "v"}), "-NOPERM No permissions to access a key");
  EXPECT_EQ(alice->ask({"GET", "r:1"}), "(nil)");
  EXPECT_EQ(alice->ask({"SUBSCRIBE", "other"}), "-NOPERM No permissions to access a channel");
  EXPECT_EQ(alice->ask({"NOPE"}), "-ERR unknown command 'NOPE', with args beginning with: ");
  EXPECT_TRUE(alice->ask({"ACL", "NOPE"}).starts_with("-ERR unknown subcommand"));
  EXPECT_EQ(alice->ask({"RESET"}), "+RESET");
  EXPECT_EQ(alice->ask({"ACL", "WHOAMI"}), "default");
}

TEST_F(AccessTest, NamesAndPasswordsAreAskedFor) {
  options.password = "secret";
  options.users = {{"reader", "on >r1 >r2 ~* +@read +hello", {}}, {"off", "off >pw", {}}};
  start();
  auto client = connect();
  EXPECT_EQ(client->ask({"PING"}), "-NOAUTH Authentication required.");
  for (const Args& wrong :
       {Args{"AUTH", "reader", "secret"}, {"AUTH", "off", "pw"}, {"AUTH", "nobody", ""}, {"AUTH", "r1"}})
    EXPECT_EQ(client->ask(wrong), kWrongPassword);
  EXPECT_EQ(client->ask({"AUTH", "reader", "r2"}), "+OK");
  EXPECT_TRUE(client->ask({"PING"}).starts_with("-NOPERM")) << "PING is no read";
  EXPECT_EQ(client->ask({"AUTH", "secret"}), "+OK") << "the default user's";
  EXPECT_EQ(client->ask({"ACL", "WHOAMI"}), "default");
  EXPECT_TRUE(client->ask({"HELLO", "3", "AUTH", "reader", "r1"}).starts_with("{server"));
  EXPECT_EQ(client->ask({"GET", "k"}), "(nil)");
}

TEST_F(AccessTest, ChangesHoldForClientsThatAreConnected) {
  start();
  auto alice = client_of("alice", {"+get", "+ping", "~*"});
  EXPECT_EQ(alice->ask({"GET", "k"}), "(nil)");
  EXPECT_EQ(connect()->ask({"ACL", "SETUSER", "alice", "-get"}), "+OK");
  EXPECT_TRUE(alice->ask({"GET", "k"}).starts_with("-NOPERM"));
  EXPECT_EQ(connect()->ask({"ACL", "SETUSER", "alice", "off"}), "+OK");
  EXPECT_EQ(alice->ask({"PING"}), "+PONG") << "who is connected stays";
  EXPECT_EQ(connect()->ask({"AUTH", "alice", "pw"}), kWrongPassword);
  EXPECT_EQ(connect()->ask({"ACL", "DELUSER", "alice", "nobody"}), ":1");
  EXPECT_TRUE(alice->closed());
  EXPECT_EQ(connect()->ask({"ACL", "DELUSER", "default"}), "-ERR The 'default' user cannot be removed");
  // Its own rules hold for the very next command of one pipeline.
  auto own = connect();
  own->send(TestClient::encode({"ACL", "SETUSER", "default", "-ping"}) + TestClient::encode({"PING"}));
  EXPECT_EQ(own->reply(), "+OK");
  EXPECT_TRUE(own->reply().starts_with("-NOPERM"));
}

TEST_F(AccessTest, WhoRemovesItsOwnUserIsAnsweredAndClosed) {
  start();
  auto alice = client_of("alice", {"+@all", "~*", "&*"});
  EXPECT_EQ(alice->ask({"ACL", "DELUSER", "alice"}), ":1");
  EXPECT_TRUE(alice->closed());
}

TEST_F(AccessTest, SubscribersOfWhatTheyMayNotHearAnyMoreAreClosed) {
  start();
  auto listener = client_of("alice", {"+subscribe", "+psubscribe", "&a*", "&b"});
  listener->ask({"PSUBSCRIBE", "a*"});
  auto other = connect();
  EXPECT_EQ(other->ask({"AUTH", "alice", "pw"}), "+OK");
  other->ask({"SUBSCRIBE", "b"});
  EXPECT_EQ(connect()->ask({"ACL", "SETUSER", "alice", "resetchannels", "&b"}), "+OK");
  EXPECT_TRUE(listener->closed());
  EXPECT_EQ(connect()->ask({"PUBLISH", "b", "still here"}), ":1");
  EXPECT_EQ(other->reply(), "[message b still here]");
}

TEST_F(AccessTest, TransactionsAreLookedAtWhenQueuedAndWhenExecuted) {
  start();
  auto alice = client_of("alice", {"+@all", "-del", "~a:*"});
  EXPECT_EQ(alice->ask({"MULTI"}), "+OK");
  EXPECT_TRUE(alice->ask({"DEL", "a:1"}).starts_with("-NOPERM"));
  EXPECT_EQ(alice->ask({"EXEC"}), "-EXECABORT Transaction discarded because of previous errors.");
  EXPECT_EQ(alice->ask({"SELECT", "3"}), "+OK");
  EXPECT_EQ(alice->ask({"MULTI"}), "+OK");
  EXPECT_EQ(alice->ask({"SET", "a:1", "v"}), "+QUEUED");
  EXPECT_EQ(alice->ask({"INCR", "a:2"}), "+QUEUED");
  EXPECT_EQ(connect()->ask({"ACL", "SETUSER", "alice", "-incr"}), "+OK");
  const std::string answer = alice->ask({"EXEC"});
  EXPECT_TRUE(answer.starts_with("[+OK -NOPERM ACLs rules changed between the moment the transaction was"))
      << answer;
  EXPECT_TRUE(contains(answer, "no permission to execute the command or subcommand")) << answer;
}

TEST_F(AccessTest, AScriptMayDoWhatItsClientMay) {
  start();
  auto alice = client_of("alice", {"+@scripting", "+get", "~a:*"});
  EXPECT_EQ(alice->ask({"EVAL", "return redis.call('GET', KEYS[1])", "1", "a:1"}), "(nil)");
  EXPECT_TRUE(contains(alice->ask({"EVAL", "return redis.call('SET', KEYS[1], '1')", "1", "a:1"}),
                       "ACL failure in script: User alice has no permissions to run the 'set' command"));
  EXPECT_TRUE(contains(alice->ask({"EVAL", "return redis.call('GET', 'b')", "0"}),
                       "ACL failure in script: No permissions to access a key"))
      << "a key that it did not declare";
  EXPECT_EQ(alice->ask({"EVAL", "return 1", "1", "b"}), "-NOPERM No permissions to access a key");
  EXPECT_TRUE(contains(connect()->ask({"ACL", "LOG", "3"}), "context lua object b username alice"));
}

TEST_F(AccessTest, KeysOfOtherDatabasesAreLookedAtByTheNamesThatClientsGive) {
  start();
  auto alice = client_of("alice", {"+@all", "~a:*"});
  EXPECT_EQ(alice->ask({"SELECT", "5"}), "+OK");
  EXPECT_EQ(alice->ask({"SET", "a:1", "v"}), "+OK");
  EXPECT_EQ(alice->ask({"SET", "b:1", "v"}), "-NOPERM No permissions to access a key");
  EXPECT_EQ(alice->ask({"EVAL", "return redis.call('GET', KEYS[1])", "1", "a:1"}), "v");
}

TEST_F(AccessTest, SortReadsOtherKeysForThoseOnlyWhoMayReadAll) {
  start();
  auto some = client_of("some", {"+@all", "~list"});
  auto all = client_of("all", {"+@all", "~list", "%R~*"});
  EXPECT_EQ(some->ask({"RPUSH", "list", "2", "1"}), ":2");
  EXPECT_EQ(some->ask({"SORT", "list"}), "[1 2]");
  EXPECT_EQ(some->ask({"SORT", "list", "BY", "w_*"}),
            "-ERR BY option of SORT denied due to insufficient ACL permissions.");
  EXPECT_EQ(some->ask({"SORT_RO", "list", "GET", "o_*"}),
            "-ERR GET option of SORT denied due to insufficient ACL permissions.");
  EXPECT_EQ(all->ask({"SORT_RO", "list", "BY", "w_*", "GET", "o_*"}), "[(nil) (nil)]");
}

TEST_F(AccessTest, TheLogCountsWhatIsRefusedAgain) {
  start();
  auto alice = client_of("alice", {"+get", "~a"});
  for (int i = 0; i < 3; ++i) alice->ask({"GET", "b"});
  alice->ask({"SET", "a", "v"});
  connect()->ask({"AUTH", "mallory", "x"});
  auto admin = connect();
  const std::string log = admin->ask({"ACL", "LOG"});
  EXPECT_TRUE(
      log.starts_with("[[count :1 reason auth context toplevel object mallory username mallory age-seconds "))
      << log;
  EXPECT_TRUE(
      contains(log, "[count :1 reason command context toplevel object set username alice age-seconds "));
  EXPECT_TRUE(contains(log, "[count :3 reason key context toplevel object b username alice age-seconds "));
  EXPECT_TRUE(contains(log, " user=alice "));
  EXPECT_EQ(admin->ask({"ACL", "LOG", "0"}), "[]");
  // Beyond a minute the same is another entry.
  clock.advance(61s);
  alice->ask({"GET", "b"});
  EXPECT_TRUE(admin->ask({"ACL", "LOG", "1"}).starts_with("[[count :1 reason key"));
  EXPECT_EQ(admin->ask({"ACL", "LOG", "RESET"}), "+OK");
  EXPECT_EQ(admin->ask({"ACL", "LOG"}), "[]");
  EXPECT_EQ(admin->ask({"ACL", "LOG", "x"}), "-ERR value is not an integer or out of range");
  for (int i = 0; i < 200; ++i) alice->ask({"GET", "k" + std::to_string(i)});
  const std::string many = admin->ask({"ACL", "LOG", "1000"});
  std::size_t entries = 0;
  for (std::size_t at = many.find("count :"); at != std::string::npos; at = many.find("count :", at + 1))
    ++entries;
  EXPECT_EQ(entries, 128U) << "it is bounded";
}

TEST_F(AccessTest, DryRunSaysWhatWouldBeRefused) {
  start();
  client_of("alice", {"+get", "+publish", "~a"});
  auto admin = connect();
  EXPECT_EQ(admin->ask({"ACL", "DRYRUN", "alice", "GET", "a"}), "+OK");
  EXPECT_EQ(admin->ask({"ACL", "DRYRUN", "alice", "GET", "b"}),
            "User alice has no permissions to access the 'b' key");
  EXPECT_EQ(admin->ask({"ACL", "DRYRUN", "alice", "SET", "a", "v"}),
            "User alice has no permissions to run the 'set' command");
  EXPECT_EQ(admin->ask({"ACL", "DRYRUN", "alice", "PUBLISH", "c", "m"}),
            "User alice has no permissions to access the 'c' channel");
  EXPECT_EQ(admin->ask({"ACL", "DRYRUN", "alice", "NOPE"}), "-ERR Command 'NOPE' not found");
  EXPECT_EQ(admin->ask({"ACL", "DRYRUN", "alice", "GET"}),
            "-ERR wrong number of arguments for 'get' command");
  EXPECT_EQ(admin->ask({"ACL", "DRYRUN", "nobody", "GET", "a"}), "-ERR User 'nobody' not found");
}

TEST_F(AccessTest, WhatIsSecretIsShownToNobody) {
  options.password = "secret";
  start();
  auto watcher = connect();
  watcher->ask({"AUTH", "secret"});
  watcher->ask({"CONFIG", "SET", "slowlog-log-slower-than", "0"});
  EXPECT_EQ(watcher->ask({"MONITOR"}), "+OK");
  auto client = connect();
  client->ask({"AUTH", "secret"});
  EXPECT_EQ(client->ask({"ACL", "SETUSER", "bob", "on", ">hunter2"}), "+OK");
  EXPECT_EQ(client->ask({"AUTH", "bob", "hunter2"}), "+OK");
  EXPECT_EQ(client->ask({"AUTH", "secret"}), "+OK");
  EXPECT_EQ(client->ask({"ECHO", "end"}), "end");
  for (std::string line; !contains(line, "\"end\"");) {
    line = watcher->reply();
    ASSERT_NE(line, "(timeout)");
    EXPECT_FALSE(contains(line, "hunter2") || contains(line, "\"secret\"")) << line;
  }
  EXPECT_FALSE(contains(client->ask({"SLOWLOG", "GET", "-1"}), "hunter2"));
  EXPECT_FALSE(contains(client->ask({"ACL", "LIST"}), "hunter2"));
}

TEST_F(AccessTest, ScriptsAreOffWhileSomebodyNeedsNoPassword) {
  options.resp = "0.0.0.0:0";
  options.users = {{"default", "off", {}}, {"admin", "on >pw ~* &* +@all", {}}};
  start();
  auto admin = connect();
  EXPECT_EQ(admin->ask({"AUTH", "admin", "pw"}), "+OK");
  EXPECT_EQ(admin->ask({"EVAL", "return 1", "0"}), ":1");
  EXPECT_EQ(admin->ask({"ACL", "SETUSER", "guest", "on", "nopass", "+eval"}), "+OK");
  EXPECT_TRUE(admin->ask({"EVAL", "return 1", "0"}).starts_with("-NOPERM scripts are off"));
}

TEST_F(AccessTest, CategoriesAreRedis) {
  start();
  auto client = connect();
  EXPECT_EQ(client->ask({"ACL", "CAT"}),
            "[keyspace read write set sortedset list hash string bitmap hyperloglog geo stream pubsub admin "
            "fast slow "
            "blocking dangerous connection transaction scripting]");
  EXPECT_EQ(client->ask({"ACL", "CAT", "nope"}), "-ERR Unknown category 'nope'");
  EXPECT_TRUE(contains(client->ask({"ACL", "CAT", "admin"}), "forebay|purge"));
  EXPECT_FALSE(contains(client->ask({"ACL", "CAT", "admin"}), "forebay|read"));
  EXPECT_EQ(client->ask({"ACL", "GENPASS"}).size(), 64U);
  EXPECT_EQ(client->ask({"ACL", "GENPASS", "5"}).size(), 2U);
  EXPECT_NE(client->ask({"ACL", "GENPASS"}), client->ask({"ACL", "GENPASS"}));
  EXPECT_TRUE(client->ask({"ACL", "SAVE"})
                  .starts_with("-ERR This Redis instance is not configured to use an ACL file."));
}

}  // namespace
}  // namespace forebay::server
