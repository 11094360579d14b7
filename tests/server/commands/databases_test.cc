// SELECT and what follows from it, as Redis has it: the same texts are other keys in another database.

#include <memory>
#include <string>
#include <vector>

#include "server/commands/harness.h"

namespace forebay::server {
namespace {

config::Model model_with_a_namespace() {
  config::Model model;
  config::Namespace any;
  any.name = "any";
  any.key.text = "{any}";
  any.key.literals = {"", ""};
  any.key.fields = {"any"};
  any.ttl = std::chrono::seconds(10);
  model.namespaces = {any};
  return model;
}

class DatabasesOf : public PlainKeys {
 protected:
  // One in the database with this number. As long as the test.
  Client& client(const char* database) {
    clients_.push_back(std::make_unique<Client>(*layer_, *server_));
    EXPECT_EQ((*clients_.back())("SELECT", database), "+OK");
    return *clients_.back();
  }

  std::vector<std::unique_ptr<Client>> clients_;
};

TEST_F(DatabasesOf, EachHasKeysOfItsOwn) {
  Client& one = client("1");
  Client& two = client("2");
  run("MSET", "k", "0", "only", "x");
  one("SET", "k", "1");
  EXPECT_EQ(two("GET", "k"), "$-1");
  two("SET", "k", "2", "EX", "10");
  EXPECT_EQ(run("GET", "k"), "$1|0");
  EXPECT_EQ(one("MGET", "k", "only"), "*2|$1|1|$-1");
  EXPECT_EQ(two("TTL", "k"), ":10");
  EXPECT_EQ(one("TTL", "k"), ":-1");
  EXPECT_EQ(one("DEL", "k", "only"), ":1");
  EXPECT_EQ(run("EXISTS", "k", "only"), ":2");
  // An empty key is a key, too.
  one("SET", "", "empty");
  EXPECT_EQ(one("GET", ""), "$5|empty");
  EXPECT_EQ(run("EXISTS", ""), ":0");
}

TEST_F(DatabasesOf, WhatListsKeysShowsOwnOnesByTheirNames) {
  Client& one = client("1");
  run("MSET", "a", "0", "b", "0", "c", "0");
  one("MSET", "a", "1", "z", "1");
  EXPECT_EQ(one("DBSIZE"), ":2");
  EXPECT_EQ(run("DBSIZE"), ":3");
  EXPECT_EQ(one("KEYS", "*"), "*2|$1|a|$1|z");
  EXPECT_EQ(one("KEYS", "z"), "*1|$1|z");
  EXPECT_EQ(run("KEYS", "*"), "*3|$1|a|$1|b|$1|c");
  EXPECT_EQ(one("SCAN", "0", "COUNT", "1000", "MATCH", "z*"), "*2|$1|0|*1|$1|z");
  for (int i = 0; i < 50; ++i) {
    const std::string name = one("RANDOMKEY");
    EXPECT_TRUE(name == "$1|a" || name == "$1|z") << name;
  }
  EXPECT_EQ(client("2")("RANDOMKEY"), "$-1");
  EXPECT_NE(run("INFO", "keyspace").find("db0:keys=3,expires=0,avg_ttl=0|db1:keys=2,expires=0"),
            std::string::npos)
      << run("INFO", "keyspace");
}

TEST_F(DatabasesOf, AFewKeysAreFoundAmongManyOfOthers) {
  Client& one = client("1");
  for (int i = 0; i < 5000; ++i) run("SET", "key:" + std::to_string(i), "0");
  one("SET", "needle", "1");
  EXPECT_EQ(one("RANDOMKEY"), "$6|needle");
  EXPECT_EQ(one("KEYS", "*"), "*1|$6|needle");
  std::string cursor = "0";
  int calls = 0;
  std::string found;
  do {
    const std::string page = one("SCAN", cursor);
    const std::size_t begin = page.find('|', page.find('$')) + 1;
    cursor = page.substr(begin, page.find('|', begin) - begin);
    found += page.substr(page.find('|', begin));
    ++calls;
  } while (cursor != "0");
  EXPECT_NE(found.find("needle"), std::string::npos);
  EXPECT_LT(calls, 10) << "and not one for each ten keys of others";
}

TEST_F(DatabasesOf, FlushdbLeavesTheOthers) {
  Client& one = client("1");
  Client& two = client("2");
  run("SET", "k", "0");
  one("SET", "k", "1");
  two("SET", "k", "2");
  EXPECT_EQ(one("FLUSHDB"), "+OK");
  EXPECT_EQ(one("DBSIZE"), ":0");
  EXPECT_EQ(one("GET", "k"), "$-1");
  EXPECT_EQ(run("GET", "k"), "$1|0");
  EXPECT_EQ(two("GET", "k"), "$1|2");
  // What is stored afterwards is there.
  one("SET", "k", "new");
  EXPECT_EQ(run("FLUSHDB", "ASYNC"), "+OK");
  EXPECT_EQ(run("GET", "k"), "$-1");
  EXPECT_EQ(run("DBSIZE"), ":0");
  EXPECT_EQ(one("GET", "k"), "$3|new");
  EXPECT_EQ(run("FLUSHDB", "soon"), "-ERR syntax error");
  EXPECT_EQ(run("FLUSHALL"), "+OK");
  EXPECT_EQ(one("DBSIZE"), ":0");
  EXPECT_EQ(two("DBSIZE"), ":0");
}

TEST_F(DatabasesOf, FlushdbOfManyKeysAnswersOnceTheyAreGoneFromMemory) {
  Client& one = client("1");
  run("SET", "k", "0");
  for (int i = 0; i < 3000; ++i) one("SET", "key:" + std::to_string(i), std::string(100, 'x'));
  const std::size_t before = layer_->stats().bytes;
  EXPECT_EQ(one("FLUSHDB"), "+OK");
  EXPECT_TRUE(one.last_was_deferred());
  EXPECT_EQ(layer_->size(), 1u);
  EXPECT_LT(layer_->stats().bytes, before - 3000 * 100);
}

TEST_F(DatabasesOf, WhoWatchesAKeySeesThatItsDatabaseWasFlushed) {
  Client& one = client("1");
  one("SET", "k", "1");
  run("SET", "k", "0");
  one("WATCH", "k");
  run("SET", "k", "another key");
  one("MULTI");
  one("GET", "k");
  EXPECT_EQ(one("EXEC"), "*1|$1|1");
  one("WATCH", "k");
  client("1")("FLUSHDB");
  one("MULTI");
  one("GET", "k");
  EXPECT_EQ(one("EXEC"), "*-1");
}

TEST_F(DatabasesOf, ATransactionMayGoFromOneToAnother) {
  Client& one = client("1");
  one("MULTI");
  one("SET", "k", "1");
  one("SELECT", "2");
  one("SET", "k", "2");
  one("KEYS", "*");
  one("SELECT", "99");
  one("GET", "k");
  EXPECT_EQ(one("EXEC"), "*6|+OK|+OK|+OK|*1|$1|k|-ERR DB index is out of range|$1|2");
  EXPECT_EQ(one("GET", "k"), "$1|2") << "it stays where it went";
  EXPECT_EQ(client("1")("GET", "k"), "$1|1");
  // One that is thrown away goes nowhere.
  one("MULTI");
  one("SELECT", "3");
  one("DISCARD");
  EXPECT_EQ(one("GET", "k"), "$1|2");
}

TEST_F(DatabasesOf, MoveTakesAKeyWithItsTimes) {
  Client& one = client("1");
  run("SET", "k", "v", "EX", "10");
  run("RPUSH", "list", "a", "b");
  EXPECT_EQ(run("MOVE", "k", "1"), ":1");
  EXPECT_EQ(run("EXISTS", "k"), ":0");
  EXPECT_EQ(one("GET", "k"), "$1|v");
  EXPECT_EQ(one("TTL", "k"), ":10");
  run("SET", "k", "other");
  EXPECT_EQ(run("MOVE", "k", "1"), ":0") << "there is one";
  EXPECT_EQ(run("MOVE", "none", "1"), ":0");
  EXPECT_EQ(run("MOVE", "list", "1"), ":1");
  EXPECT_EQ(one("LRANGE", "list", "0", "-1"), "*2|$1|a|$1|b");
  EXPECT_EQ(one("MOVE", "k", "0"), ":0");
  EXPECT_EQ(run("MOVE", "k", "0"), "-ERR source and destination objects are the same");
  EXPECT_EQ(run("MOVE", "k", "16"), "-ERR DB index is out of range");
  EXPECT_EQ(run("MOVE", "k", "x"), "-ERR value is not an integer or out of range");
  run("MULTI");
  run("MOVE", "k", "2");
  EXPECT_EQ(run("EXEC"), "*1|-ERR another database's keys can't be part of a transaction or a script");
}

TEST_F(DatabasesOf, CopyMayGoToAnotherOne) {
  Client& one = client("1");
  run("SET", "k", "v");
  EXPECT_EQ(run("COPY", "k", "k", "DB", "1"), ":1");
  EXPECT_EQ(one("GET", "k"), "$1|v");
  EXPECT_EQ(run("COPY", "k", "k", "DB", "1"), ":0");
  run("SET", "k", "w");
  EXPECT_EQ(run("COPY", "k", "k", "DB", "1", "REPLACE"), ":1");
  EXPECT_EQ(one("GET", "k"), "$1|w");
  EXPECT_EQ(one("COPY", "k", "c", "DB", "1"), ":1");
  EXPECT_EQ(one("GET", "c"), "$1|w");
  EXPECT_EQ(run("COPY", "k", "k", "DB", "0"), "-ERR source and destination objects are the same");
}

TEST_F(DatabasesOf, SwapdbSwapsAllKeys) {
  Client& one = client("1");
  Client& two = client("2");
  run("SET", "k", "0");
  one("MSET", "k", "1", "more", "1");
  two("WATCH", "k");
  EXPECT_EQ(two("SWAPDB", "0", "1"), "+OK");
  EXPECT_EQ(run("GET", "k"), "$1|1");
  EXPECT_EQ(run("DBSIZE"), ":2");
  EXPECT_EQ(one("GET", "k"), "$1|0");
  EXPECT_EQ(one("DBSIZE"), ":1");
  two("MULTI");
  EXPECT_EQ(two("EXEC"), "*-1") << "keys that were watched may be others now";
  EXPECT_EQ(one("FLUSHDB"), "+OK");
  EXPECT_EQ(run("DBSIZE"), ":2");
  EXPECT_EQ(run("SWAPDB", "a", "1"), "-ERR invalid first DB index");
  EXPECT_EQ(run("SWAPDB", "1", "a"), "-ERR invalid second DB index");
  EXPECT_EQ(run("SWAPDB", "1", "16"), "-ERR DB index is out of range");
}

TEST_F(DatabasesOf, AScriptsKeysAreThoseOfItsClient) {
  Client& one = client("1");
  one("SET", "k", "1");
  run("SET", "k", "0");
  constexpr const char* kScript =
      "redis.call('SET', 'other', 'x') return {KEYS[1], redis.call('GET', KEYS[1])}";
  EXPECT_EQ(one("EVAL", kScript, "1", "k"), "*2|$1|k|$1|1");
  EXPECT_EQ(one("GET", "other"), "$1|x");
  EXPECT_EQ(run("EXISTS", "other"), ":0");
  one("MULTI");
  one("EVAL", "return redis.call('GET', KEYS[1])", "1", "k");
  EXPECT_EQ(one("EXEC"), "*1|$1|1");
}

TEST_F(DatabasesOf, RepliesThatNameKeysNameThemAsTheClientDoes) {
  Client& one = client("1");
  one("RPUSH", "l", "a", "b");
  EXPECT_EQ(one("LMPOP", "2", "none", "l", "LEFT"), "*2|$1|l|*1|$1|a");
  one("ZADD", "z", "1", "m");
  EXPECT_EQ(one("ZMPOP", "1", "z", "MIN"), "*2|$1|z|*1|*2|$1|m|$1|1");
  one("ZADD", "z", "1", "m");
  EXPECT_EQ(one("ZUNIONSTORE", "u", "2", "z", "z"), ":1");
  EXPECT_EQ(one("KEYS", "*"), "*3|$1|l|$1|u|$1|z");
  EXPECT_EQ(one("SINTERCARD", "1", "none"), ":0");
  EXPECT_EQ(one("OBJECT", "ENCODING", "u"), "$8|listpack");
  one("GEOADD", "g", "1", "2", "here");
  EXPECT_EQ(one("GEORADIUS", "g", "1", "2", "3", "km", "STORE", "to"), ":1");
  EXPECT_EQ(one("EXISTS", "to"), ":1");
  EXPECT_EQ(run("DBSIZE"), ":0");
  one("MSET", "w:a", "2", "w:b", "1", "n:a", "A", "n:b", "B");
  one("SADD", "s", "a", "b");
  EXPECT_EQ(one("SORT", "s", "BY", "w:*", "GET", "n:*", "STORE", "sorted"), ":2");
  EXPECT_EQ(one("LRANGE", "sorted", "0", "-1"), "*2|$1|B|$1|A");
  EXPECT_EQ(run("DBSIZE"), ":0");
  one("XADD", "x", "1-1", "f", "v");
  EXPECT_EQ(one("XREAD", "COUNT", "1", "STREAMS", "x", "0"), "*1|*2|$1|x|*1|*2|$3|1-1|*2|$1|f|$1|v");
  EXPECT_EQ(one("XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">"),
            "-NOGROUP No such key 'x' or consumer group 'g' in XREADGROUP with GROUP option");
  EXPECT_EQ(run("DBSIZE"), ":0");
  EXPECT_EQ(one("BLPOP", "none", "l", "0"), "*2|$1|l|$1|b");
  EXPECT_EQ(one("BZMPOP", "0", "1", "u", "MAX"), "*2|$1|u|*1|*2|$1|m|$1|2");
}

TEST_F(DatabasesOf, NamespacesAreInTheFirst) {
  config::Model model = model_with_a_namespace();
  reopen(model);
  Client& one = client("1");
  run("SET", "k", "0");
  one("SET", "k", "1");
  EXPECT_EQ(run("TTL", "k"), ":10") << "that of the namespace";
  EXPECT_EQ(one("TTL", "k"), ":-1");
  EXPECT_EQ(run("FLUSHDB"), "+OK");
  EXPECT_EQ(run("EXISTS", "k"), ":0");
  EXPECT_EQ(one("GET", "k"), "$1|1");
  EXPECT_TRUE(run("SWAPDB", "0", "1").starts_with("-ERR the keys of namespaces are in"));
  EXPECT_EQ(run("SWAPDB", "1", "2"), "+OK");
  // A reload that changes nothing of it leaves what a database has.
  ASSERT_TRUE(layer::reload_layer(*layer_, model));
  EXPECT_EQ(client("2")("GET", "k"), "$1|1");
}

TEST_F(DatabasesOf, HowManyThereAreIsConfigured) {
  config::Model model;
  model.server.databases = 2;
  reopen(model);
  EXPECT_EQ(run("SELECT", "1"), "+OK");
  EXPECT_EQ(run("SELECT", "2"), "-ERR DB index is out of range");
  EXPECT_EQ(run("CONFIG", "GET", "databases"), "*2|$9|databases|$1|2");
}

// An entry of the first database costs no byte for there being others.
TEST_F(DatabasesOf, TheFirstCostsNothing) {
  const auto cost = [&] {
    const std::size_t before = layer_->stats().bytes;
    run("SET", "key", std::string(50, 'x'));
    return layer_->stats().bytes - before;
  };
  client("1")("SET", "k", "v");
  const std::size_t beside_another = cost();
  clients_.clear();
  reopen({});
  EXPECT_EQ(cost(), beside_another);
}

}  // namespace
}  // namespace forebay::server
