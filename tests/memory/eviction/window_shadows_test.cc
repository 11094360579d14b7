#include "memory/eviction/window_shadows.h"

#include <gtest/gtest.h>

#include <random>

namespace forebay::memory {
namespace {

constexpr std::size_t kEntries = 200;

class Windows : public ::testing::Test {
 protected:
  void use(std::uint64_t key, std::size_t weight = 1, std::size_t total = kEntries) {
    const std::uint64_t hash = std::mt19937_64(key)();
    sketch.add(hash, kEntries);
    shadows.use(hash, weight, kEntries, total, sketch);
  }
  // Every key comes twice, some hundred requests apart, and never again: only recency is of use.
  void come_back_once(std::size_t uses) {
    for (std::size_t i = 0; i < uses / 2; ++i) {
      use(next);
      if (next >= 60) use(next - 60);
      ++next;
    }
  }
  // Twice as many as fit, round and round: recency is of no use.
  void loop(std::size_t uses) {
    for (std::size_t i = 0; i < uses; ++i) use(i % (2 * kEntries));
  }

  WindowShadows shadows;
  FrequencySketch sketch;
  std::uint64_t next = 1'000'000;
};

TEST_F(Windows, AreLargeWhereRecencyRulesAndSmallInALoop) {
  come_back_once(20'000);
  EXPECT_GE(shadows.best(), 0.8);
  loop(40'000);
  EXPECT_LE(shadows.best(), 0.2);
}

TEST_F(Windows, ALongTimeOfOneKindDoesNotHoldUpTheNext) {
  come_back_once(200'000);
  ASSERT_GE(shadows.best(), 0.8);
  loop(30 * kEntries);
  EXPECT_LE(shadows.best(), 0.2);
}

// Taken for as light as they came, all keys of the loop would fit, and no window would be better than
// another.
TEST_F(Windows, KnowAKeyByTheWeightOfItsLastUse) {
  constexpr std::size_t kHeavy = 1000;
  come_back_once(20'000);
  ASSERT_GE(shadows.best(), 0.8);
  for (std::size_t i = 0; i < 2 * kEntries; ++i) use(i, 1, kHeavy * kEntries);
  for (std::size_t round = 0; round < 100; ++round) {
    use(++next, kHeavy, kHeavy * kEntries);  // a newcomer, for whom others have to leave
    for (std::size_t i = 0; i < 2 * kEntries; ++i) use(i, kHeavy, kHeavy * kEntries);
  }
  EXPECT_LE(shadows.best(), 0.2);
}

TEST_F(Windows, TakeNoMoreThanTheySay) {
  come_back_once(20'000);
  loop(20'000);
  EXPECT_LE(shadows.bytes(), 42'000U);
}

}  // namespace
}  // namespace forebay::memory
