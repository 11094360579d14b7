#include "memory/eviction/ghosts.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace forebay::memory {
namespace {

std::uint64_t hash(std::uint64_t key) {
  key = (key ^ (key >> 30)) * 0xbf58'476d'1ce4'e5b9 + 0x9e37'79b9'7f4a'7c15;
  key = (key ^ (key >> 27)) * 0x94d0'49bb'1331'11eb;
  return key ^ (key >> 31);
}

TEST(Ghosts, RemembersTheLastOnesAndForgetsOlderOnes) {
  for (const std::size_t capacity : {1u, 10u, 1000u, 20'000u}) {
    Ghosts ghosts;
    for (std::uint64_t i = 0; i < 5 * capacity; ++i) ghosts.insert(hash(i), capacity);
    std::size_t last = 0;
    std::size_t older = 0;
    for (std::uint64_t i = 4 * capacity; i < 5 * capacity; ++i) last += ghosts.take(hash(i)) ? 1u : 0u;
    for (std::uint64_t i = 0; i < 4 * capacity; ++i) older += ghosts.take(hash(i)) ? 1u : 0u;
    EXPECT_GE(last, capacity - capacity / 20) << capacity;  // some of the oldest in crowded buckets are gone
    EXPECT_LE(older, capacity / 20) << capacity;            // in place of those
  }
}

TEST(Ghosts, WhoIsTakenMakesRoomForOlderOnes) {
  Ghosts ghosts;
  for (std::uint64_t i = 0; i < 1000; ++i) ghosts.insert(hash(i), 1000);
  for (std::uint64_t i = 500; i < 1000; ++i) ghosts.take(hash(i));
  for (std::uint64_t i = 1000; i < 1500; ++i) ghosts.insert(hash(i), 1000);
  std::size_t first = 0;
  for (std::uint64_t i = 0; i < 500; ++i) first += ghosts.take(hash(i)) ? 1u : 0u;
  EXPECT_GE(first, 475u);
}

TEST(Ghosts, IsTakenOnlyOnce) {
  Ghosts ghosts;
  EXPECT_FALSE(ghosts.take(hash(1)));
  ghosts.insert(hash(1), 100);
  EXPECT_TRUE(ghosts.take(hash(1)));
  EXPECT_FALSE(ghosts.take(hash(1)));
}

// Slots whose time has come round again must not count as young. Most keys are taken, so that the others grow
// as old as they can.
TEST(Ghosts, WhatWasForgottenStaysForgottenHoweverLongItLies) {
  constexpr std::uint64_t kKeys = 50'000;
  Ghosts ghosts;
  for (std::uint64_t i = 0; i < kKeys; ++i) {
    ghosts.insert(hash(i), 64);
    if (i % 10 != 0) ghosts.take(hash(i));
  }
  std::size_t remembered = 0;
  for (std::uint64_t i = 0; i < kKeys; ++i) remembered += ghosts.take(hash(i)) ? 1u : 0u;
  EXPECT_LE(remembered, 64u);
  EXPECT_GE(remembered, 55u);
}

TEST(Ghosts, TakesAboutSixBytesAKey) {
  Ghosts ghosts;
  for (std::uint64_t i = 0; i < 200'000; ++i) ghosts.insert(i << 32, 100'000);
  EXPECT_GE(ghosts.bytes(), 400'000u);
  EXPECT_LE(ghosts.bytes(), 650'000u);
}

}  // namespace
}  // namespace forebay::memory
