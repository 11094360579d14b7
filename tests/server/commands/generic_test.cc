#include <set>
#include <string>

#include "resp/reply_parser.h"
#include "server/commands/harness.h"

namespace forebay::server {
namespace {

using namespace std::chrono_literals;

using Generic = PlainKeys;

TEST_F(Generic, DelUnlinkExistsTouchCountKeys) {
  run("MSET", "a", "1", "b", "2", "c", "3");
  EXPECT_EQ(run("EXISTS", "a", "a", "none"), ":2");
  EXPECT_EQ(run("TOUCH", "a", "b", "none"), ":2");
  EXPECT_EQ(run("DEL", "a", "none"), ":1");
  EXPECT_EQ(run("UNLINK", "b", "b", "c"), ":2");
  EXPECT_EQ(run("DEL", "a"), ":0");
  EXPECT_EQ(run("DBSIZE"), ":0");
}

TEST_F(Generic, TypeIsStringOrNone) {
  run("SET", "a", "1");
  EXPECT_EQ(run("TYPE", "a"), "+string");
  EXPECT_EQ(run("TYPE", "b"), "+none");
}

TEST_F(Generic, RenameTakesValueAndExpiryAlong) {
  run("SET", "a", "1", "EX", "10");
  run("SET", "b", "2");
  EXPECT_EQ(run("RENAME", "a", "b"), "+OK");
  EXPECT_EQ(run("GET", "b"), "$1|1");
  EXPECT_EQ(run("TTL", "b"), ":10");
  EXPECT_EQ(run("EXISTS", "a"), ":0");
  EXPECT_EQ(run("RENAME", "b", "b"), "+OK");
  EXPECT_EQ(run("GET", "b"), "$1|1");
  EXPECT_EQ(run("RENAME", "none", "c"), "-ERR no such key");
  EXPECT_EQ(run("RENAME", "none", "none"), "-ERR no such key");
}

TEST_F(Generic, RenamenxNeedsAFreeName) {
  run("MSET", "a", "1", "b", "2");
  EXPECT_EQ(run("RENAMENX", "a", "b"), ":0");
  EXPECT_EQ(run("RENAMENX", "a", "a"), ":0");
  EXPECT_EQ(run("RENAMENX", "a", "c"), ":1");
  EXPECT_EQ(run("GET", "c"), "$1|1");
  EXPECT_EQ(run("RENAMENX", "a", "c"), "-ERR no such key");
}

TEST_F(Generic, CopyLeavesTheSource) {
  run("SET", "a", std::string(10'000, 'x'), "EX", "10");
  EXPECT_EQ(run("COPY", "a", "b"), ":1");
  EXPECT_EQ(run("STRLEN", "b"), ":10000");
  EXPECT_EQ(run("TTL", "b"), ":10");
  EXPECT_EQ(run("COPY", "a", "b"), ":0");
  EXPECT_EQ(run("COPY", "a", "b", "REPLACE"), ":1");
  EXPECT_EQ(run("COPY", "none", "b"), ":0");
  EXPECT_EQ(run("COPY", "a", "a"), "-ERR source and destination objects are the same");
  EXPECT_EQ(run("COPY", "a", "b", "DB", "0", "REPLACE"), ":1");
  EXPECT_EQ(run("COPY", "a", "b", "DB", "16"), "-ERR DB index is out of range");
  EXPECT_EQ(run("COPY", "a", "b", "bogus"), "-ERR syntax error");
  EXPECT_EQ(run("STRLEN", "a"), ":10000");
}

TEST_F(Generic, KeysMatchesGlobs) {
  run("MSET", "foo_a", "1", "foo_b", "2", "bar", "3");
  EXPECT_EQ(run("KEYS", "foo*"), "*2|$5|foo_a|$5|foo_b");
  EXPECT_EQ(run("KEYS", "*"), "*3|$3|bar|$5|foo_a|$5|foo_b");
  EXPECT_EQ(run("KEYS", "none"), "*0");
  EXPECT_EQ(run("KEYS", std::string(5000, '*')), "-ERR pattern is longer than 1024 bytes");
}

TEST_F(Generic, KeysOfALargeTableDoesNotKeepTheEventLoop) {
  for (int i = 0; i < 3'000; ++i) run("SET", "key:" + std::to_string(10'000 + i), "v");
  const std::string found = run("KEYS", "key:1*7");
  EXPECT_TRUE(client_->last_was_deferred());
  EXPECT_TRUE(found.starts_with("*300|$9|key:10007|$9|key:10017|")) << found;
  EXPECT_EQ(run("KEYS", "none*"), "*0");
  EXPECT_EQ(run("FOREBAY", "PURGE", "MATCH", "key:1*7"), ":300");
  EXPECT_TRUE(client_->last_was_deferred());
  EXPECT_EQ(run("KEYS", "key:1*7"), "*0");
}

TEST_F(Generic, KeysThatComeToMoreThanTheOutputBufferAreRefused) {
  config::Model model;
  model.server.max_output_buffer = 20'000;
  reopen(model);
  for (int i = 0; i < 3'000; ++i) run("SET", "key:" + std::to_string(10'000 + i), "v");
  EXPECT_TRUE(run("KEYS", "*").starts_with("-ERR the keys come to more than server.max_output_buffer"));
  EXPECT_TRUE(run("KEYS", "*0").starts_with("*300|"));
}

TEST_F(Generic, ScanVisitsEveryKey) {
  std::set<std::string> expected;
  for (int i = 0; i < 500; ++i) {
    expected.insert("key:" + std::to_string(i));
    run("SET", "key:" + std::to_string(i), "x");
  }
  std::set<std::string> seen;
  std::string cursor = "0";
  int steps = 0;
  do {
    const std::string reply = run("SCAN", cursor, "COUNT", "7", "MATCH", "key:*", "TYPE", "STRING");
    // *2|$n|cursor|*n|$n|key|…
    std::vector<std::string> lines;
    for (std::size_t at = 0; at <= reply.size();) {
      const std::size_t end = std::min(reply.find('|', at), reply.size());
      lines.push_back(reply.substr(at, end - at));
      at = end + 1;
    }
    ASSERT_GE(lines.size(), 4u);
    cursor = lines[2];
    for (std::size_t at = 5; at < lines.size(); at += 2) seen.insert(lines[at]);
    ASSERT_LT(++steps, 5000);
  } while (cursor != "0");
  EXPECT_EQ(seen, expected);
}

TEST_F(Generic, ScanFiltersAndRefuses) {
  run("SET", "a", "1");
  EXPECT_EQ(run("SCAN", "0", "TYPE", "hash", "COUNT", "1000"), "*2|$1|0|*0");
  EXPECT_EQ(run("SCAN", "0", "MATCH", "b*", "COUNT", "1000"), "*2|$1|0|*0");
  EXPECT_EQ(run("SCAN", "x"), "-ERR invalid cursor");
  EXPECT_EQ(run("SCAN", "-1"), "-ERR invalid cursor");
  EXPECT_EQ(run("SCAN", "0", "COUNT", "0"), "-ERR syntax error");
  EXPECT_EQ(run("SCAN", "0", "COUNT", "x"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(run("SCAN", "0", "MATCH"), "-ERR syntax error");
  EXPECT_EQ(run("SCAN", "0", "BOGUS", "1"), "-ERR syntax error");
}

TEST_F(Generic, RandomkeyAnswersOneThatExists) {
  EXPECT_EQ(run("RANDOMKEY"), "$-1");
  run("SET", "a", "1");
  EXPECT_EQ(run("RANDOMKEY"), "$1|a");
}

TEST_F(Generic, FlushLeavesNothing) {
  for (const char* how : {"FLUSHALL", "FLUSHDB"}) {
    run("MSET", "a", "1", "b", "2");
    EXPECT_EQ(run(how), "+OK");
    EXPECT_EQ(run("DBSIZE"), ":0");
    EXPECT_EQ(run("EXISTS", "a"), ":0");
    EXPECT_EQ(run(how, "ASYNC"), "+OK");
    EXPECT_EQ(run(how, "sync"), "+OK");
    EXPECT_EQ(run(how, "bogus"), "-ERR syntax error");
    EXPECT_EQ(run(how, "SYNC", "SYNC"), "-ERR syntax error");
  }
}

TEST_F(Generic, ObjectEncodingLooksAtTheValue) {
  run("MSET", "int", "-12", "short", "abc", "long", std::string(45, 'x'), "zeros", "007");
  EXPECT_EQ(run("OBJECT", "ENCODING", "int"), "$3|int");
  EXPECT_EQ(run("OBJECT", "encoding", "short"), "$6|embstr");
  EXPECT_EQ(run("OBJECT", "ENCODING", "long"), "$3|raw");
  EXPECT_EQ(run("OBJECT", "ENCODING", "zeros"), "$6|embstr");
  EXPECT_EQ(run("OBJECT", "ENCODING", "none"), "$-1");
  run("APPEND", "int", "3");
  EXPECT_EQ(run("OBJECT", "ENCODING", "int"), "$3|raw");
  run("COPY", "int", "copy");
  EXPECT_EQ(run("OBJECT", "ENCODING", "copy"), "$3|raw");
  run("INCR", "int");
  EXPECT_EQ(run("OBJECT", "ENCODING", "int"), "$3|int");
}

TEST_F(Generic, ObjectFreqCountsUsesUnderLfu) {
  for (const char* const policy : {"allkeys-lfu", "volatile-lfu"}) {
    ASSERT_EQ(run("CONFIG", "SET", "maxmemory-policy", policy), "+OK");
    run("SET", "lasting", "1");
    run("SET", "expiring", "1", "EX", "100");
    for (const char* const key : {"lasting", "expiring"}) {
      EXPECT_EQ(run("OBJECT", "FREQ", key), ":1") << policy << ' ' << key;
      run("GET", key);
      run("GET", key);
      EXPECT_EQ(run("OBJECT", "FREQ", key), ":3") << policy << ' ' << key;
      EXPECT_EQ(run("OBJECT", "FREQ", key), ":3") << "to ask is no use: " << policy << ' ' << key;
      for (int i = 0; i < 200; ++i) run("GET", key);
      EXPECT_EQ(run("OBJECT", "FREQ", key), ":127") << policy << ' ' << key;
    }
    EXPECT_EQ(run("OBJECT", "FREQ", "none"), "$-1");
    run("DEL", "lasting", "expiring");
  }
  run("SET", "a", "1");
  for (const char* const policy : {"allkeys-lru", "volatile-ttl", "auto", "s3-fifo"}) {
    ASSERT_EQ(run("CONFIG", "SET", "maxmemory-policy", policy), "+OK");
    EXPECT_TRUE(run("OBJECT", "FREQ", "a").starts_with("-ERR An LFU maxmemory policy is not selected"))
        << policy;
  }
}

TEST_F(Generic, ObjectIdletimeRefcountFreq) {
  run("SET", "a", "1");
  clock_.advance(20s);
  EXPECT_EQ(run("OBJECT", "IDLETIME", "a"), ":20");
  Client silent(*layer_, *server_);
  EXPECT_EQ(silent("CLIENT", "NO-TOUCH", "on"), "+OK");
  EXPECT_EQ(silent("GET", "a"), "$1|1");
  EXPECT_EQ(silent("MGET", "a", "none"), "*2|$1|1|$-1");
  EXPECT_EQ(run("OBJECT", "IDLETIME", "a"), ":20");
  run("GET", "a");
  EXPECT_EQ(run("OBJECT", "IDLETIME", "a"), ":0");
  EXPECT_EQ(run("OBJECT", "REFCOUNT", "a"), ":1");
  EXPECT_TRUE(run("OBJECT", "FREQ", "a").starts_with("-ERR An LFU maxmemory policy is not selected"));
  EXPECT_EQ(run("OBJECT", "FREQ", "none"), "$-1");
  EXPECT_EQ(run("OBJECT", "BOGUS", "a"), "-ERR unknown subcommand 'BOGUS'. Try OBJECT HELP.");
  EXPECT_EQ(run("OBJECT", "ENCODING"), "-ERR wrong number of arguments for 'object|encoding' command");
  EXPECT_TRUE(run("OBJECT", "HELP").starts_with("*"));
}

}  // namespace
}  // namespace forebay::server
