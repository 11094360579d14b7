// A channel of a real Redis.

#include "events/redis_channel.h"

#include <cstdlib>
#include <thread>

#include "base/cancel.h"
#include "events/redis_fixture.h"

namespace forebay::events {
namespace {

class Channel : public OnRedis {
 protected:
  std::unique_ptr<EventSource> open(const config::Events& section) {
    auto source = open_redis_channel(section, times);
    EXPECT_TRUE(source) << source.error().message;
    return std::move(*source);
  }
  std::unique_ptr<EventSource> open() { return open(section()); }
  void publish(const std::string& text) { EXPECT_EQ(redis.ask({"PUBLISH", "orders", text}), ":1"); }

  RedisChannelTimes times{.timeout = 20s, .ping_after = 20ms, .dead_after = 20s};
};

TEST_F(Channel, IsHeardFromTheSubscriptionOn) {
  const auto source = open();
  EXPECT_EQ(redis.ask({"PUBLISH", "orders", "early"}), ":0");
  EXPECT_EQ(next(*source), "gap ");
  publish("one ");
  EXPECT_EQ(next(*source), "one ");
}

TEST_F(Channel, SeveralMessagesComeTogetherAndInOrder) {
  const auto source = open();
  next(*source);
  std::string all;
  for (int i = 0; i < 1200; ++i) publish(std::to_string(i) + " ");
  std::string expected;
  for (int i = 0; i < 1200; ++i) expected += std::to_string(i) + " ";
  int deliveries = 0;
  while (all.size() < expected.size()) {
    const auto delivery = source->next(CallContext{1s, nullptr});
    ASSERT_TRUE(delivery);
    EXPECT_LE(delivery->messages.size(), EventSource::kMostMessages);
    ++deliveries;
    all += shown(*delivery);
  }
  EXPECT_EQ(all, expected);
  EXPECT_LT(deliveries, 1200);
}

TEST_F(Channel, AMessageThatIsTooLargeIsPassedOverAndTheNextIsHeard) {
  const auto source = open();
  next(*source);
  publish(std::string(1 << 20, 'x'));
  EXPECT_EQ(next(*source), "(too large) ");
  publish("small");
  EXPECT_EQ(next(*source), "small");
}

TEST_F(Channel, EachNewConnectionIsAGap) {
  const auto source = open();
  EXPECT_EQ(next(*source), "gap ");
  redis.ask({"CLIENT", "KILL", "TYPE", "pubsub"});
  EXPECT_TRUE(next(*source).starts_with("! "));
  EXPECT_EQ(next(*source), "gap ");
  publish("again");
  EXPECT_EQ(next(*source), "again");
}

TEST_F(Channel, ASilentChannelIsKeptByPings) {
  const auto source = open();
  next(*source);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(source->next(CallContext{20ms, nullptr}));
  publish("still");
  EXPECT_EQ(next(*source), "still");
}

TEST_F(Channel, AServerThatHangsIsNoticed) {
  times.dead_after = 200ms;
  const auto source = open();
  next(*source);
  redis.pause();
  EXPECT_TRUE(next(*source).contains("not even to a PING"));
  redis.resume();
}

TEST_F(Channel, AServerThatIsAwaySaysSo) {
  redis.stop();
  EXPECT_TRUE(next(*open()).contains("Connection refused"));
}

TEST_F(Channel, LogsInAndSaysWhatIsRefused) {
  redis.ask({"ACL", "SETUSER", "app", "on", ">s3cret", "&*", "+@all"});
  redis.ask({"ACL", "SETUSER", "blind", "on", ">s3cret", "resetchannels", "+@all"});
  const auto at = [&](const std::string& who) {
    config::Events other = section();
    other.url = "redis://" + who + "@127.0.0.1:" + std::to_string(redis.port()) + "/3";
    return next(*open(other));
  };
  EXPECT_EQ(at("app:s3cret"), "gap ");
  const std::string wrong = at("app:wrong-one");
  EXPECT_TRUE(wrong.contains("refuses the login")) << wrong;
  EXPECT_FALSE(wrong.contains("wrong-one")) << wrong;
  EXPECT_TRUE(at("blind:s3cret").contains("refuses to subscribe"));
}

TEST_F(Channel, ThePasswordMayComeFromTheEnvironment) {
  redis.ask({"ACL", "SETUSER", "app", "on", ">s3cret", "&*", "+@all"});
  config::Events other = section();
  other.url = "redis://app:@127.0.0.1:" + std::to_string(redis.port());
  other.password_env = "FOREBAY_TEST_PASSWORD";
  ::unsetenv("FOREBAY_TEST_PASSWORD");
  EXPECT_FALSE(open_redis_channel(other));
  ::setenv("FOREBAY_TEST_PASSWORD", "s3cret", 1);
  EXPECT_EQ(next(*open(other)), "gap ");
  ::unsetenv("FOREBAY_TEST_PASSWORD");
}

TEST_F(Channel, ACancelledWaitEnds) {
  const auto source = open();
  CancelFlag cancel;
  ASSERT_TRUE(source->next(CallContext{20s, &cancel}));
  std::thread other([&] { cancel.cancel(); });
  for (;;) {  // a wait that has begun, or one that begins
    const auto delivery = source->next(CallContext{1h, &cancel});
    if (delivery) continue;
    EXPECT_EQ(delivery.error().code, ErrorCode::kCancelled);
    break;
  }
  other.join();
}

}  // namespace
}  // namespace forebay::events
