#include "memory/eviction/shadow_judge.h"

#include <gtest/gtest.h>

#include <random>

namespace forebay::memory {
namespace {

constexpr double kWindow = 1000;
constexpr ShadowJudge::Missing kNone{};

TEST(ShadowJudge, MovesToTheOneThatHitsMore) {
  ShadowJudge judge(1);
  std::mt19937 random(1);
  int taken = 0;
  while (judge.choice() != 3 && ++taken < 5000) {
    const bool lucky = random() % 10 == 0;
    judge.request(lucky ? 0b1000 : random() % 2 == 0 ? kAllShadows : 0, kNone, kWindow, 0);
  }
  EXPECT_EQ(judge.choice(), 3u);
  EXPECT_LT(taken, 200);
}

TEST(ShadowJudge, FollowsAReversalWithinSomeWindows) {
  ShadowJudge judge(0);
  for (int i = 0; i < 100'000; ++i) judge.request(i % 10 == 0 ? 0b0001 : 0, kNone, kWindow, 0);
  ASSERT_EQ(judge.choice(), 0u);
  int taken = 0;
  for (; judge.choice() == 0 && taken < 10'000; ++taken)
    judge.request(taken % 10 == 0 ? 0b0010 : 0, kNone, kWindow, 0);
  EXPECT_EQ(judge.choice(), 1u);
  EXPECT_LT(taken, 2 * kWindow);
}

TEST(ShadowJudge, HasNoReasonToMoveWhereAllAgree) {
  ShadowJudge judge(2);
  for (int i = 0; i < 10'000; ++i)
    EXPECT_FALSE(judge.request(i % 3 == 0 ? 0 : kAllShadows, kNone, kWindow, 0));
  EXPECT_EQ(judge.choice(), 2u);
}

TEST(ShadowJudge, RarelyMovesBetweenEquallyGoodOnes) {
  ShadowJudge judge(0);
  std::mt19937 random(1);
  constexpr int kWindows = 200;
  for (int i = 0; i < kWindows * kWindow; ++i) judge.request(random() & kAllShadows, kNone, kWindow, 0);
  EXPECT_LT(judge.changes(), 3 * kWindows / 2);

  ShadowJudge always(0);  // what leads at the moment: what the hysteresis is there to prevent
  std::array<double, kShadows> hits{};
  std::size_t leader = 0;
  int changes = 0;
  random.seed(1);
  for (int i = 0; i < kWindows * kWindow; ++i) {
    const auto set = random() & kAllShadows;
    for (std::size_t j = 0; j < kShadows; ++j) hits[j] = hits[j] * (1 - 1 / kWindow) + (set >> j & 1);
    for (std::size_t j = 0; j < kShadows; ++j) {
      if (hits[j] <= hits[leader]) continue;
      leader = j;
      ++changes;
    }
  }
  EXPECT_GT(changes, 10 * static_cast<int>(judge.changes()));
}

TEST(ShadowJudge, ABurstHasToBringWhatTheMoveCosts) {
  const ShadowJudge::Missing missing{0, 900, 0, 0};
  for (const int burst : {500, 700}) {
    ShadowJudge judge(0);
    for (int i = 0; i < 20'000; ++i) judge.request(i % 2 == 0 ? kAllShadows : 0, missing, kWindow, 0);
    for (int i = 0; i < burst; ++i) judge.request(0b0010, missing, kWindow, 0);
    EXPECT_EQ(judge.choice(), burst == 500 ? 0u : 1u) << "two thirds of 900 is between";
    for (int i = 0; i < 20'000; ++i) judge.request(i % 2 == 0 ? kAllShadows : 0, missing, kWindow, 0);
    EXPECT_EQ(judge.choice(), burst == 500 ? 0u : 1u);
  }
}

TEST(ShadowJudge, ASteadyLeadNeedNot) {
  const ShadowJudge::Missing missing{0, 1'000'000, 0, 0};
  ShadowJudge judge(0);
  int i = 0;
  for (; judge.choice() == 0 && i < 100'000; ++i)
    judge.request(i % 20 == 0 ? 0b0010 : 0, missing, kWindow, 0);
  EXPECT_EQ(judge.choice(), 1u);
  EXPECT_LT(i, 5 * kWindow);
}

TEST(ShadowJudge, RestsAfterAChange) {
  ShadowJudge judge(0);
  int i = 0;
  while (judge.choice() == 0 && i < 10'000) judge.request(i++ % 2 == 0 ? 0b0010 : 0, kNone, kWindow, 5000);
  for (int rest = 0; rest < 4990; ++rest) ASSERT_FALSE(judge.request(0b0100, kNone, kWindow, 5000));
  i = 0;
  while (judge.choice() == 1 && i < 100) judge.request(++i > 0 ? 0b0100 : 0, kNone, kWindow, 5000);
  EXPECT_EQ(judge.choice(), 2u);
}

TEST(ShadowJudge, GoesOnBeyondTheRangeOfItsSums) {
  ShadowJudge judge(0);
  for (int i = 0; i < 100'000; ++i) judge.request(0b0010, kNone, 10, 0);
  EXPECT_EQ(judge.choice(), 1u);
  for (int i = 0; i < 1000; ++i) judge.request(0b0001, kNone, 10, 0);
  EXPECT_EQ(judge.choice(), 0u);
}

}  // namespace
}  // namespace forebay::memory
