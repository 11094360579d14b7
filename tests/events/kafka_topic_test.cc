// A topic of librdkafka's mock cluster. `./dev bench events` has a real broker.
//
// Not under ThreadSanitizer: librdkafka starts its threads by C11's thrd_create(), which that of g++ 12 does not know,
// and which it therefore crashes in.
#ifndef __SANITIZE_THREAD__

#include "events/kafka_topic.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "support/eventually.h"
#include "support/mock_kafka.h"

namespace forebay::events {
namespace {

using namespace std::chrono_literals;

class Kafka : public testing::Test {
 protected:
  config::Events section() const {
    config::Events section;
    section.name = "orders";
    section.kind = config::EventsKind::kKafka;
    section.brokers = kafka.brokers();
    section.topic = "orders";
    section.max_message = 1024;
    return section;
  }
  std::unique_ptr<EventSource> open(const config::Events& section) {
    auto source = open_kafka_topic(section, times);
    EXPECT_TRUE(source) << source.error().message;
    return std::move(*source);
  }
  std::unique_ptr<EventSource> open() { return open(section()); }

  // As OnRedis::next(). Errors are passed over, but for the last one.
  static std::string next(EventSource& source, bool confirm = true) {
    std::string text = "(nothing)";
    test::eventually(
        [&] {
          auto delivery = source.next(CallContext{200ms, nullptr});
          if (!delivery) {
            text = "! " + delivery.error().message;
            return false;
          }
          if (delivery->gap.empty() && delivery->messages.empty()) return false;
          if (confirm) source.confirm();
          text = delivery->gap.empty() ? "" : "gap ";
          for (const Message& message : delivery->messages)
            text += message.too_large ? "(too large) " : message.text;
          return true;
        },
        60s);
    return text;
  }

  test::MockKafka kafka{"orders", 2};
  KafkaTimes times{.timeout = 20s, .join = 60s, .look_every = 50ms};
};

TEST_F(Kafka, IsReadFromItsEndOn) {
  kafka.produce("early ");
  const auto source = open();
  EXPECT_EQ(next(*source), "gap ");
  kafka.produce("one ");
  EXPECT_EQ(next(*source), "one ");
}

TEST_F(Kafka, EveryNodeHearsAllPartitions) {
  const auto first = open();
  const auto second = open();
  EXPECT_EQ(next(*first), "gap ");
  EXPECT_EQ(next(*second), "gap ");
  kafka.produce("one ", 0);
  kafka.produce("two ", 1);
  for (EventSource* source : {first.get(), second.get()}) {
    std::string all;
    while (all.size() < 8) all += next(*source);
    EXPECT_TRUE(all == "one two " || all == "two one ") << all;
  }
}

TEST_F(Kafka, ABreakIsNoGap) {
  times.timeout = 500ms;
  const auto source = open();
  ASSERT_EQ(next(*source), "gap ");
  kafka.produce("one ");
  ASSERT_EQ(next(*source), "one ");
  kafka.set_down();
  EXPECT_TRUE(test::eventually([&] { return !source->next(CallContext{100ms, nullptr}); }))
      << "it is noticed";
  kafka.set_up();
  kafka.produce("two ");
  EXPECT_EQ(next(*source), "two ");
}

TEST_F(Kafka, AnOffsetThatIsNotKeptAnyMoreIsAGap) {
  const auto source = open();
  ASSERT_EQ(next(*source), "gap ");
  kafka.produce("one ");
  ASSERT_EQ(next(*source), "one ");
  kafka.fail_fetch(RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE);
  kafka.produce("two ");
  std::string all;
  while (!all.contains("gap ") && all != "(nothing)") all = next(*source);
  EXPECT_TRUE(all.contains("gap ")) << all;
  kafka.produce("three ");
  EXPECT_TRUE(next(*source).ends_with("three "));
}

TEST_F(Kafka, AMessageThatIsTooLargeIsPassedOver) {
  const auto source = open();
  ASSERT_EQ(next(*source), "gap ");
  kafka.produce(std::string(10'000, 'x'));
  EXPECT_EQ(next(*source), "(too large) ");
  kafka.produce("small");
  EXPECT_EQ(next(*source), "small");
}

TEST_F(Kafka, AGroupGoesOnBehindWhatWasConfirmed) {
  config::Events grouped = section();
  grouped.group = "node-1";
  // The mock does not hear a member leave.
  grouped.kafka = {{"session.timeout.ms", "6000"}};
  {
    const auto source = open(grouped);
    ASSERT_EQ(next(*source), "gap ") << "nobody here has listened to these partitions";
    kafka.produce("done ");
    ASSERT_EQ(next(*source), "done ");
    kafka.produce("not done ");
    ASSERT_EQ(next(*source, false), "not done ");
  }
  kafka.produce("later ");
  const auto source = open(grouped);
  std::string all;
  while (!all.contains("later ") && !all.contains("(nothing)")) all += next(*source);
  EXPECT_EQ(all, "gap not done later ");
}

TEST_F(Kafka, SettingsAreCheckedAndTheirValuesNeverShown) {
  const auto wrong = [&](const std::string& name, const std::string& value) {
    config::Events with = section();
    with.kafka = {{name, value}};
    const auto source = open_kafka_topic(with);
    return source ? "" : source.error().message;
  };
  EXPECT_EQ(wrong("fetch.wait.max.ms", "10"), "");
  EXPECT_EQ(wrong("sasl.passwort", "secret"), "librdkafka knows no setting \"sasl.passwort\"");
  EXPECT_EQ(wrong("security.protocol", "secret"), "librdkafka refuses the value of \"security.protocol\"");
}

TEST_F(Kafka, ThePasswordMayComeFromTheEnvironment) {
  config::Events other = section();
  other.password_env = "FOREBAY_TEST_PASSWORD";
  ::unsetenv("FOREBAY_TEST_PASSWORD");
  EXPECT_FALSE(open_kafka_topic(other));
  ::setenv("FOREBAY_TEST_PASSWORD", "s3cret", 1);
  EXPECT_TRUE(open_kafka_topic(other));
  ::unsetenv("FOREBAY_TEST_PASSWORD");
}

}  // namespace
}  // namespace forebay::events

#endif
