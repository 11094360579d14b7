// The key table under random schedules: whatever happens in whatever order, a copy in memory never misses a
// change that was reported as visible before the copy was made, and at rest it is what the source has.

#include "layer/key/key_table.h"

#include <gtest/gtest.h>

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "layer/key/copy_store.h"
#include "support/manual_time.h"

namespace forebay::layer::test {
namespace {

using namespace std::chrono_literals;
using forebay::test::FixedRandom;
using forebay::test::ManualClock;
using forebay::test::ManualScheduler;
using forebay::test::SeededRandom;

// One key of a source whose value is the number of its newest visible change.
class Schedule {
 public:
  Schedule(std::uint64_t seed, bool proves) : random_(seed), proves_(proves) {
    memory::TierOptions options;
    options.limit = std::size_t{1} << 20;
    tier_ = std::move(*memory::Tier::open(options, clock_));
    copies_.emplace(*tier_, chance_);
    space_.info.index = 1;
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      step();
      check();
      if (::testing::Test::HasFailure()) return;
    }
    rest();
  }

 private:
  struct Load {
    FlightPtr flight;
    std::optional<std::uint64_t> read;  // what it has read at the source
  };

  std::uint64_t one_of(std::uint64_t many) { return random_.next() % many; }

  void step() {
    switch (one_of(9)) {
      case 0:
        return open_load();
      case 1:
        return start_load();
      case 2:
        return read_source();
      case 3:
        return land_load();
      case 4:  // somebody else commits, and the feed says so once it is visible
        if (committed_ != visible_) return;
        visible_ = ++committed_;
        return report(visible_, Visible::kYes);
      case 5:  // the feed is early
        if (committed_ != visible_) return;
        early_ = ++committed_;
        return report(early_, Visible::kNotYet);
      case 6:
        return settle();
      case 7:
        return begin_write();
      case 8:
        return end_write();
    }
  }

  void open_load() {
    Waiter waiter;
    waiter.done = [](Result<Answer>) {};
    const auto kind = one_of(4) == 0 ? Join::kFresh : Join::kAny;
    const auto joined =
        keys_.join(at_, kind, Urgency::kForeground, [] { return KeyFields(); }, waiter, [] { return false; });
    if (joined.opened) loads_.push_back({joined.flight, std::nullopt});
  }
  void start_load() {
    if (loads_.empty()) return;
    keys_.start(*loads_[one_of(loads_.size())].flight, clock_.now(), std::make_shared<SourceCall>());
  }
  void read_source() {
    if (loads_.empty()) return;
    Load& load = loads_[one_of(loads_.size())];
    if (load.flight->started && !load.read) load.read = visible_;
  }
  void land_load() {
    if (loads_.empty()) return;
    const std::size_t which = one_of(loads_.size());
    const Load load = loads_[which];
    if (!load.read) return;
    loads_.erase(loads_.begin() + static_cast<std::ptrdiff_t>(which));
    const Evidence evidence(proves_ ? *load.read : 0, 0);
    keys_.land(load.flight, evidence, [&](const KeyTable::Seen& seen) {
      if (seen.admits(evidence)) store(*load.read, evidence, CopyCause::kLoaded);
      return KeyTable::Landing::kEnd;
    });
  }

  void report(std::uint64_t number, Visible visible) {
    // A source that proves nothing says nothing of the change either.
    const ChangeMark mark{proves_ ? number : 0, 0};
    keys_.change(at_, mark, visible, [&] { copies_->drop_before(at_, mark, clock_.now()); });
    if (visible == Visible::kYes) reported_ = std::max(reported_, number);
  }
  void settle() {
    if (committed_ == visible_) return;
    visible_ = committed_;
    keys_.settle(at_, {proves_ ? early_ : 0, 0});
    reported_ = std::max(reported_, early_);
  }

  // A write of our own takes a number as well; what it returns may be late.
  void begin_write() {
    if (writing_ || committed_ != visible_) return;
    Task start = [] {};
    ASSERT_TRUE(keys_.begin_write(at_, start));
    writing_ = true;
    wrote_ = visible_ = ++committed_;
  }
  void end_write() {
    if (!writing_) return;
    writing_ = false;
    keys_.end_write(at_, true, [&](const Fence& reported) {
      const Evidence evidence(proves_ ? wrote_ : 0, 0);
      if (reported.admits(evidence)) {
        store(wrote_, evidence, CopyCause::kWritten);
      } else {
        copies_->drop(at_, clock_.now());
      }
    });
    reported_ = std::max(reported_, wrote_);
  }

