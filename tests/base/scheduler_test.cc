#include <gtest/gtest.h>

#include <future>
#include <latch>
#include <vector>

#include "base/thread_pool.h"
#include "base/thread_scheduler.h"

namespace forebay {
namespace {

using namespace std::chrono_literals;

TEST(ThreadScheduler, RunsTasksInTheOrderOfTheirTimes) {
  ThreadScheduler scheduler;
  std::promise<void> done;
  std::vector<int> order;  // the scheduler's one thread writes it
  const Instant now = system_clock().now();
  scheduler.post_at(now + 20ms, [&] {
    order.push_back(3);
    done.set_value();
  });
  scheduler.post_at(now + 10ms, [&] { order.push_back(2); });
  scheduler.post([&] { order.push_back(1); });
  done.get_future().wait();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(ThreadScheduler, ACancelledTaskDoesNotRunAndIsReportedOnce) {
  ThreadScheduler scheduler;
  bool ran = false;
  const auto id = scheduler.post_at(system_clock().now() + 1h, [&] { ran = true; });
  EXPECT_TRUE(scheduler.cancel(id));
  EXPECT_FALSE(scheduler.cancel(id));
  EXPECT_FALSE(ran);
}

TEST(ThreadScheduler, ATaskMayPostAndCancel) {
  ThreadScheduler scheduler;
  std::promise<bool> cancelled;
  scheduler.post([&] {
    const auto id = scheduler.post_at(kNever, [] {});
    cancelled.set_value(scheduler.cancel(id));
  });
  EXPECT_TRUE(cancelled.get_future().get());
}

TEST(ThreadScheduler, WhatWasStillToComeIsDestroyedUnrun) {
  auto owned = std::make_shared<int>(1);
  const std::weak_ptr<int> seen = owned;
  {
    ThreadScheduler scheduler;
    scheduler.post_at(kNever, [owned = std::move(owned)] { FAIL(); });
  }
  EXPECT_TRUE(seen.expired());
}

TEST(ThreadPool, RunsAsManyTasksAtOnceAsItHasThreads) {
  std::latch together(3);
  std::latch all(3);
  ThreadPool pool(3);
  for (int i = 0; i < 3; ++i) {
    pool.run([&] {
      together.arrive_and_wait();  // would wait for ever with fewer threads
      all.count_down();
    });
  }
  all.wait();
}

}  // namespace
}  // namespace forebay
