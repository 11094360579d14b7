// What a reader makes of its source, in steps: no thread, no server.

#include "events/event_reader.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <utility>

#include "config/key_template.h"
#include "support/manual_time.h"

namespace forebay::events {
namespace {

using namespace std::chrono_literals;

// What happened, in order.
struct Diary {
  std::string text;
  std::string take() { return std::exchange(text, ""); }
};

class Script final : public EventSource {
 public:
  Script(Diary& diary, std::deque<Result<Delivery>>& steps) : diary_(diary), steps_(steps) {}
  Result<Delivery> next(const CallContext&) override {
    if (steps_.empty()) return Delivery{};
    auto step = std::move(steps_.front());
    steps_.pop_front();
    return step;
  }
  void confirm() override { diary_.text += "confirm "; }

 private:
  Diary& diary_;
  std::deque<Result<Delivery>>& steps_;
};

class Sink final : public EventSink {
 public:
  explicit Sink(Diary& diary) : diary_(diary) {}
  bool invalidate(const config::Events&, const Invalidation& what) override {
    diary_.text += what.name + " ";
    return !what.name.starts_with("nobody");
  }
  void missed(const config::Events&) override { diary_.text += "missed "; }

 private:
  Diary& diary_;
};

class ReadingEvents : public testing::Test {
 protected:
  static config::Events section() {
    config::Events section;
    section.name = "orders";
    std::vector<config::TextMistake> mistakes;
    section.invalidate = {config::parse_key_template("{key}", mistakes)};
    return section;
  }
  static Message json(std::string text) {
    Message message;
    message.text = std::move(text);
    return message;
  }
  static Message key(const std::string& key) { return json(R"({"key":")" + key + "\"}"); }
  std::string step() {
    pause = reader.step();
    return diary.take();
  }

  Diary diary;
  std::deque<Result<Delivery>> steps;
  Sink sink{diary};
  test::ManualClock clock;
  test::FixedRandom random{{~std::uint64_t{0}}};
  EventReader reader{
      section(), std::make_unique<Script>(diary, steps), {sink, clock, random}, EventReader::Run::kSteps};
  std::chrono::milliseconds pause{0};
};

TEST_F(ReadingEvents, AMessageIsConfirmedWhenWhatItNamesIsInvalidated) {
  steps.push_back(Delivery{"", {key("a"), key("b")}});
  EXPECT_EQ(step(), "a b confirm ");
  EXPECT_EQ(reader.stats().invalidated, 2u);
  EXPECT_EQ(reader.stats().keys, 2u);
  EXPECT_TRUE(reader.stats().connected);
}

TEST_F(ReadingEvents, TheFirstListeningIsNoGapAndEndsWhatWasLoadedBeforeIt) {
  steps.push_back(Delivery{"nobody has listened", {}});
  EXPECT_EQ(step(), "missed confirm ");
  EXPECT_EQ(reader.stats().gaps, 0u);
}

TEST_F(ReadingEvents, AGapComesBeforeTheMessagesAfterIt) {
  step();
  diary.take();
  steps.push_back(Delivery{"cut", {key("a")}});
  EXPECT_EQ(step(), "missed a confirm ");
  EXPECT_EQ(reader.stats().gaps, 1u);
}

TEST_F(ReadingEvents, MalformedMessagesAreCountedAndPassedOver) {
  Message large;
  large.too_large = true;
  steps.push_back(Delivery{"", {json("?"), key("a"), json("{}"), large, key("nobody"), key("b")}});
  EXPECT_EQ(step(), "a nobody b confirm ");
  EXPECT_EQ(reader.stats().invalidated, 2u);
  EXPECT_EQ(reader.stats().malformed, 3u);
  EXPECT_EQ(reader.stats().too_large, 1u);
}

TEST_F(ReadingEvents, AFailureIsSaidAndAskedAgainAtGrowingIntervals) {
  for (int i = 0; i < 7; ++i) steps.push_back(Error{ErrorCode::kUnavailable, "away"});
  std::vector<std::chrono::milliseconds> pauses;
  for (int i = 0; i < 7; ++i) {
    EXPECT_EQ(step(), "");
    pauses.push_back(pause);
  }
  EXPECT_EQ(pauses,
            (std::vector<std::chrono::milliseconds>{100ms, 200ms, 400ms, 800ms, 1600ms, 3000ms, 3000ms}));
  EXPECT_FALSE(reader.stats().connected);
  EXPECT_EQ(reader.stats().failure, "away");
  EXPECT_EQ(step(), "confirm ");
  EXPECT_EQ(pause, 0ms);
  EXPECT_TRUE(reader.stats().connected);
  EXPECT_EQ(reader.stats().failure, "");
}

TEST_F(ReadingEvents, ChanceShortensAPauseByHalfAtMost) {
  test::FixedRandom none{{0}};
  EventReader other(section(), std::make_unique<Script>(diary, steps), {sink, clock, none},
                    EventReader::Run::kSteps);
  steps.push_back(Error{ErrorCode::kUnavailable, "away"});
  EXPECT_EQ(other.step(), 50ms);
}

TEST_F(ReadingEvents, SaysHowLongAgoTheLastMessageCame) {
  step();
  EXPECT_FALSE(reader.stats().last_seconds);
  steps.push_back(Delivery{"", {key("a")}});
  step();
  clock.advance(3s);
  EXPECT_EQ(reader.stats().last_seconds, 3.0);
}

}  // namespace
}  // namespace forebay::events
