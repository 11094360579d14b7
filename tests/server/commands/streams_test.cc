// Streams where redis-server is of no help; clients/streams_clienttest.cc compares the rest with it.

#include <gtest/gtest.h>

#include <string>

#include "server/commands/harness.h"

namespace forebay::server {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kWrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";

class Streams : public PlainKeys {
 protected:
  // So many entries of one field, 1-0 and on.
  void fill(const std::string& key, int count) {
    for (int i = 1; i <= count; ++i) run("XADD", key, std::to_string(i) + "-0", "f", std::to_string(i));
  }
};

TEST_F(Streams, AreATypeOfTheirOwn) {
  fill("s", 1);
  EXPECT_EQ(run("TYPE", "s"), "+stream");
  EXPECT_EQ(run("OBJECT", "ENCODING", "s"), "$6|stream");
  EXPECT_EQ(run("SCAN", "0", "TYPE", "stream", "COUNT", "1000"), "*2|$1|0|*1|$1|s");
  EXPECT_EQ(run("SCAN", "0", "TYPE", "list", "COUNT", "1000"), "*2|$1|0|*0");
  EXPECT_EQ(run("GET", "s"), kWrong);
  EXPECT_EQ(run("LPUSH", "s", "x"), kWrong);
  EXPECT_EQ(run("HGET", "s", "f"), kWrong);
  EXPECT_EQ(run("SADD", "s", "f"), kWrong);
  EXPECT_EQ(run("ZADD", "s", "1", "f"), kWrong);
  run("RPUSH", "l", "x");
  run("SET", "t", "x");
  for (const std::string key : {"l", "t"}) {
    EXPECT_EQ(run("XADD", key, "*", "f", "v"), kWrong);
    EXPECT_EQ(run("XLEN", key), kWrong);
    EXPECT_EQ(run("XREAD", "STREAMS", "s", key, "0", "0"), kWrong);
    EXPECT_EQ(run("XGROUP", "CREATE", key, "g", "0", "MKSTREAM"), kWrong);
    EXPECT_EQ(run("XINFO", "STREAM", key), kWrong);
    EXPECT_EQ(run("XACK", key, "g", "1-0"), kWrong);
    EXPECT_EQ(run("XPENDING", key, "g"), kWrong);
    EXPECT_EQ(run("XCLAIM", key, "g", "c", "0", "1-0"), kWrong);
    EXPECT_EQ(run("XAUTOCLAIM", key, "g", "c", "0", "0"), kWrong);
  }
}

TEST_F(Streams, StayWithoutEntries) {
  fill("s", 1);
  EXPECT_EQ(run("XDEL", "s", "1-0"), ":1");
  EXPECT_EQ(run("EXISTS", "s"), ":1");
  EXPECT_EQ(run("XADD", "s", "1-0", "f", "v"),
            "-ERR The ID specified in XADD is equal or smaller than the target stream top item");
  EXPECT_EQ(run("XGROUP", "CREATE", "new", "g", "$", "MKSTREAM"), "+OK");
  EXPECT_EQ(run("XLEN", "new"), ":0");
  EXPECT_EQ(run("TYPE", "new"), "+stream");
  EXPECT_EQ(run("DEL", "s", "new"), ":2");
  EXPECT_EQ(run("XADD", "s", "NOMKSTREAM", "*", "f", "v"), "$-1");
  EXPECT_EQ(run("XADD", "s", "0-0", "f", "v"), "-ERR The ID specified in XADD must be greater than 0-0");
  EXPECT_EQ(run("EXISTS", "s"), ":0");
}

TEST_F(Streams, GiveIdsByTheWallClock) {
  const auto now = std::to_string(clock_.to_wall_ms(clock_.now()));
  EXPECT_EQ(run("XADD", "s", "*", "f", "v"), "$" + std::to_string(now.size() + 2) + "|" + now + "-0");
  EXPECT_EQ(run("XADD", "s", "*", "f", "v"), "$" + std::to_string(now.size() + 2) + "|" + now + "-1");
  clock_.advance(5ms);
  const auto later = std::to_string(clock_.to_wall_ms(clock_.now()));
  EXPECT_EQ(run("XADD", "s", "*", "f", "v"), "$" + std::to_string(later.size() + 2) + "|" + later + "-0");
  // An id from the future is not gone behind.
  run("XADD", "s", "9999999999999-7", "f", "v");
  EXPECT_EQ(run("XADD", "s", "*", "f", "v"), "$15|9999999999999-8");
}

TEST_F(Streams, DropHundredsWhereThatIsEnough) {
  fill("s", 1'000);
  EXPECT_EQ(run("XTRIM", "s", "MAXLEN", "~", "555"), ":400");
  EXPECT_EQ(run("XTRIM", "s", "MAXLEN", "~", "555"), ":0");
  EXPECT_EQ(run("XTRIM", "s", "MINID", "~", "701"), ":300");
  EXPECT_EQ(run("XTRIM", "s", "MAXLEN", "~", "0", "LIMIT", "250"), ":200");
  EXPECT_EQ(run("XADD", "s", "MAXLEN", "~", "50", "*", "f", "v").substr(0, 1), "$");
  EXPECT_EQ(run("XLEN", "s"), ":101");
  EXPECT_EQ(run("XTRIM", "s", "MAXLEN", "=", "10"), ":91");
  EXPECT_EQ(run("XTRIM", "s", "MAXLEN", "~", "0"), ":10") << "all of them";
}

TEST_F(Streams, WorkInTransactionsAndScripts) {
  run("MULTI");
  run("XADD", "s", "1-0", "f", "v");
  run("XGROUP", "CREATE", "s", "g", "0");
  run("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">");
  run("XACK", "s", "g", "1-0");
  run("XREAD", "STREAMS", "s", "0");
  EXPECT_EQ(run("EXEC"),
            "*5|$3|1-0|+OK|*1|*2|$1|s|*1|*2|$3|1-0|*2|$1|f|$1|v|:1|*1|*2|$1|s|*1|*2|$3|1-0|*2|$1|f|$1|v");
  EXPECT_EQ(run("EVAL",
                "redis.call('XADD', KEYS[1], '2-0', 'f', 'w') "
                "return redis.call('XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', KEYS[1], '>')",
                "1", "s"),
            "*1|*2|$1|s|*1|*2|$3|2-0|*2|$1|f|$1|w");
}

TEST_F(Streams, MoveWithTheirGroups) {
  fill("s", 300);
  run("XGROUP", "CREATE", "s", "g", "0");
  run("XREADGROUP", "GROUP", "g", "c", "COUNT", "200", "STREAMS", "s", ">");
  EXPECT_EQ(run("COPY", "s", "copy"), ":1");
  EXPECT_EQ(run("RENAME", "s", "renamed"), "+OK");
  for (const std::string key : {"copy", "renamed"}) {
    EXPECT_EQ(run("XLEN", key), ":300");
    EXPECT_EQ(run("XPENDING", key, "g"), "*4|:200|$3|1-0|$5|200-0|*1|*2|$1|c|$3|200");
  }
  EXPECT_EQ(run("XACK", "copy", "g", "1-0"), ":1");
  EXPECT_EQ(run("XPENDING", "renamed", "g", "-", "+", "1").substr(0, 15), "*1|*4|$3|1-0|$1") << "not shared";
}

TEST_F(Streams, SayHowLongAnEntryHasWaited) {
  fill("s", 2);
  run("XGROUP", "CREATE", "s", "g", "0");
  run("XREADGROUP", "GROUP", "g", "a", "COUNT", "1", "STREAMS", "s", ">");
  clock_.advance(10s);
  run("XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", ">");
  clock_.advance(5s);
  EXPECT_EQ(run("XPENDING", "s", "g", "-", "+", "10"), "*2|*4|$3|1-0|$1|a|:15000|:1|*4|$3|2-0|$1|a|:5000|:1");
  EXPECT_EQ(run("XPENDING", "s", "g", "IDLE", "6000", "-", "+", "10"), "*1|*4|$3|1-0|$1|a|:15000|:1");
  EXPECT_EQ(run("XCLAIM", "s", "g", "b", "6000", "1-0", "2-0", "JUSTID"), "*1|$3|1-0");
  EXPECT_EQ(run("XPENDING", "s", "g", "-", "+", "1"), "*1|*4|$3|1-0|$1|b|:0|:1");
  EXPECT_EQ(run("XAUTOCLAIM", "s", "g", "b", "5000", "0"), "*3|$3|0-0|*1|*2|$3|2-0|*2|$1|f|$1|2|*0");
  EXPECT_EQ(run("XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", ">"), "*-1") << "seen, and got nothing";
  clock_.advance(1s);
  EXPECT_EQ(run("XINFO", "CONSUMERS", "s", "g"),
            "*2|*8|$4|name|$1|a|$7|pending|:0|$4|idle|:1000|$8|inactive|:6000"
            "|*8|$4|name|$1|b|$7|pending|:2|$4|idle|:1000|$8|inactive|:1000");
}

TEST_F(Streams, HaveTheirNamesInOtherDatabases) {
  EXPECT_EQ(run("SELECT", "3"), "+OK");
  run("XADD", "s", "1-0", "f", "v");
  run("XADD", "streams", "1-0", "f", "v");
  run("XGROUP", "CREATE", "s", "streams", "0");
  EXPECT_EQ(run("XREAD", "COUNT", "1", "STREAMS", "s", "0"), "*1|*2|$1|s|*1|*2|$3|1-0|*2|$1|f|$1|v");
  EXPECT_EQ(run("XREADGROUP", "GROUP", "streams", "streams", "STREAMS", "s", ">"),
            "*1|*2|$1|s|*1|*2|$3|1-0|*2|$1|f|$1|v");
  EXPECT_EQ(run("XREAD", "STREAMS", "streams", "none", "0", "0"),
            "*1|*2|$7|streams|*1|*2|$3|1-0|*2|$1|f|$1|v");
  EXPECT_EQ(run("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"),
            "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option");
  EXPECT_EQ(run("XGROUP", "SETID", "s", "g", "0"), "-NOGROUP No such consumer group 'g' for key name 's'");
  EXPECT_EQ(run("XINFO", "CONSUMERS", "s", "g"), "-NOGROUP No such consumer group 'g' for key name 's'");
  EXPECT_EQ(run("XPENDING", "s", "g"), "-NOGROUP No such key 's' or consumer group 'g'");
  run("SELECT", "0");
  EXPECT_EQ(run("EXISTS", "s"), ":0");
}

TEST_F(Streams, SayWhichArgumentsAreKeys) {
  EXPECT_EQ(run("COMMAND", "GETKEYS", "XREAD", "COUNT", "2", "BLOCK", "5", "STREAMS", "a", "b", "0", "$"),
            "*2|$1|a|$1|b");
  EXPECT_EQ(run("COMMAND", "GETKEYS", "XREADGROUP", "GROUP", "streams", "c", "NOACK", "STREAMS", "a", ">"),
            "*1|$1|a");
  EXPECT_EQ(run("COMMAND", "GETKEYS", "XGROUP", "CREATE", "a", "g", "0"), "*1|$1|a");
}

TEST_F(Streams, GoNoStepBack) {
  fill("s", 3);
  EXPECT_EQ(run("XSETID", "s", "2-0"),
            "-ERR The ID specified in XSETID is smaller than the target stream top item");
  run("XDEL", "s", "3-0");
  EXPECT_EQ(run("XSETID", "s", "2-0"),
            "-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
  EXPECT_EQ(run("XSETID", "s", "3-0", "ENTRIESADDED", "1"),
            "-ERR The entries_added specified in XSETID is smaller than the target stream length");
  EXPECT_EQ(run("XSETID", "s", "9-0", "ENTRIESADDED", "20"), "+OK");
  EXPECT_EQ(run("XADD", "s", "9-*", "f", "v"), "$3|9-1");
}

TEST_F(Streams, CanBeEmptiedWhereMemoryIsFull) {
  config::Model model;
  model.memory.limit = 4 << 20;
  model.memory.policy = "noeviction";
  reopen(model);
  run("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM");
  run("XGROUP", "CREATE", "s", "h", "0");
  run("XADD", "s", "1-0", "f", "v");
  run("XADD", "s", "2-0", "f", "v");
  run("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">");
  const std::string full = "-OOM command not allowed when used memory > 'maxmemory'.";
  std::string answer;
  for (int i = 0; i < 100'000 && answer != full; ++i)
    answer = run("XADD", "s", "*", "f", std::string(400, 'v'));
  ASSERT_EQ(answer, full);
  answer.clear();
  for (int i = 0; i < 100'000 && answer != full; ++i) {
    answer = run("XGROUP", "CREATECONSUMER", "s", "h", std::to_string(i));
  }
  ASSERT_EQ(answer, full);
  EXPECT_EQ(run("XACK", "s", "g", "1-0"), ":1");
  EXPECT_EQ(run("XGROUP", "SETID", "s", "g", "$"), "+OK");
  EXPECT_EQ(run("XGROUP", "DELCONSUMER", "s", "g", "c"), ":1");
  EXPECT_EQ(run("XGROUP", "DESTROY", "s", "h"), ":1");
  EXPECT_EQ(run("XDEL", "s", "1-0"), ":1");
  EXPECT_EQ(run("XTRIM", "s", "MAXLEN", "10").substr(0, 1), ":");
  EXPECT_EQ(run("XADD", "s", "*", "f", "v").substr(0, 1), "$") << "there is room again";
}

TEST_F(Streams, AreGoneInSteps) {
  fill("s", 5'000);
  run("XGROUP", "CREATE", "s", "g", "0");
  run("XREADGROUP", "GROUP", "g", "c", "NOACK", "STREAMS", "s", ">");
  EXPECT_EQ(run("EXPIRE", "s", "10"), ":1");
  EXPECT_EQ(run("XADD", "s", "*", "f", "v").substr(0, 1), "$");
  EXPECT_EQ(run("TTL", "s"), ":10") << "an edit leaves the time";
  clock_.advance(11s);
  EXPECT_EQ(run("XLEN", "s"), ":0");
  EXPECT_EQ(run("XINFO", "STREAM", "s"), "-ERR no such key");
}

}  // namespace
}  // namespace forebay::server
