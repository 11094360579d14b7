#include <string>

#include "server/commands/harness.h"

namespace forebay::server {
namespace {

using namespace std::chrono_literals;

using Expiry = PlainKeys;

TEST_F(Expiry, AKeyIsGoneWhenItsTimeHasCome) {
  run("SET", "a", "1");
  EXPECT_EQ(run("EXPIRE", "a", "10"), ":1");
  clock_.advance(10s - 1ms);
  EXPECT_EQ(run("GET", "a"), "$1|1");
  EXPECT_EQ(run("PTTL", "a"), ":1");
  clock_.advance(1ms);
  EXPECT_EQ(run("GET", "a"), "$-1");
  EXPECT_EQ(run("TTL", "a"), ":-2");
}

TEST_F(Expiry, TtlRoundsToTheNearestSecond) {
  run("SET", "a", "1", "PX", "1499");
  EXPECT_EQ(run("TTL", "a"), ":1");
  run("SET", "a", "1", "PX", "1500");
  EXPECT_EQ(run("TTL", "a"), ":2");
}

TEST_F(Expiry, WithoutAnExpiryMinusOneAndWithoutAKeyMinusTwo) {
  run("SET", "a", "1");
  for (const char* command : {"TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"}) {
    EXPECT_EQ(run(command, "a"), ":-1");
    EXPECT_EQ(run(command, "none"), ":-2");
  }
}

TEST_F(Expiry, AMomentComesBackExactly) {
  const std::int64_t wall = clock_.to_wall_ms(clock_.now()) + 12'345;
  run("SET", "a", "1");
  EXPECT_EQ(run("PEXPIREAT", "a", std::to_string(wall)), ":1");
  EXPECT_EQ(run("PEXPIRETIME", "a"), ":" + std::to_string(wall));
  EXPECT_EQ(run("EXPIREAT", "a", std::to_string(wall / 1000)), ":1");
  EXPECT_EQ(run("EXPIRETIME", "a"), ":" + std::to_string(wall / 1000));
  EXPECT_EQ(run("PEXPIRE", "a", "1500"), ":1");
  EXPECT_EQ(run("PTTL", "a"), ":1500");
}

// Times of the wall clock go with it, durations go their way; each command that keeps an expiry keeps its kind.
TEST_F(Expiry, MomentsFollowTheWallClockAndDurationsDoNot) {
  const std::int64_t at = clock_.to_wall_ms(clock_.now()) / 1000 + 7200;
  const std::string moment = std::to_string(at);
  run("MSET", "expireat", "1", "pexpireat", "1", "getex", "1", "durations", "1", "persist", "1");
  run("EXPIREAT", "expireat", moment);
  run("PEXPIREAT", "pexpireat", std::to_string(at * 1000));
  run("GETEX", "getex", "EXAT", moment);
  run("SET", "exat", "1", "EXAT", moment);
  run("SET", "pxat", "1", "PXAT", std::to_string(at * 1000));
  run("SET", "old", "1", "EXAT", moment);
  run("RENAME", "old", "renamed");
  run("SET", "kept", "1", "EXAT", moment);
  run("SET", "kept", "2", "KEEPTTL");
  run("SET", "counted", "1", "EXAT", moment);
  run("INCR", "counted");
  run("SET", "ex", "1", "EX", "7200");
  run("SET", "again", "1", "EXAT", moment);
  run("EXPIRE", "again", "7200");
  run("SET", "plain", "1", "EXAT", moment);
  run("SET", "plain", "1");
  run("EXPIREAT", "persist", moment);
  run("PERSIST", "persist");
  clock_.step_wall_clock(1h);
  scheduler_.advance(50ms);
  for (const char* key : {"expireat", "pexpireat", "getex", "exat", "pxat", "renamed", "kept", "counted"}) {
    EXPECT_EQ(run("EXPIRETIME", key), ":" + moment) << key;
    EXPECT_EQ(run("TTL", key), ":3600") << key;
  }
  for (const char* key : {"ex", "again"}) {
    EXPECT_EQ(run("TTL", key), ":7200") << key;
    EXPECT_EQ(run("EXPIRETIME", key), ":" + std::to_string(at + 3600)) << key;
  }
  EXPECT_EQ(run("TTL", "plain"), ":-1");
  EXPECT_EQ(run("TTL", "persist"), ":-1");
  clock_.step_wall_clock(-2h);
  scheduler_.advance(50ms);
  EXPECT_EQ(run("TTL", "exat"), ":10800");
  EXPECT_EQ(run("EXPIRETIME", "exat"), ":" + moment);
}

TEST_F(Expiry, ATimeInThePastDeletes) {
  run("MSET", "a", "1", "b", "1");
  EXPECT_EQ(run("EXPIRE", "a", "-1"), ":1");
  EXPECT_EQ(run("EXISTS", "a"), ":0");
  EXPECT_EQ(run("EXPIREAT", "b", "0"), ":1");
  EXPECT_EQ(run("EXISTS", "b"), ":0");
  EXPECT_EQ(run("EXPIRE", "none", "10"), ":0");
}

TEST_F(Expiry, ConditionsCompareWithTheExpiryThereIs) {
  run("SET", "a", "1");
  EXPECT_EQ(run("EXPIRE", "a", "10", "XX"), ":0");
  EXPECT_EQ(run("EXPIRE", "a", "10", "GT"), ":0");
  EXPECT_EQ(run("EXPIRE", "a", "10", "NX"), ":1");
  EXPECT_EQ(run("EXPIRE", "a", "20", "NX"), ":0");
  EXPECT_EQ(run("EXPIRE", "a", "5", "GT"), ":0");
  EXPECT_EQ(run("EXPIRE", "a", "10", "GT"), ":0");
  EXPECT_EQ(run("EXPIRE", "a", "20", "GT"), ":1");
  EXPECT_EQ(run("EXPIRE", "a", "20", "LT"), ":0");
  EXPECT_EQ(run("EXPIRE", "a", "15", "LT", "XX"), ":1");
  EXPECT_EQ(run("TTL", "a"), ":15");
  run("PERSIST", "a");
  EXPECT_EQ(run("EXPIRE", "a", "10", "XX", "LT"), ":0");
  EXPECT_EQ(run("EXPIRE", "a", "10", "LT"), ":1");
}

TEST_F(Expiry, OptionsThatContradictAreRefused) {
  run("SET", "a", "1");
  EXPECT_EQ(run("EXPIRE", "a", "10", "NX", "XX"),
            "-ERR NX and XX, GT or LT options at the same time are not compatible");
  EXPECT_EQ(run("EXPIRE", "a", "10", "GT", "LT"),
            "-ERR GT and LT options at the same time are not compatible");
  EXPECT_EQ(run("EXPIRE", "a", "10", "AB"), "-ERR Unsupported option AB");
  EXPECT_EQ(run("TTL", "a"), ":-1");
}

TEST_F(Expiry, OverflowIsRefused) {
  run("SET", "a", "1");
  EXPECT_EQ(run("EXPIRE", "a", "9223372036854775807"), "-ERR invalid expire time in 'expire' command");
  EXPECT_EQ(run("EXPIRE", "a", "-9223372036854775808"), "-ERR invalid expire time in 'expire' command");
  EXPECT_EQ(run("PEXPIRE", "a", "9223372036854775807"), "-ERR invalid expire time in 'pexpire' command");
  EXPECT_EQ(run("EXPIREAT", "a", "9223372036854775807"), "-ERR invalid expire time in 'expireat' command");
  EXPECT_EQ(run("EXPIRE", "a", "1.5"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(run("TTL", "a"), ":-1");
}

TEST_F(Expiry, AVeryLateExpiryIsStillOne) {
  run("SET", "a", "1");
  EXPECT_EQ(run("PEXPIRE", "a", "9223370000000000000"), ":1");
  EXPECT_NE(run("TTL", "a"), ":-1");
  EXPECT_EQ(run("PERSIST", "a"), ":1");
  EXPECT_EQ(run("PEXPIRE", "a", "-9223370000000000000"), ":1");
  EXPECT_EQ(run("EXISTS", "a"), ":0");
}

TEST_F(Expiry, PersistRemovesIt) {
  run("SET", "a", "1", "EX", "10");
  EXPECT_EQ(run("PERSIST", "a"), ":1");
  EXPECT_EQ(run("PERSIST", "a"), ":0");
  EXPECT_EQ(run("PERSIST", "none"), ":0");
  EXPECT_EQ(run("TTL", "a"), ":-1");
}

TEST_F(Expiry, TheDefaultTtlAppliesUnlessTheClientSaysOtherwise) {
  config::Model model;
  model.defaults.ttl = 60s;
  reopen(model);
  run("SET", "a", "1");
  EXPECT_EQ(run("TTL", "a"), ":60");
  run("SET", "b", "1", "EX", "5");
  EXPECT_EQ(run("TTL", "b"), ":5");
  run("INCR", "c");
  EXPECT_EQ(run("TTL", "c"), ":60");
}

}  // namespace
}  // namespace forebay::server
