#include "base/striped.h"

#include <gtest/gtest.h>

#include <latch>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace forebay {
namespace {

TEST(StripedCounters, NothingIsLostWhateverTheNumberOfThreads) {
  StripedCounters<2> counters;
  for (int round = 0; round < 3; ++round) {  // the second round's threads take over the first one's stripes
    std::vector<std::jthread> threads;
    for (int t = 0; t < 50; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) counters.add(1, 2);
      });
    }
  }
  EXPECT_EQ(counters.sum(0), 0u);
  EXPECT_EQ(counters.sum(1), 3u * 50 * 1000 * 2);
}

TEST(StripedCounters, AResetCountsFromZeroWhileOthersAdd) {
  StripedCounters<1> counters;
  counters.add(0, 5);
  std::latch added(1), reset(1);
  std::jthread other([&] {
    counters.add(0, 7);
    added.count_down();
    reset.wait();
    counters.add(0, 3);
  });
  added.wait();
  EXPECT_EQ(counters.sum(0), 12u);
  counters.reset();
  EXPECT_EQ(counters.sum(0), 0u);
  reset.count_down();
  other.join();
  EXPECT_EQ(counters.sum(0), 3u);
}

TEST(StripedCounters, ThreadsThatRunTogetherHaveTheirOwnStripes) {
  constexpr std::size_t kOwned = 8;
  std::mutex mutex;
  std::multiset<std::size_t> stripes;
  std::latch all(kOwned);
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < kOwned; ++t) {
      threads.emplace_back([&] {
        {
          const std::lock_guard lock(mutex);
          stripes.insert(this_thread_stripe());
        }
        all.arrive_and_wait();
      });
    }
  }
  for (const std::size_t stripe : stripes) {
    EXPECT_GE(stripe, kSharedStripes);
    EXPECT_EQ(stripes.count(stripe), 1u);
  }
}

}  // namespace
}  // namespace forebay
