#include "layer/load/batch_size.h"

#include <gtest/gtest.h>

namespace forebay::layer {
namespace {

using namespace std::chrono_literals;

TEST(BatchSize, DoublesWhileFullBatchesAreQuick) {
  BatchSize size(16, 100, 2s);
  EXPECT_EQ(size.keys(), 16u);
  size.answered(16, 10ms);
  EXPECT_EQ(size.keys(), 32u);
  size.answered(20, 10ms);  // not full: says nothing about 32
  EXPECT_EQ(size.keys(), 32u);
  size.answered(32, 10ms);
  size.answered(64, 10ms);
  EXPECT_EQ(size.keys(), 100u);
}

TEST(BatchSize, FollowsWhatKeysCost) {
  BatchSize size(500, 500, 2s);
  size.answered(100, 2s);  // 20 ms each: 25 of them take a quarter of the timeout
  EXPECT_EQ(size.keys(), 25u);
  size.answered(25, 400ms);  // between half of the target and all of it: stays
  EXPECT_EQ(size.keys(), 25u);
  size.answered(1, 3s);
  EXPECT_EQ(size.keys(), 1u);
  size.answered(1, 20ms);
  EXPECT_EQ(size.keys(), 2u);
}

TEST(BatchSize, HalvesWhatTimedOutDownToOneKey) {
  BatchSize size(500, 500, 2s);
  std::size_t keys = 150;
  int tries = 0;
  for (; keys > 1; ++tries) {
    EXPECT_FALSE(size.timed_out(keys)) << "no batch as large was ever answered";
    keys = size.keys();
  }
  EXPECT_EQ(tries, 7);
  EXPECT_TRUE(size.timed_out(1)) << "one key is no batch that is too large";
  EXPECT_EQ(size.keys(), 1u);
}

TEST(BatchSize, ASizeThatWasAnsweredBeforeAndIsNotNowSpeaksOfTheSource) {
  BatchSize size(64, 64, 2s);
  size.answered(64, 10ms);
  EXPECT_TRUE(size.timed_out(64));
  EXPECT_TRUE(size.timed_out(32)) << "and so do its halves";
}

}  // namespace
}  // namespace forebay::layer
