// When single fields of a hash end. The machine's redis-server has none of these commands: what they answer is what
// Redis 7.4 documents.

#include <string>
#include <vector>

#include "server/commands/harness.h"
#include "server/hash_upkeep.h"
#include "server/server_fixture.h"

namespace forebay::server {
namespace {

// Once with a hash that is packed and once with one that has its own nodes.
class HashFieldsEnd : public PlainKeys, public testing::WithParamInterface<int> {
 protected:
  HashFieldsEnd() {
    run("HSET", "h", "a", "1", "b", "2", "c", "3");
    for (int i = 0; i < GetParam(); ++i) run("HSET", "h", "more:" + std::to_string(i), std::string(20, 'x'));
  }
  std::string size(int fields) { return ":" + std::to_string(fields + GetParam()); }
};

TEST_P(HashFieldsEnd, AndAreGoneForEveryCommandThen) {
  EXPECT_EQ(run("HEXPIRE", "h", "10", "FIELDS", "2", "a", "none"), "*2|:1|:-2");
  EXPECT_EQ(run("HPEXPIRE", "h", "20000", "FIELDS", "1", "b"), "*1|:1");
  EXPECT_EQ(run("HTTL", "h", "FIELDS", "4", "a", "b", "c", "none"), "*4|:10|:20|:-1|:-2");
  EXPECT_EQ(run("HPTTL", "h", "FIELDS", "1", "a"), "*1|:10000");
  clock_.advance(std::chrono::milliseconds(9'999));
  EXPECT_EQ(run("HGET", "h", "a"), "$1|1");
  EXPECT_EQ(run("HTTL", "h", "FIELDS", "1", "a"), "*1|:1") << "a second that has begun counts";
  clock_.advance(std::chrono::milliseconds(1));
  EXPECT_EQ(run("HLEN", "h"), size(2));
  EXPECT_EQ(run("HGET", "h", "a"), "$-1");
  EXPECT_EQ(run("HEXISTS", "h", "a"), ":0");
  EXPECT_EQ(run("HMGET", "h", "a", "b"), "*2|$-1|$1|2");
  EXPECT_EQ(run("HSTRLEN", "h", "a"), ":0");
  EXPECT_EQ(run("HTTL", "h", "FIELDS", "1", "a"), "*1|:-2");
  clock_.advance(std::chrono::seconds(10));
  EXPECT_EQ(run("HDEL", "h", "b"), ":0");
  EXPECT_EQ(run("HSETNX", "h", "b", "new"), ":1");
  EXPECT_EQ(run("HTTL", "h", "FIELDS", "1", "b"), "*1|:-1");
  EXPECT_EQ(run("HLEN", "h"), size(2));
}

TEST_P(HashFieldsEnd, AtAMoment) {
  const std::int64_t now = clock_.to_wall_ms(clock_.now());
  EXPECT_EQ(run("HPEXPIREAT", "h", std::to_string(now + 1'500), "FIELDS", "1", "a"), "*1|:1");
  EXPECT_EQ(run("HPEXPIRETIME", "h", "FIELDS", "2", "a", "b"), "*2|:" + std::to_string(now + 1'500) + "|:-1");
  EXPECT_EQ(run("HEXPIREAT", "h", std::to_string(now / 1000 + 50), "FIELDS", "1", "b"), "*1|:1");
  EXPECT_EQ(run("HEXPIRETIME", "h", "FIELDS", "1", "b"), "*1|:" + std::to_string(now / 1000 + 50));
  EXPECT_EQ(run("HPEXPIREAT", "h", std::to_string(now), "FIELDS", "1", "c"), "*1|:2") << "has passed";
  EXPECT_EQ(run("HEXISTS", "h", "c"), ":0");
}

TEST_P(HashFieldsEnd, OnConditions) {
  EXPECT_EQ(run("HEXPIRE", "h", "10", "XX", "FIELDS", "1", "a"), "*1|:0");
  EXPECT_EQ(run("HEXPIRE", "h", "10", "GT", "FIELDS", "1", "a"), "*1|:0");
  EXPECT_EQ(run("HEXPIRE", "h", "10", "NX", "FIELDS", "1", "a"), "*1|:1");
  EXPECT_EQ(run("HEXPIRE", "h", "20", "NX", "FIELDS", "1", "a"), "*1|:0");
  EXPECT_EQ(run("HEXPIRE", "h", "10", "GT", "FIELDS", "1", "a"), "*1|:0");
  EXPECT_EQ(run("HEXPIRE", "h", "10", "LT", "FIELDS", "1", "a"), "*1|:0");
  EXPECT_EQ(run("HEXPIRE", "h", "5", "LT", "FIELDS", "1", "a"), "*1|:1");
  EXPECT_EQ(run("HEXPIRE", "h", "9", "gt", "fields", "1", "a"), "*1|:1");
  EXPECT_EQ(run("HEXPIRE", "h", "8", "XX", "FIELDS", "1", "a"), "*1|:1");
  EXPECT_EQ(run("HEXPIRE", "h", "30", "LT", "FIELDS", "1", "b"), "*1|:1") << "one that stays ends last";
  EXPECT_EQ(run("HTTL", "h", "FIELDS", "2", "a", "b"), "*2|:8|:30");
}

TEST_P(HashFieldsEnd, UntilTheyAreToldToStay) {
  run("HEXPIRE", "h", "10", "FIELDS", "3", "a", "b", "c");
  EXPECT_EQ(run("HPERSIST", "h", "FIELDS", "2", "a", "none"), "*2|:1|:-2");
  EXPECT_EQ(run("HPERSIST", "h", "FIELDS", "1", "a"), "*1|:-1");
  EXPECT_EQ(run("HSET", "h", "b", "again"), ":0") << "a new value stays";
  EXPECT_EQ(run("HINCRBY", "h", "c", "4"), ":7") << "a counter goes on to end";
  EXPECT_EQ(run("HINCRBYFLOAT", "h", "c", "0.5"), "$3|7.5");
  EXPECT_EQ(run("HTTL", "h", "FIELDS", "3", "a", "b", "c"), "*3|:-1|:-1|:10");
  EXPECT_EQ(run("COPY", "h", "copy"), ":1");
  EXPECT_EQ(run("RENAME", "h", "renamed"), "+OK");
  clock_.advance(std::chrono::seconds(10));
  EXPECT_EQ(run("HMGET", "copy", "a", "b", "c"), "*3|$1|1|$5|again|$-1");
  EXPECT_EQ(run("HLEN", "renamed"), size(2));
}

TEST_P(HashFieldsEnd, InASortAndInAScript) {
  run("RPUSH", "list", "a");
  run("HEXPIRE", "h", "10", "FIELDS", "1", "b");
  EXPECT_EQ(run("SORT", "list", "BY", "nosort", "GET", "h->b", "GET", "*->b"), "*2|$-1|$-1");
  run("HSET", "h_a", "b", "x");
  run("HEXPIRE", "h_a", "10", "FIELDS", "1", "b");
  EXPECT_EQ(run("SORT", "list", "BY", "nosort", "GET", "h_*->b"), "*1|$1|x");
  clock_.advance(std::chrono::seconds(10));
  EXPECT_EQ(run("SORT", "list", "BY", "nosort", "GET", "h_*->b"), "*1|$-1");
}

INSTANTIATE_TEST_SUITE_P(PackedAndLarge, HashFieldsEnd, testing::Values(0, 500));

class HashExpiry : public PlainKeys {};

TEST_F(HashExpiry, AHashWhoseLastFieldEndsIsGone) {
  run("HSET", "h", "a", "1", "b", "2");
  run("HPEXPIRE", "h", "5", "FIELDS", "2", "a", "b");
  clock_.advance(std::chrono::milliseconds(5));
  EXPECT_EQ(run("HGETALL", "h"), "*0");
  EXPECT_EQ(run("EXISTS", "h"), ":0");
  run("HSET", "h", "a", "1");
  EXPECT_EQ(run("HEXPIRE", "h", "0", "FIELDS", "1", "a"), "*1|:2");
  EXPECT_EQ(run("EXISTS", "h"), ":0");
}

TEST_F(HashExpiry, WhatIsWrongIsSaidAsRedisDoes) {
  run("HSET", "h", "a", "1");
  run("SET", "s", "1");
  EXPECT_EQ(run("HEXPIRE", "none", "10", "FIELDS", "2", "a", "b"), "*2|:-2|:-2");
  EXPECT_EQ(run("HTTL", "none", "FIELDS", "1", "a"), "*1|:-2");
  EXPECT_EQ(run("HPERSIST", "none", "FIELDS", "1", "a"), "*1|:-2");
  EXPECT_TRUE(run("HEXPIRE", "s", "x", "FIELDS", "1", "a").starts_with("-WRONGTYPE"));
  EXPECT_TRUE(run("HTTL", "s", "FIELDS", "1", "a").starts_with("-WRONGTYPE"));
  EXPECT_EQ(run("HEXPIRE", "h", "x", "FIELDS", "1", "a"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(run("HEXPIRE", "h", "-1", "FIELDS", "1", "a"), "-ERR invalid expire time, must be >= 0");
  EXPECT_EQ(run("HEXPIRE", "h", "70368744178", "FIELDS", "1", "a"),
            "-ERR invalid expire time in 'hexpire' command");
  EXPECT_EQ(run("HPEXPIREAT", "h", "70368744177664", "FIELDS", "1", "a"),
            "-ERR invalid expire time in 'hpexpireat' command");
  EXPECT_EQ(run("HPEXPIREAT", "h", "70368744177663", "FIELDS", "1", "a"), "*1|:1");
  const std::string misplaced = "-ERR Mandatory argument FIELDS is missing or not at the right position";
  EXPECT_EQ(run("HEXPIRE", "h", "1", "1", "a", "FIELDS"), misplaced);
  EXPECT_EQ(run("HTTL", "h", "a", "1", "FIELDS"), misplaced);
  EXPECT_EQ(run("HEXPIRE", "h", "1", "FIELDS", "0", "a"),
            "-ERR Parameter `numFields` should be greater than 0");
  EXPECT_EQ(run("HTTL", "h", "FIELDS", "0", "a"), "-ERR Number of fields must be a positive integer");
  for (const char* number : {"2", "9223372036854775807"}) {
    EXPECT_EQ(run("HEXPIRE", "h", "1", "FIELDS", number, "a"),
              "-ERR The `numfields` parameter must match the number of arguments");
  }
}

TEST_F(HashExpiry, TheWalkDropsWhatNobodyAsksFor) {
  HashUpkeep& upkeep = server_->hash_upkeep();
  const std::size_t before = layer_->stats().bytes;
  for (int i = 0; i < 50; ++i) {
    const std::string key = "h" + std::to_string(i);
    run("HSET", key, "a", std::string(100, 'x'));
    run("HPEXPIRE", key, "5", "FIELDS", "1", "a");
  }
  run("HSET", "later", "a", "1");
  run("HPEXPIRE", "later", "9", "FIELDS", "1", "a");
  upkeep.run(*layer_, clock_.now());
  EXPECT_EQ(layer_->size(), 51u);
  clock_.advance(std::chrono::milliseconds(5));
  for (int i = 0; i < 10; ++i) upkeep.run(*layer_, clock_.now());
  EXPECT_EQ(layer_->size(), 1u);
  clock_.advance(std::chrono::milliseconds(5));
  for (int i = 0; i < 10; ++i) upkeep.run(*layer_, clock_.now());
  EXPECT_EQ(layer_->size(), 0u);
  EXPECT_EQ(layer_->stats().bytes, before);
}

class HashExpiryServed : public ServerTest {};

TEST_F(HashExpiryServed, ItIsToldOfAndDoneByItself) {
  start();
  auto client = connect();
  client->ask({"CONFIG", "SET", "notify-keyspace-events", "Ehg"});
  auto listener = connect();
  listener->ask({"PSUBSCRIBE", "__keyevent@0__:*"});
  client->ask({"HSET", "h", "a", "1", "b", "2"});
  client->ask({"HPEXPIRE", "h", "3600000", "FIELDS", "1", "a"});
  client->ask({"HPERSIST", "h", "FIELDS", "1", "a"});
  client->ask({"HEXPIRE", "h", "3600", "FIELDS", "2", "a", "b"});
  for (const char* event : {"hset", "hexpire", "hpersist", "hexpire"}) {
    EXPECT_EQ(listener->reply(), "[pmessage __keyevent@0__:* __keyevent@0__:" + std::string(event) + " h]");
  }
  clock.advance(2h);
  EXPECT_EQ(listener->reply(), "[pmessage __keyevent@0__:* __keyevent@0__:hexpired h]");
  EXPECT_EQ(listener->reply(), "[pmessage __keyevent@0__:* __keyevent@0__:del h]");
  EXPECT_EQ(client->ask({"EXISTS", "h"}), ":0");
  EXPECT_TRUE(client->ask({"HEXPIRE", "slow:1", "1", "FIELDS", "1", "a"})
                  .starts_with("-ERR HEXPIRE is not available"));
}

}  // namespace
}  // namespace forebay::server