  void store(std::uint64_t number, const Evidence& evidence, CopyCause cause) {
    NewCopy copy;
    const std::string text = std::to_string(number);
    copy.cause = cause;
    copy.bytes = text;
    copy.evidence = evidence;
    copy.as_of.epoch = space_.epoch;
    copies_->store(at_, std::move(copy), clock_.now());
  }
  std::optional<std::uint64_t> cached() {
    std::optional<std::uint64_t> number;
    copies_->find(at_, clock_.now(),
                  [&](const EntryView& entry) { number = std::stoull(std::string(entry.bytes())); });
    return number;
  }

  // A copy includes every change that was reported as visible. While a write of ours has committed and not
  // ended, and while a change is early, the copy may be the one before.
  void check() {
    const auto number = cached();
    if (number) {
      EXPECT_GE(*number, reported_);
    }
  }
  void rest() {
    end_write();
    settle();
    while (!loads_.empty() && !::testing::Test::HasFailure()) {
      start_load();
      read_source();
      land_load();
      check();
    }
    const auto number = cached();
    if (number) {
      EXPECT_EQ(*number, visible_);
    }
    EXPECT_FALSE(keys_.unsettled(at_));
    EXPECT_FALSE(keys_.in_flight(at_));
  }

  SeededRandom random_;
  const bool proves_;
  ManualClock clock_;
  ManualScheduler scheduler_{clock_};
  FixedRandom chance_{{0}};
  std::unique_ptr<memory::Tier> tier_;
  std::optional<CopyStore> copies_;
  KeyTable keys_{scheduler_};
  Namespace space_;
  KeyRef at_{space_, "key"};
  std::vector<Load> loads_;
  std::uint64_t committed_ = 0;  // the newest change
  std::uint64_t visible_ = 0;    // the newest that a load may read
  std::uint64_t early_ = 0;      // reported before it is visible
  std::uint64_t reported_ = 0;   // the newest that was reported, or returned by a write, and is visible
  bool writing_ = false;
  std::uint64_t wrote_ = 0;
};

TEST(KeyTableSchedules, ACopyNeverMissesAReportedChange) {
  for (std::uint64_t seed = 0; seed < 4000 && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Schedule(seed, seed % 2 == 0).run(200);
  }
}

class KeyTableTest : public ::testing::Test {
 protected:
  KeyTable::Joined join(Waiter waiter = {}) {
    return keys.join(
        at, Join::kAny, Urgency::kForeground, [] { return KeyFields(); }, waiter, [] { return false; });
  }
  // Loads that have started may be told that their result is not wanted.
  SourceCallPtr start(const FlightPtr& flight) {
    auto call = std::make_shared<SourceCall>();
    EXPECT_TRUE(keys.start(*flight, clock.now(), call));
    keys.release(call);
    return call;
  }

