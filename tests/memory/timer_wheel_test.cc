#include "memory/timer_wheel.h"

#include <gtest/gtest.h>

#include <map>
#include <new>
#include <random>
#include <vector>

#include "memory/arena/slabs.h"

namespace forebay::memory {
namespace {

struct Timer {
  WheelHook hook;
  std::uint64_t due = 0;
  bool filed = false;
};
Timer& timer_of(WheelHook& hook) {
  return reinterpret_cast<Timer&>(hook);
}

class WheelTest : public ::testing::Test {
 protected:
  // Hooks live in the cage; these as long as the fixture.
  Timer& make() { return *new (slabs.allocate(sizeof(Timer))) Timer; }
  std::vector<Timer*> make(std::size_t count) {
    std::vector<Timer*> timers;
    for (std::size_t i = 0; i < count; ++i) timers.push_back(&make());
    return timers;
  }

  void file(Timer& timer, std::uint64_t due) {
    timer.due = due;
    timer.filed = true;
    wheel.file(timer.hook, due);
  }
  void unlink(Timer& timer) {
    timer.filed = false;
    wheel.unlink(timer.hook);
  }
  // Returns how many were due; each must be due indeed.
  std::size_t advance(std::uint64_t until, std::size_t budget = SIZE_MAX) {
    std::size_t fired = 0;
    touched = wheel.advance(
        until, budget, [](WheelHook& hook) { return timer_of(hook).due; },
        [&](WheelHook& hook) {
          Timer& timer = timer_of(hook);
          EXPECT_TRUE(timer.filed);
          EXPECT_LE(timer.due, until);
          unlink(timer);
          ++fired;
        });
    return fired;
  }

  Slabs slabs;
  TimerWheel wheel;
  std::size_t touched = 0;
};

TEST_F(WheelTest, FiresAtTheTickAndNotBefore) {
  for (const std::uint64_t due : {1u, 63u, 64u, 65u, 4095u, 4096u, 4097u, 262'144u, 20'000'000u}) {
    Timer& timer = make();
    const std::uint64_t at = wheel.now() + due;
    file(timer, at);
    EXPECT_EQ(advance(at - 1), 0u);
    EXPECT_EQ(advance(at), 1u) << due;
  }
}

TEST_F(WheelTest, WhatIsAlreadyDueFiresAtTheNextAdvance) {
  advance(1000);
  Timer& timer = make();
  file(timer, 5);
  EXPECT_EQ(advance(1000), 1u);
}

TEST_F(WheelTest, EmptyTimeIsSkippedHoweverLong) {
  Timer& timer = make();
  file(timer, 3'000'000'000);
  EXPECT_EQ(advance(2'999'999'999), 0u);
  EXPECT_LE(touched, 6u) << "moved down once a level at most";
  EXPECT_EQ(advance(3'000'000'000), 1u);
}

TEST_F(WheelTest, ABudgetStopsInTheMiddleAndTheRestComesNext) {
  for (Timer* const timer : make(1000)) file(*timer, 100);
  std::size_t fired = advance(200, 300);
  EXPECT_EQ(touched, 300u);
  EXPECT_LE(fired, 300u);
  Timer& late = make();
  file(late, 100);  // due while its slot is being drained
  Timer& later = make();
  file(later, 201);
  while (touched == 300) fired += advance(200, 300);
  EXPECT_EQ(fired, 1001u);
  EXPECT_TRUE(later.filed);
}

TEST_F(WheelTest, AgreesWithASortedListThroughRandomOperations) {
  std::mt19937_64 random(1);
  const std::vector<Timer*> timers = make(3000);
  std::multimap<std::uint64_t, Timer*> sorted;
  std::uint64_t now = 0;
  const auto forget = [&](Timer& timer) {
    for (auto [at, end] = sorted.equal_range(timer.due); at != end; ++at) {
      if (at->second == &timer) {
        sorted.erase(at);
        return;
      }
    }
    FAIL();
  };
  for (int i = 0; i < 60'000; ++i) {
    Timer& timer = *timers[random() % timers.size()];
    switch (random() % 4) {
      case 0:
      case 1:
        if (timer.filed) {
          forget(timer);
          unlink(timer);
        }
        file(timer, now + random() % (std::uint64_t{1} << (random() % 30)));
        sorted.emplace(timer.due, &timer);
        break;
      case 2:
        if (timer.filed) {
          forget(timer);
          unlink(timer);
        }
        break;
      default: {
        now += random() % (std::uint64_t{1} << (random() % 16));
        const std::size_t budget = 1 + random() % 50;
        do {
          advance(now, budget);
        } while (touched == budget);
        while (!sorted.empty() && sorted.begin()->first <= now) {
          ASSERT_FALSE(sorted.begin()->second->filed);
          sorted.erase(sorted.begin());
        }
        ASSERT_EQ(wheel.size(), sorted.size());
      }
    }
  }
}

}  // namespace
}  // namespace forebay::memory
