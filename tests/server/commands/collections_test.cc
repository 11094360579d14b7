// Collections of plain keys, as the other commands see them. That their replies are Redis's is asked in
// clients/collections_clienttest.cc.

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "server/commands/harness.h"

namespace forebay::server {
namespace {

constexpr std::string_view kWrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";

class Collections : public PlainKeys {};

TEST_F(Collections, AreNoStrings) {
  run("HSET", "h", "f", "v");
  run("SADD", "s", "m");
  run("ZADD", "z", "1", "m");
  run("RPUSH", "l", "e");
  // Once packed in their entries, and once in nodes.
  for (int i = 0; i < 2; ++i) {
    for (const std::string key : {"h", "s", "z", "l"}) {
      SCOPED_TRACE(key);
      EXPECT_EQ(run("GET", key), kWrong);
      EXPECT_EQ(run("GETEX", key), kWrong);
      EXPECT_EQ(run("GETEX", key, "EX", "10"), kWrong);
      EXPECT_EQ(run("GETSET", key, "x"), kWrong);
      EXPECT_EQ(run("SET", key, "x", "GET"), kWrong);
      EXPECT_EQ(run("GETDEL", key), kWrong);
      EXPECT_EQ(run("APPEND", key, "x"), kWrong);
      EXPECT_EQ(run("SETRANGE", key, "0", "x"), kWrong);
      EXPECT_EQ(run("SETBIT", key, "0", "1"), kWrong);
      EXPECT_EQ(run("GETBIT", key, "0"), kWrong);
      EXPECT_EQ(run("GETRANGE", key, "0", "1"), kWrong);
      EXPECT_EQ(run("STRLEN", key), kWrong);
      EXPECT_EQ(run("INCR", key), kWrong);
      EXPECT_EQ(run("INCRBYFLOAT", key, "1"), kWrong);
      EXPECT_EQ(run("LCS", key, "other"), "-ERR The specified keys must contain string values");
      EXPECT_EQ(run("MGET", key, "other"), "*2|$-1|$-1");
      EXPECT_EQ(run("FOREBAY", "READ", key).substr(0, 4), "-ERR");
      EXPECT_EQ(run("SETNX", key, "x"), ":0");
      EXPECT_EQ(run("TTL", key), ":-1") << "none of them has changed anything";
    }
    EXPECT_EQ(run("HGET", "s", "m"), kWrong);
    EXPECT_EQ(run("SADD", "h", "m"), kWrong);
    EXPECT_EQ(run("SUNION", "s", "h"), kWrong);
    EXPECT_EQ(run("SMOVE", "s", "h", "m"), kWrong);
    EXPECT_EQ(run("ZADD", "l", "1", "m"), kWrong);
    EXPECT_EQ(run("ZUNION", "2", "z", "h"), kWrong);
    EXPECT_EQ(run("LPUSH", "z", "e"), kWrong);
    EXPECT_EQ(run("LMOVE", "l", "s", "LEFT", "LEFT"), kWrong);
    EXPECT_EQ(run("LLEN", "h"), kWrong);
    EXPECT_EQ(run("SISMEMBER", "s", "m"), ":1");
    for (int field = 0; field < 1'000; ++field) {
      run("HSET", "h", std::to_string(field), std::string(20, 'v'));
      run("SADD", "s", "member " + std::to_string(field));
      run("ZADD", "z", std::to_string(field), "member " + std::to_string(field));
      run("RPUSH", "l", "element " + std::to_string(field));
    }
  }
  run("SET", "str", "x");
  EXPECT_EQ(run("HGET", "str", "f"), kWrong);
  EXPECT_EQ(run("HSET", "str", "f", "v"), kWrong);
  EXPECT_EQ(run("SADD", "str", "m"), kWrong);
  EXPECT_EQ(run("SET", "h", "x"), "+OK");
  EXPECT_EQ(run("GET", "h"), "$1|x");
  EXPECT_EQ(run("SUNIONSTORE", "str", "s"), ":1001");
  EXPECT_EQ(run("TYPE", "str"), "+set");
}

TEST_F(Collections, KeepTheirTimeWhenTheyAreEdited) {
  for (const int fields : {1, 1'000}) {
    for (int i = 0; i < fields; ++i) run("HSET", "h", std::to_string(i), std::string(20, 'v'));
    EXPECT_EQ(run("EXPIRE", "h", "100"), ":1");
    run("HSET", "h", "more", "v");
    run("HDEL", "h", "0");
    EXPECT_EQ(run("TTL", "h"), ":100");
    EXPECT_EQ(run("HLEN", "h"), ":" + std::to_string(fields));
    EXPECT_EQ(run("PERSIST", "h"), ":1");
    EXPECT_EQ(run("TTL", "h"), ":-1");
    EXPECT_EQ(run("EXPIRE", "h", "-1"), ":1");
    EXPECT_EQ(run("EXISTS", "h"), ":0");
  }
}

TEST_F(Collections, AreGoneWithTheirLastElement) {
  run("HSET", "h", "f", "v");
  run("SADD", "s", "m");
  EXPECT_EQ(run("HDEL", "h", "f"), ":1");
  EXPECT_EQ(run("SPOP", "s"), "$1|m");
  EXPECT_EQ(run("DBSIZE"), ":0");
  EXPECT_EQ(run("SINTERSTORE", "s", "a", "b"), ":0");
  EXPECT_EQ(run("HDEL", "h", "f"), ":0");
  EXPECT_EQ(run("DBSIZE"), ":0");
}

TEST_F(Collections, AreCopiedWithTheirTimes) {
  for (const int fields : {3, 2'000}) {
    for (int i = 0; i < fields; ++i) run("HSET", "from", std::to_string(i), std::string(20, 'v'));
    run("HSET", "from", "long", std::string(100'000, 'l'));
    run("EXPIRE", "from", "100");
    EXPECT_EQ(run("COPY", "from", "to"), ":1");
    EXPECT_EQ(run("HSET", "to", "0", "another"), ":0");
    EXPECT_EQ(run("HGET", "from", "0"), "$20|" + std::string(20, 'v'));
    EXPECT_EQ(run("TTL", "to"), ":100");
    EXPECT_EQ(run("HLEN", "to"), ":" + std::to_string(fields + 1));
    EXPECT_EQ(run("RENAME", "from", "to"), "+OK");
    EXPECT_EQ(run("EXISTS", "from"), ":0");
    EXPECT_EQ(run("HGET", "to", "0"), "$20|" + std::string(20, 'v'));
    EXPECT_EQ(run("HSTRLEN", "to", "long"), ":100000");
    EXPECT_EQ(run("DEL", "to"), ":1");
  }
}

TEST_F(Collections, TakePartInTransactions) {
  run("HSET", "h", "f", "1");
  run("WATCH", "h");
  EXPECT_EQ(run("HSET", "h", "f", "2"), ":0");
  run("MULTI");
  run("HGET", "h", "f");
  EXPECT_EQ(run("EXEC"), "*-1") << "a change of a field is a change of the key";
  run("WATCH", "h");
  run("MULTI");
  run("HINCRBY", "h", "f", "5");
  run("SADD", "s", "a", "b");
  run("SINTERCARD", "1", "s");
  run("RENAME", "h", "g");
  run("HGET", "g", "f");
  EXPECT_EQ(run("EXEC"), "*5|:7|:2|:2|+OK|$1|7");
}

TEST_F(Collections, SayHowRedisWouldHoldThem) {
  run("HSET", "h", "f", "v");
  EXPECT_EQ(run("OBJECT", "ENCODING", "h"), "$8|listpack");
  run("HSET", "h", "f", std::string(65, 'v'));
  EXPECT_EQ(run("OBJECT", "ENCODING", "h"), "$9|hashtable");
  run("HSET", "h", "f", "v");
  EXPECT_EQ(run("OBJECT", "ENCODING", "h"), "$9|hashtable") << "it does not go back";
  run("SADD", "s", "1", "2");
  EXPECT_EQ(run("OBJECT", "ENCODING", "s"), "$6|intset");
  run("SADD", "s", "word");
  EXPECT_EQ(run("OBJECT", "ENCODING", "s"), "$8|listpack");
  for (int i = 0; i < 128; ++i) run("SADD", "s", "word " + std::to_string(i));
  EXPECT_EQ(run("OBJECT", "ENCODING", "s"), "$9|hashtable");
  for (int i = 0; i < 513; ++i) run("SADD", "numbers", std::to_string(i));
  EXPECT_EQ(run("OBJECT", "ENCODING", "numbers"), "$9|hashtable");
}

TEST_F(Collections, SayHowRedisWouldHoldSortedSetsAndLists) {
  run("ZADD", "z", "1", "m");
  EXPECT_EQ(run("OBJECT", "ENCODING", "z"), "$8|listpack");
  for (int i = 0; i < 128; ++i) run("ZADD", "z", "1", "member " + std::to_string(i));
  EXPECT_EQ(run("OBJECT", "ENCODING", "z"), "$8|skiplist");
  run("RPUSH", "l", "e");
  EXPECT_EQ(run("OBJECT", "ENCODING", "l"), "$8|listpack");
  for (int i = 0; i < 1'000; ++i) run("RPUSH", "l", "element " + std::to_string(i));
  EXPECT_EQ(run("OBJECT", "ENCODING", "l"), "$9|quicklist");
}

// A leaderboard that is too large for one block: ranks, ranges and counts are those of a sorted list.
TEST_F(Collections, ALargeSortedSetKnowsItsRanks) {
  constexpr int kMembers = 5'000;
  for (int i = 0; i < kMembers; ++i)
    run("ZADD", "z", std::to_string(i * 7919 % kMembers), "member:" + std::to_string(i * 7919 % kMembers));
  EXPECT_EQ(run("ZCARD", "z"), ":5000");
  for (const int rank : {0, 1, 999, 2'500, kMembers - 1}) {
    const std::string member = "member:" + std::to_string(rank);
    EXPECT_EQ(run("ZRANK", "z", member), ":" + std::to_string(rank));
    EXPECT_EQ(run("ZREVRANK", "z", member), ":" + std::to_string(kMembers - 1 - rank));
    const std::string at = std::to_string(rank);
    EXPECT_EQ(run("ZRANGE", "z", at, at), "*1|$" + std::to_string(member.size()) + "|" + member);
  }
  EXPECT_EQ(run("ZINCRBY", "z", "10000", "member:0"), "$5|10000");
  EXPECT_EQ(run("ZREVRANK", "z", "member:0"), ":0");
  EXPECT_EQ(run("ZCOUNT", "z", "(100", "200"), ":100");
  EXPECT_EQ(run("ZRANGE", "z", "0", "1", "REV", "WITHSCORES"),
            "*4|$8|member:0|$5|10000|$11|member:4999|$4|4999");
  EXPECT_EQ(run("ZREMRANGEBYRANK", "z", "0", "-11"), ":4990");
  EXPECT_EQ(run("ZCARD", "z"), ":10");
  EXPECT_EQ(run("ZREMRANGEBYSCORE", "z", "-inf", "+inf"), ":10");
  EXPECT_EQ(run("EXISTS", "z"), ":0");
}

TEST_F(Collections, ALargeListIsAQueue) {
  constexpr int kElements = 5'000;
  for (int i = 0; i < kElements; ++i) run("LPUSH", "l", "element " + std::to_string(i));
  EXPECT_EQ(run("LINDEX", "l", "2500"), "$12|element 2499");
  EXPECT_EQ(run("LINSERT", "l", "BEFORE", "element 2499", "new"), ":5001");
  EXPECT_EQ(run("LINDEX", "l", "2500"), "$3|new");
  EXPECT_EQ(run("LREM", "l", "0", "new"), ":1");
  for (int i = 0; i < kElements - 1; ++i) {
    const std::string element = "element " + std::to_string(i);
    ASSERT_EQ(run("RPOPLPUSH", "l", "done"), "$" + std::to_string(element.size()) + "|" + element);
  }
  EXPECT_EQ(run("LLEN", "done"), ":4999");
  EXPECT_EQ(run("LTRIM", "done", "1", "2"), "+OK");
  EXPECT_EQ(run("LRANGE", "done", "0", "-1"), "*2|$12|element 4997|$12|element 4996");
  EXPECT_EQ(run("RPOP", "l"), "$12|element 4999");
  EXPECT_EQ(run("EXISTS", "l"), ":0");
}

TEST_F(Collections, AreFoundByTheirType) {
  run("HSET", "h", "f", "v");
  run("SADD", "s", "m");
  run("SET", "str", "x");
  EXPECT_EQ(run("SCAN", "0", "COUNT", "1000", "TYPE", "hash"), "*2|$1|0|*1|$1|h");
  EXPECT_EQ(run("SCAN", "0", "COUNT", "1000", "TYPE", "set"), "*2|$1|0|*1|$1|s");
  EXPECT_EQ(run("SCAN", "0", "COUNT", "1000", "TYPE", "string"), "*2|$1|0|*1|$3|str");
}

TEST_F(Collections, AWalkOfALargeOneGoesOnWhereItLeftOff) {
  constexpr int kMembers = 3'000;
  for (int i = 0; i < kMembers; ++i) run("SADD", "s", "member " + std::to_string(i));
  std::set<std::string> seen;
  std::string cursor = "0";
  int calls = 0;
  do {
    const std::string reply = run("SSCAN", "s", cursor, "COUNT", "50");
    std::vector<std::string> parts;
    for (std::size_t from = 0; from <= reply.size();) {
      const std::size_t end = std::min(reply.find('|', from), reply.size());
      parts.push_back(reply.substr(from, end - from));
      from = end + 1;
    }
    cursor = parts.at(2);
    EXPECT_LT(parts.size(), 300u) << "a call shows about as many as were asked for";
    for (std::size_t i = 5; i < parts.size(); i += 2) seen.insert(parts[i]);
    ++calls;
  } while (cursor != "0");
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(kMembers));
  EXPECT_GT(calls, 20);
}

}  // namespace
}  // namespace forebay::server
