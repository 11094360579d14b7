// A stream of a real Redis.

#include "events/redis_stream.h"

#include "events/redis_fixture.h"

namespace forebay::events {
namespace {

class Stream : public OnRedis {
 protected:
  std::unique_ptr<EventSource> open() {
    auto source = open_redis_stream(section(), RedisStreamTimes{.timeout = 20s});
    EXPECT_TRUE(source) << source.error().message;
    return std::move(*source);
  }
  void add(const std::string& value) {
    EXPECT_TRUE(redis.ask({"XADD", "orders", "*", "id", value}).find("-") > 0);
  }
  void cut() { redis.ask({"CLIENT", "KILL", "TYPE", "normal"}); }
};

TEST_F(Stream, IsReadFromItsEndOn) {
  add("1");
  const auto source = open();
  EXPECT_EQ(next(*source), "gap ");
  add("2");
  EXPECT_EQ(next(*source), "id=2 ");
}

TEST_F(Stream, MayComeLater) {
  const auto source = open();
  EXPECT_EQ(next(*source), "gap ");
  add("1");
  EXPECT_EQ(next(*source), "id=1 ");
}

TEST_F(Stream, AfterABreakItGoesOnBehindTheLastEntryThatWasDone) {
  const auto source = open();
  next(*source);
  add("1");
  EXPECT_EQ(next(*source), "id=1 ");
  cut();
  add("2");
  EXPECT_TRUE(next(*source).starts_with("! "));
  EXPECT_EQ(next(*source), "id=2 ");
}

TEST_F(Stream, WhatWasNotConfirmedComesAgain) {
  const auto source = open();
  next(*source);
  add("1");
  auto delivery = source->next(CallContext{20s, nullptr});
  ASSERT_TRUE(delivery);
  EXPECT_EQ(shown(*delivery), "id=1 ");
  cut();
  EXPECT_TRUE(next(*source).starts_with("! "));
  EXPECT_EQ(next(*source), "id=1 ");
}

TEST_F(Stream, EntriesThatAreTrimmedUnreadAreAGap) {
  const auto source = open();
  next(*source);
  add("1");
  next(*source);
  for (int i = 2; i < 10; ++i) add(std::to_string(i));
  redis.ask({"XTRIM", "orders", "MAXLEN", "1"});
  EXPECT_TRUE(next(*source).starts_with("gap "));
  add("10");
  EXPECT_EQ(next(*source), "id=10 ");
}

TEST_F(Stream, TrimmingWhatWasReadIsNoGap) {
  const auto source = open();
  next(*source);
  for (int i = 1; i < 5; ++i) {
    redis.ask({"XADD", "orders", "MAXLEN", "1", "*", "id", std::to_string(i)});
    EXPECT_EQ(next(*source), "id=" + std::to_string(i) + " ");
  }
}

TEST_F(Stream, AnEntryThatIsDeletedUnreadIsAGap) {
  const auto source = open();
  next(*source);
  redis.ask({"XADD", "orders", "1-1", "id", "1"});
  redis.ask({"XDEL", "orders", "1-1"});
  EXPECT_EQ(next(*source), "gap ");
}

TEST_F(Stream, AStreamThatIsReplacedIsAGap) {
  const auto source = open();
  next(*source);
  add("1");
  next(*source);
  redis.ask({"DEL", "orders"});
  EXPECT_EQ(next(*source), "gap ");
  add("2");
  EXPECT_EQ(next(*source), "id=2 ");
  redis.stop();
  redis.start();  // it has forgotten everything
  EXPECT_TRUE(next(*source).starts_with("! "));
  EXPECT_EQ(next(*source), "gap ");
}

TEST_F(Stream, AnEntryThatIsTooLargeIsPassedOver) {
  const auto source = open();
  next(*source);
  add(std::string(1 << 20, 'x'));
  add("2");
  EXPECT_EQ(next(*source), "(too large) id= id=2 ");
}

TEST_F(Stream, SaysWhatTheServerRefuses) {
  redis.ask({"SET", "orders", "a text"});
  EXPECT_TRUE(next(*open()).contains("WRONGTYPE"));
}

}  // namespace
}  // namespace forebay::events
