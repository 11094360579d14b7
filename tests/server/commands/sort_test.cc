// SORT over sockets: what it answers is compared with redis-server's in tests/clients.

#include <string>
#include <vector>

#include "server/commands/harness.h"
#include "server/server_fixture.h"
#include "server/tracking/key_feed.h"

namespace forebay::server {
namespace {

class SortTest : public ServerTest {};
class SortOfPlainKeys : public PlainKeys {};

TEST_F(SortOfPlainKeys, OtherTypesAreRefused) {
  run("XADD", "stream", "1-1", "f", "v");
  run("HSET", "hash", "f", "v");
  run("SET", "text", "x");
  for (const char* key : {"stream", "hash", "text"}) {
    EXPECT_TRUE(run("SORT", key, "ALPHA").starts_with("-WRONGTYPE")) << key;
    EXPECT_TRUE(run("SORT", key, "BY", "nosort", "STORE", "to").starts_with("-WRONGTYPE")) << key;
  }
  EXPECT_EQ(run("EXISTS", "to"), ":0");
}

// As many keys are looked at as there are elements and patterns.
TEST_F(SortOfPlainKeys, SoAreFewElementsWithManyPatterns) {
  for (int i = 0; i < 200; ++i) run("RPUSH", "l", std::to_string(i));
  std::vector<std::string_view> command{"SORT", "l"};
  for (int i = 0; i < 100; ++i) command.insert(command.end(), {"GET", "x*"});
  EXPECT_TRUE(client_->run(command).starts_with("*20000|"));
  EXPECT_TRUE(client_->last_was_deferred());
  run("SORT", "l", "GET", "x*");
  EXPECT_FALSE(client_->last_was_deferred());
}

TEST_F(SortOfPlainKeys, ManyElementsAreSortedOnTheSlowLane) {
  for (int i = 0; i < 9'999; ++i) run("RPUSH", "l", std::to_string(i));
  EXPECT_EQ(run("SORT", "l", "DESC", "LIMIT", "0", "1"), "*1|$4|9998");
  EXPECT_FALSE(client_->last_was_deferred());
  run("RPUSH", "l", "x");
  EXPECT_EQ(run("SORT", "l"), "-ERR One or more scores can't be converted into double");
  EXPECT_TRUE(client_->last_was_deferred());
}

TEST_F(SortTest, ByNumbersByTextsAndByWhatOtherKeysSay) {
  start();
  auto client = connect();
  client->ask({"RPUSH", "l", "3", "10", "1.5"});
  EXPECT_EQ(client->ask({"SORT", "l"}), "[1.5 3 10]");
  EXPECT_EQ(client->ask({"SORT", "l", "DESC"}), "[10 3 1.5]");
  EXPECT_EQ(client->ask({"SORT", "l", "ALPHA"}), "[1.5 10 3]");
  EXPECT_EQ(client->ask({"SORT_RO", "l", "LIMIT", "1", "5"}), "[3 10]");
  client->ask({"MSET", "w_3", "30", "w_10", "20", "w_1.5", "25"});
  client->ask({"HSET", "h_3", "name", "three"});
  EXPECT_EQ(client->ask({"SORT", "l", "BY", "w_*"}), "[10 1.5 3]");
  EXPECT_EQ(client->ask({"SORT", "l", "BY", "w_*", "GET", "#", "GET", "h_*->name"}),
            "[10 (nil) 1.5 (nil) 3 three]");
  EXPECT_EQ(client->ask({"SORT", "l", "BY", "nosort", "DESC"}), "[1.5 10 3]");
  client->ask({"RPUSH", "l", "x"});
  EXPECT_EQ(client->ask({"SORT", "l"}), "-ERR One or more scores can't be converted into double");
  EXPECT_EQ(client->ask({"SORT_RO", "l", "STORE", "d"}), "-ERR syntax error");
}

TEST_F(SortTest, WhatIsStoredIsAListAndNothingDeletesIt) {
  start();
  auto client = connect();
  client->ask({"SADD", "s", "c", "b", "a"});
  EXPECT_EQ(client->ask({"SORT", "s", "BY", "nosort", "STORE", "d"}), ":3");
  EXPECT_EQ(client->ask({"LRANGE", "d", "0", "-1"}), "[a b c]") << "a set's own order is nobody's";
  EXPECT_EQ(client->ask({"SORT", "s", "ALPHA", "GET", "none_*", "STORE", "d"}), ":3");
  EXPECT_EQ(client->ask({"LINDEX", "d", "0"}), "");
  EXPECT_EQ(client->ask({"SORT", "nothing", "STORE", "d"}), ":0");
  EXPECT_EQ(client->ask({"EXISTS", "d"}), ":0");
}

TEST_F(SortTest, WhoWaitsForTheTargetIsServed) {
  start();
  auto client = connect();
  auto other = connect();
  client->ask({"RPUSH", "l", "2", "1"});
  other->send_command({"BLPOP", "d", "0"});
  EXPECT_TRUE(eventually([&] { return server->key_feed().waiters().size() == 1; }));
  EXPECT_EQ(client->ask({"SORT", "l", "STORE", "d"}), ":2");
  EXPECT_EQ(other->reply(), "[d 1]");
  EXPECT_EQ(client->ask({"LRANGE", "d", "0", "-1"}), "[2]");
}

TEST_F(SortTest, InATransactionAndInAScript) {
  start();
  auto client = connect();
  client->ask({"RPUSH", "l", "2", "1"});
  client->ask({"MSET", "w_1", "9", "w_2", "3"});
  client->ask({"MULTI"});
  client->ask({"SORT", "l", "BY", "w_*"});
  client->ask({"SORT", "l", "STORE", "d"});
  client->ask({"LRANGE", "d", "0", "-1"});
  EXPECT_EQ(client->ask({"EXEC"}), "[[2 1] :2 [1 2]]");
  EXPECT_EQ(client->ask({"EVAL", "return redis.call('sort', 'l', 'by', 'w_*', 'get', 'w_*')", "0"}), "[3 9]");
}

TEST_F(SortTest, KeysWithASourceAreRefused) {
  start();
  auto client = connect();
  client->ask({"RPUSH", "l", "1"});
  EXPECT_TRUE(client->ask({"SORT", "slow:1"}).starts_with("-WRONGTYPE"));
  EXPECT_TRUE(client->ask({"SORT", "l", "STORE", "slow:1"}).starts_with("-WRONGTYPE"));
  const std::string refused = "-ERR SORT is not available on keys of namespace 'slow', which have a source";
  EXPECT_EQ(client->ask({"SORT", "l", "BY", "slow:*"}), refused);
  EXPECT_EQ(client->ask({"SORT", "l", "GET", "slow:*"}), refused);
}

// On the slow lane.
TEST_F(SortTest, ManyElementsKeepNobodyWaiting) {
  start();
  auto client = connect();
  std::vector<std::string> push = {"RPUSH", "l"};
  for (int i = 20'000; i > 0; --i) push.push_back(std::to_string(i));
  client->ask(push);
  EXPECT_EQ(client->ask({"SORT", "l", "LIMIT", "0", "3"}), "[1 2 3]");
  auto other = connect();
  other->send_command({"BLPOP", "d", "0"});
  EXPECT_TRUE(eventually([&] { return server->key_feed().waiters().size() == 1; }));
  client->ask({"CONFIG", "SET", "notify-keyspace-events", "El"});
  auto listener = connect();
  listener->ask({"SUBSCRIBE", "__keyevent@0__:sortstore"});
  EXPECT_EQ(client->ask({"SORT", "l", "DESC", "STORE", "d"}), ":20000");
  EXPECT_EQ(other->reply(), "[d 20000]");
  EXPECT_EQ(listener->reply(), "[message __keyevent@0__:sortstore d]");
}

}  // namespace
}  // namespace forebay::server