  ManualClock clock;
  ManualScheduler scheduler{clock};
  KeyTable keys{scheduler};
  Namespace space;
  KeyRef at{space, "key"};
};

TEST_F(KeyTableTest, AnAnswerAtHandOpensNoFlight) {
  Waiter waiter;
  waiter.hard = Instant(7s);
  const auto joined = keys.join(
      at, Join::kAny, Urgency::kForeground, [] { return KeyFields(); }, waiter, [] { return true; });
  EXPECT_EQ(joined.flight, nullptr);
  EXPECT_EQ(waiter.hard, Instant(7s)) << "the waiter is still the caller's";
  EXPECT_FALSE(keys.in_flight(at));
}

TEST_F(KeyTableTest, AFlightStartsOnce) {
  const auto joined = join();
  start(joined.flight);
  EXPECT_FALSE(keys.start(*joined.flight, clock.now(), std::make_shared<SourceCall>()));
}

TEST_F(KeyTableTest, ACallWhoseFlightsAreAllFencedAndUnwaitedForIsCancelled) {
  auto flight = keys.open_background(at, clock.now(), [] { return KeyFields(); }, [] { return true; });
  ASSERT_NE(flight, nullptr);
  const SourceCallPtr call = start(flight);
  keys.change(at, {}, Visible::kYes, [] {});
  scheduler.run_due();
  EXPECT_TRUE(call->cancel->cancelled());
}

TEST_F(KeyTableTest, ACallThatSomebodyWaitsForIsNotCancelled) {
  const auto joined = join();
  const SourceCallPtr call = start(joined.flight);
  keys.change(at, {}, Visible::kYes, [] {});
  scheduler.run_due();
  EXPECT_FALSE(call->cancel->cancelled());
}

TEST_F(KeyTableTest, AFailedLoadThrottlesTheNextInTheBackground) {
  const auto joined = join();
  start(joined.flight);
  EXPECT_EQ(keys.fail(*joined.flight, clock.now() + 1s).waiters.size(), 1u);
  const auto refresh = [&] {
    return keys.open_background(at, clock.now(), [] { return KeyFields(); }, [] { return true; });
  };
  EXPECT_TRUE(keys.throttled(at, clock.now()));
  EXPECT_EQ(refresh(), nullptr);
  clock.advance(1s);
  EXPECT_FALSE(keys.throttled(at, clock.now()));
  EXPECT_NE(refresh(), nullptr);
}

TEST_F(KeyTableTest, ThrottlesOfManyKeysAreForgottenTogether) {
  for (int i = 0; i < 400'000; ++i) {
    const std::string name = std::to_string(i);
    const KeyRef other(space, name);
    Waiter waiter;
    const auto joined = keys.join(
        other, Join::kAny, Urgency::kForeground, [] { return KeyFields(); }, waiter, [] { return false; });
    keys.fail(*joined.flight, clock.now() + 1h);
  }
  int remembered = 0;
  for (int i = 0; i < 400'000; ++i) {
    const std::string name = std::to_string(i);
    remembered += keys.throttled(KeyRef(space, name), clock.now()) ? 1 : 0;
  }
  EXPECT_GT(remembered, 0);
  EXPECT_LE(remembered, 64 * 4096);
}

TEST_F(KeyTableTest, AnApplyThatOverlappedALoadIsSeenWhenItLands) {
  const auto joined = join();
  start(joined.flight);
  keys.begin_apply(at);
  bool overlapped = false;
  auto parked = keys.land(joined.flight, {}, [&](const KeyTable::Seen& seen) {
    overlapped = seen.overlapped;
    return KeyTable::Landing::kPark;
  });
  EXPECT_TRUE(overlapped);
  EXPECT_TRUE(parked.open);
  EXPECT_FALSE(parked.unseen);
  const auto waiting = keys.end_apply(at, [](const KeyState::Apply* apply) { EXPECT_NE(apply, nullptr); });
  ASSERT_EQ(waiting.size(), 1u);
  EXPECT_EQ(waiting[0], joined.flight);
  start(joined.flight);
  keys.land(joined.flight, {}, [&](const KeyTable::Seen& seen) {
    overlapped = seen.overlapped;
    return KeyTable::Landing::kEnd;
  });
  EXPECT_FALSE(overlapped);
}

TEST_F(KeyTableTest, AFlightParkedForAnApplyThatNobodySawIsSaidToBe) {
  const auto joined = join();
  start(joined.flight);
  EXPECT_TRUE(
      keys.land(joined.flight, {}, [](const KeyTable::Seen&) { return KeyTable::Landing::kPark; }).unseen);
  EXPECT_EQ(keys.unpark(at).size(), 1u);
}

TEST_F(KeyTableTest, WritesOfAKeyRunOneAfterAnother) {  // X1
  std::string order;
  Task first = [&] { order += "1"; };
  Task second = [&] { order += "2"; };
  ASSERT_TRUE(keys.begin_write(at, first));
  first();
  ASSERT_FALSE(keys.begin_write(at, second));
  bool writing = false;
  keys.with_key(at, [&](bool taken) { writing = taken; });
  EXPECT_TRUE(writing);
  Task next = keys.end_write(at, true, [](const Fence&) {});
  ASSERT_TRUE(next);
  next();
  EXPECT_EQ(order, "12");
  EXPECT_FALSE(keys.end_write(at, true, [](const Fence&) {}));
  keys.with_key(at, [&](bool taken) { writing = taken; });
  EXPECT_FALSE(writing);
}

TEST_F(KeyTableTest, ClosingEndsFlightsFencedOnesToo) {
  const auto joined = join();
  start(joined.flight);
  keys.change(at, {}, Visible::kYes, [] {});
  join();
  EXPECT_EQ(keys.close().size(), 2u);
  EXPECT_FALSE(keys.in_flight(at));
}

}  // namespace
}  // namespace forebay::layer::test
