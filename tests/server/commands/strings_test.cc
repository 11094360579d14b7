#include <array>
#include <string>

#include "server/commands/harness.h"

namespace forebay::server {
namespace {

using namespace std::chrono_literals;

using Strings = PlainKeys;

TEST_F(Strings, SetAndGet) {
  EXPECT_EQ(run("GET", "a"), "$-1");
  EXPECT_EQ(run("SET", "a", "1"), "+OK");
  EXPECT_EQ(run("GET", "a"), "$1|1");
  EXPECT_EQ(run("set", "empty", ""), "+OK");
  EXPECT_EQ(run("get", "empty"), "$0|");
  EXPECT_EQ(run3("GET", "missing"), "_");
}

TEST_F(Strings, LargeValuesComeBackWhole) {
  const std::string large(1'000'000, 'x');
  EXPECT_EQ(run("SET", "large", large), "+OK");
  EXPECT_EQ(run("GET", "large"), "$1000000|" + large);
  EXPECT_EQ(run("STRLEN", "large"), ":1000000");
  EXPECT_EQ(run("MGET", "large", "none"), "*2|$1000000|" + large + "|$-1");
  EXPECT_EQ(run("GETEX", "large", "EX", "10"), "$1000000|" + large);
}

TEST_F(Strings, SetsConditionsHold) {
  EXPECT_EQ(run("SET", "a", "1", "XX"), "$-1");
  EXPECT_EQ(run("SET", "a", "1", "NX"), "+OK");
  EXPECT_EQ(run("SET", "a", "2", "nx"), "$-1");
  EXPECT_EQ(run("SET", "a", "3", "xx"), "+OK");
  EXPECT_EQ(run("GET", "a"), "$1|3");
}

TEST_F(Strings, SetWithGetAnswersTheOldValue) {
  EXPECT_EQ(run("SET", "a", "1", "GET"), "$-1");
  EXPECT_EQ(run("SET", "a", "2", "GET"), "$1|1");
  EXPECT_EQ(run("SET", "a", "3", "NX", "GET"), "$1|2");
  EXPECT_EQ(run("GET", "a"), "$1|2");
  EXPECT_EQ(run("SET", "b", "3", "XX", "GET"), "$-1");
  EXPECT_EQ(run("EXISTS", "b"), ":0");
}

TEST_F(Strings, SetsExpiryOptions) {
  EXPECT_EQ(run("SET", "a", "1", "EX", "10"), "+OK");
  EXPECT_EQ(run("TTL", "a"), ":10");
  EXPECT_EQ(run("SET", "a", "2", "KEEPTTL"), "+OK");
  EXPECT_EQ(run("TTL", "a"), ":10");
  EXPECT_EQ(run("SET", "a", "3"), "+OK");
  EXPECT_EQ(run("TTL", "a"), ":-1");
  EXPECT_EQ(run("SET", "a", "4", "PX", "1500"), "+OK");
  EXPECT_EQ(run("PTTL", "a"), ":1500");
  const std::int64_t wall = clock_.to_wall_ms(clock_.now());
  EXPECT_EQ(run("SET", "a", "5", "PXAT", std::to_string(wall + 700)), "+OK");
  EXPECT_EQ(run("PTTL", "a"), ":700");
  EXPECT_EQ(run("SET", "a", "6", "EXAT", std::to_string(wall / 1000 + 20)), "+OK");
  EXPECT_EQ(run("EXPIRETIME", "a"), ":" + std::to_string(wall / 1000 + 20));
}

TEST_F(Strings, AnExpiryInThePastLeavesNoKey) {
  EXPECT_EQ(run("SET", "a", "1"), "+OK");
  EXPECT_EQ(run("SET", "a", "2", "EXAT", "1"), "+OK");
  EXPECT_EQ(run("GET", "a"), "$-1");
}

TEST_F(Strings, SetRefusesOptionsThatContradict) {
  for (const auto& options : std::vector<std::vector<std::string_view>>{{"NX", "XX"},
                                                                        {"XX", "NX"},
                                                                        {"EX"},
                                                                        {"EX", "1", "PX", "1"},
                                                                        {"EX", "1", "KEEPTTL"},
                                                                        {"KEEPTTL", "EX", "1"},
                                                                        {"PERSIST"},
                                                                        {"bogus"},
                                                                        {"EXAT", "1", "EX", "1"}}) {
    std::vector<std::string_view> args{"SET", "a", "1"};
    args.insert(args.end(), options.begin(), options.end());
    EXPECT_EQ(client_->run(args), "-ERR syntax error") << options[0];
  }
  EXPECT_EQ(run("EXISTS", "a"), ":0");
}

TEST_F(Strings, SetRefusesTimesThatAreNone) {
  EXPECT_EQ(run("SET", "a", "1", "EX", "x"), "-ERR value is not an integer or out of range");
  for (const char* time : {"0", "-1", "9223372036854775807", "9223372036854776"}) {
    EXPECT_EQ(run("SET", "a", "1", "EX", time), "-ERR invalid expire time in 'set' command") << time;
  }
  EXPECT_EQ(run("SET", "a", "1", "PX", "9223372036854775807"), "-ERR invalid expire time in 'set' command");
  EXPECT_EQ(run("SETEX", "a", "0", "1"), "-ERR invalid expire time in 'setex' command");
  EXPECT_EQ(run("PSETEX", "a", "-5", "1"), "-ERR invalid expire time in 'psetex' command");
  EXPECT_EQ(run("GETEX", "a", "EX", "0"), "$-1");
  run("SET", "a", "1");
  EXPECT_EQ(run("GETEX", "a", "EX", "0"), "-ERR invalid expire time in 'getex' command");
}

TEST_F(Strings, SetnxSetexPsetexGetsetGetdel) {
  EXPECT_EQ(run("SETNX", "a", "1"), ":1");
  EXPECT_EQ(run("SETNX", "a", "2"), ":0");
  EXPECT_EQ(run("SETEX", "a", "5", "3"), "+OK");
  EXPECT_EQ(run("TTL", "a"), ":5");
  EXPECT_EQ(run("PSETEX", "a", "5000", "4"), "+OK");
  EXPECT_EQ(run("PTTL", "a"), ":5000");
  EXPECT_EQ(run("GETSET", "a", "5"), "$1|4");
  EXPECT_EQ(run("TTL", "a"), ":-1");
  EXPECT_EQ(run("GETSET", "b", "1"), "$-1");
  EXPECT_EQ(run("GETDEL", "a"), "$1|5");
  EXPECT_EQ(run("GETDEL", "a"), "$-1");
}

TEST_F(Strings, GetexChangesOrRemovesTheExpiry) {
  EXPECT_EQ(run("GETEX", "a"), "$-1");
  EXPECT_EQ(run("GETEX", "a", "EX", "10"), "$-1");
  run("SET", "a", "1");
  EXPECT_EQ(run("GETEX", "a", "EX", "10"), "$1|1");
  EXPECT_EQ(run("TTL", "a"), ":10");
  EXPECT_EQ(run("GETEX", "a"), "$1|1");
  EXPECT_EQ(run("TTL", "a"), ":10");
  EXPECT_EQ(run("GETEX", "a", "PERSIST"), "$1|1");
  EXPECT_EQ(run("TTL", "a"), ":-1");
  EXPECT_EQ(run("GETEX", "a", "PXAT", "1"), "$1|1");
  EXPECT_EQ(run("EXISTS", "a"), ":0");
  EXPECT_EQ(run("GETEX", "a", "PERSIST", "EX", "1"), "-ERR syntax error");
  EXPECT_EQ(run("GETEX", "a", "NX"), "-ERR syntax error");
}

TEST_F(Strings, MgetMsetMsetnx) {
  EXPECT_EQ(run("MSET", "a", "1", "b", "2"), "+OK");
  EXPECT_EQ(run("MGET", "a", "none", "b"), "*3|$1|1|$-1|$1|2");
  EXPECT_EQ(run3("MGET", "none"), "*1|_");
  EXPECT_EQ(run("MSET", "a", "1", "b"), "-ERR wrong number of arguments for 'mset' command");
  EXPECT_EQ(run("MSETNX", "c", "1", "b", "3"), ":0");
  EXPECT_EQ(run("EXISTS", "c"), ":0");
  EXPECT_EQ(run("MSETNX", "c", "1", "d", "3", "c", "4"), ":1");
  EXPECT_EQ(run("GET", "c"), "$1|4");
  EXPECT_EQ(run("MSETNX", "c", "1", "d"), "-ERR wrong number of arguments for 'msetnx' command");
}

TEST_F(Strings, AppendKeepsTheExpiry) {
  EXPECT_EQ(run("APPEND", "a", "foo"), ":3");
  run("EXPIRE", "a", "10");
  EXPECT_EQ(run("APPEND", "a", "bar"), ":6");
  EXPECT_EQ(run("GET", "a"), "$6|foobar");
  EXPECT_EQ(run("TTL", "a"), ":10");
}

TEST_F(Strings, GetrangeFollowsRedissIndexes) {
  run("SET", "a", "Hello World");
  const std::vector<std::array<std::string_view, 3>> cases = {
      {"0", "3", "$4|Hell"},      {"0", "-1", "$11|Hello World"},
      {"-4", "-1", "$4|orld"},    {"5", "3", "$0|"},
      {"5", "5000", "$6| World"}, {"-5000", "10000", "$11|Hello World"},
      {"-1", "-5", "$0|"},        {"-9223372036854775808", "-9223372036854775808", "$1|H"},
  };
  for (const auto& [start, end, reply] : cases)
    EXPECT_EQ(run("GETRANGE", "a", start, end), reply) << start << " " << end;
  EXPECT_EQ(run("SUBSTR", "a", "0", "0"), "$1|H");
  EXPECT_EQ(run("GETRANGE", "none", "0", "-1"), "$0|");
  EXPECT_EQ(run("GETRANGE", "a", "x", "1"), "-ERR value is not an integer or out of range");
}

TEST_F(Strings, SetrangePadsWithZeros) {
  EXPECT_EQ(run("SETRANGE", "a", "0", ""), ":0");
  EXPECT_EQ(run("EXISTS", "a"), ":0");
  EXPECT_EQ(run("SETRANGE", "a", "2", "x"), ":3");
  EXPECT_EQ(run("GET", "a"), std::string("$3|\0\0x", 6));
  EXPECT_EQ(run("SETRANGE", "a", "0", "ab"), ":3");
  EXPECT_EQ(run("GET", "a"), "$3|abx");
  EXPECT_EQ(run("SETRANGE", "a", "-1", "x"), "-ERR offset is out of range");
}

TEST_F(Strings, NothingGrowsBeyondTheLargestValue) {
  config::Model model;
  model.server.max_value = 1000;
  reopen(model);
  const std::string too_long = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";
  EXPECT_EQ(run("SETRANGE", "a", "1000", "x"), too_long);
  EXPECT_EQ(run("SETRANGE", "a", "9223372036854775807", "x"), too_long);
  EXPECT_EQ(run("SETBIT", "a", "8000", "1"), "-ERR bit offset is not an integer or out of range");
  EXPECT_EQ(run("EXISTS", "a"), ":0");
  EXPECT_EQ(run("SETRANGE", "a", "999", "x"), ":1000");
  EXPECT_EQ(run("APPEND", "a", "x"), too_long);
  EXPECT_EQ(run("STRLEN", "a"), ":1000");
}

TEST_F(Strings, AFullTierThatMayNotEvictSaysSo) {
  config::Model model;
  model.memory.limit = 256 << 10;
  model.memory.max_value = 64 << 10;
  model.memory.policy = "noeviction";
  reopen(model);
  const std::string value(32 << 10, 'x');
  std::string reply;
  for (int i = 0; i < 100 && !reply.starts_with("-"); ++i)
    reply = run("SET", "key" + std::to_string(i), value);
  EXPECT_EQ(reply, "-OOM command not allowed when used memory > 'maxmemory'.");
  EXPECT_EQ(run("SET", "key0", std::string(65 << 10, 'x')).substr(0, 5), "-OOM ");
  EXPECT_EQ(run("EXISTS", "key0"), ":0");
}

TEST_F(Strings, WithNothingThatMayExpireAVolatilePolicyRefusesWritesAndServesReads) {
  const std::string out_of_memory = "-OOM command not allowed when used memory > 'maxmemory'.";
  const std::string value(32 << 10, 'x');
  for (const char* const policy : {"volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"}) {
    config::Model model;
    model.memory.limit = 256 << 10;
    model.memory.max_share = 0.25;
    model.memory.policy = policy;
    reopen(model);
    int stored = 0;
    while (stored < 100 && run("SET", "key" + std::to_string(stored), value) == "+OK") ++stored;
    ASSERT_LT(stored, 100) << policy;
    EXPECT_EQ(run("SET", "another", value), out_of_memory) << policy;
    EXPECT_EQ(run("EXISTS", "another"), ":0") << policy;
    for (int i = 0; i < stored; ++i) EXPECT_EQ(run("STRLEN", "key" + std::to_string(i)), ":32768") << policy;
    // As soon as one may leave, a write goes through, and it is that one that leaves.
    EXPECT_EQ(run("EXPIRE", "key1", "100"), ":1") << policy;
    EXPECT_EQ(run("SET", "another", value), "+OK") << policy;
    EXPECT_EQ(run("EXISTS", "another", "key0", "key1", "key2"), ":3") << policy;
    EXPECT_EQ(run("EXISTS", "key1"), ":0") << policy;
  }
}

TEST_F(Strings, AValueBeyondMaxShareOfTheLimitIsRefusedAndTheKeyHasNone) {
  config::Model model;
  model.memory.limit = 4 << 20;
  model.memory.max_share = 0.01;
  reopen(model);
  const std::string most((4 << 20) / 100, 'x');
  EXPECT_EQ(run("SET", "a", most), "+OK");
  EXPECT_EQ(run("SET", "a", most + "x").substr(0, 5), "-OOM ");
  EXPECT_EQ(run("EXISTS", "a"), ":0");
  // The share is of the limit there is now.
  EXPECT_EQ(run("CONFIG", "SET", "maxmemory", "8mb"), "+OK");
  EXPECT_EQ(run("SET", "a", most + "x"), "+OK");
}

TEST_F(Strings, Bits) {
  EXPECT_EQ(run("SETBIT", "a", "1", "1"), ":0");
  EXPECT_EQ(run("GET", "a"), "$1|@");
  EXPECT_EQ(run("SETBIT", "a", "1", "0"), ":1");
  EXPECT_EQ(run("GETBIT", "a", "1"), ":0");
  EXPECT_EQ(run("SETBIT", "a", "15", "1"), ":0");
  EXPECT_EQ(run("GETBIT", "a", "15"), ":1");
  EXPECT_EQ(run("GETBIT", "a", "1000"), ":0");
  EXPECT_EQ(run("SETBIT", "a", "-1", "1"), "-ERR bit offset is not an integer or out of range");
  EXPECT_EQ(run("SETBIT", "a", "0", "2"), "-ERR bit is not an integer or out of range");
  EXPECT_EQ(run("GETBIT", "a", "4294967296"), "-ERR bit offset is not an integer or out of range");
}

TEST_F(Strings, LongestCommonSubsequence) {
  run("MSET", "a", "ohmytext", "b", "mynewtext");
  EXPECT_EQ(run("LCS", "a", "b"), "$6|mytext");
  EXPECT_EQ(run("LCS", "a", "b", "LEN"), ":6");
  EXPECT_EQ(run("LCS", "a", "b", "IDX"),
            "*4|$7|matches|*2|*2|*2|:4|:7|*2|:5|:8|*2|*2|:2|:3|*2|:0|:1|$3|len|:6");
  EXPECT_EQ(run("LCS", "a", "b", "IDX", "MINMATCHLEN", "4", "WITHMATCHLEN"),
            "*4|$7|matches|*1|*3|*2|:4|:7|*2|:5|:8|:4|$3|len|:6");
  EXPECT_EQ(run("LCS", "a", "none"), "$0|");
  EXPECT_EQ(run("LCS", "a", "b", "LEN", "IDX"),
            "-ERR If you want both the length and indexes, please just use IDX.");
  run("MSET", "c", std::string(10'000, 'x'), "d", std::string(10'000, 'x'));
  EXPECT_EQ(run("LCS", "c", "d"), "-ERR Insufficient memory, failed allocating transient memory for LCS");
}

TEST_F(Strings, LcsOfLongStringsDoesNotKeepTheEventLoop) {
  const std::string a(3'000, 'a');
  const std::string b = std::string(1'000, 'b') + std::string(2'000, 'a');
  run("SET", "a", a);
  run("SET", "b", b);
  EXPECT_EQ(run("LCS", "a", "b", "LEN"), ":2000");
  EXPECT_TRUE(client_->last_was_deferred());
  EXPECT_EQ(run("LCS", "a", "b"), "$2000|" + std::string(2'000, 'a'));
  EXPECT_EQ(run("LCS", "a", "b", "IDX"), "*4|$7|matches|*1|*2|*2|:1000|:2999|*2|:1000|:2999|$3|len|:2000");
  run("SET", "c", "xa");
  EXPECT_EQ(run("LCS", "a", "c"), "$1|a");
  EXPECT_FALSE(client_->last_was_deferred());
  run("MULTI");
  run("LCS", "a", "b");
  EXPECT_NE(run("EXEC").find("-ERR LCS of strings this long is not available in a transaction"),
            std::string::npos);
}

}  // namespace
}  // namespace forebay::server
