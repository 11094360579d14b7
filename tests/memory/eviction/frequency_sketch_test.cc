#include "memory/eviction/frequency_sketch.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace forebay::memory {
namespace {

std::uint64_t hash(std::uint64_t key) {
  key = (key ^ (key >> 30)) * 0xbf58'476d'1ce4'e5b9 + 0x9e37'79b9'7f4a'7c15;
  key = (key ^ (key >> 27)) * 0x94d0'49bb'1331'11eb;
  return key ^ (key >> 31);
}

TEST(FrequencySketch, NeverUnderestimatesWithinASample) {
  FrequencySketch sketch;
  for (std::uint64_t key = 0; key < 500; ++key) {
    for (std::uint64_t use = 0; use <= key % 10; ++use) sketch.add(hash(key), 1000);
  }
  std::size_t exact = 0;
  for (std::uint64_t key = 0; key < 500; ++key) {
    EXPECT_GE(sketch.estimate(hash(key)), key % 10 + 1);
    exact += sketch.estimate(hash(key)) == key % 10 + 1 ? 1u : 0u;
  }
  EXPECT_GE(exact, 450u);
}

TEST(FrequencySketch, CountsToFifteen) {
  FrequencySketch sketch;
  EXPECT_EQ(sketch.estimate(hash(1)), 0u);
  for (int i = 0; i < 100; ++i) sketch.add(hash(1), 1000);
  EXPECT_EQ(sketch.estimate(hash(1)), FrequencySketch::kMost);
}

TEST(FrequencySketch, OldPopularityFades) {
  FrequencySketch sketch;
  for (int i = 0; i < 15; ++i) sketch.add(hash(1), 100);
  for (std::uint64_t i = 0; i < 4000; ++i) sketch.add(hash(1000 + i), 100);
  EXPECT_LE(sketch.estimate(hash(1)), 3u);  // what is left is collisions
}

TEST(FrequencySketch, EstimatesSurviveGrowth) {
  FrequencySketch sketch;
  for (std::uint64_t key = 0; key < 10; ++key) {
    for (std::uint64_t use = 0; use <= key; ++use) sketch.add(hash(key), 10);
  }
  const std::size_t before = sketch.bytes();
  sketch.add(hash(99), 10'000);
  EXPECT_GT(sketch.bytes(), 100 * before);
  for (std::uint64_t key = 0; key < 10; ++key) EXPECT_GE(sketch.estimate(hash(key)), key + 1);
  EXPECT_LE(sketch.bytes(), 10'000u * 11);
}

}  // namespace
}  // namespace forebay::memory
