#include "feed/postgres/snapshot.h"

#include <gtest/gtest.h>

namespace forebay::feed::postgres {
namespace {

TEST(Snapshot, ShowsWhatHadEndedWhenItWasTaken) {
  const auto snapshot = parse_snapshot("10:20:12,15");
  ASSERT_TRUE(snapshot);
  for (const std::uint64_t ended : {9u, 10u, 11u, 13u, 19u}) EXPECT_TRUE(snapshot->shows(ended)) << ended;
  for (const std::uint64_t other : {12u, 15u, 20u, 21u}) EXPECT_FALSE(snapshot->shows(other)) << other;
}

TEST(Snapshot, IsReadOnlyFromItsOwnText) {
  EXPECT_TRUE(parse_snapshot("1:1:"));
  for (const char* text : {"", "1", "1:", "1:2", "a:b:", "1:2:x", "1:2:3;4", "1:2:3,"})
    EXPECT_FALSE(parse_snapshot(text)) << text;
}

// The log has the lower 32 bits of a number: it belongs where it is nearest, also across the border of an epoch.
TEST(Snapshot, ANumberIsWidenedToTheNearestOne) {
  constexpr std::uint64_t kEpoch = std::uint64_t{1} << 32;
  EXPECT_EQ(widened(1000, 1005), 1000u);
  EXPECT_EQ(widened(1010, 1005), 1010u) << "one that waits for its commit may be above";
  EXPECT_EQ(widened(1000, 7 * kEpoch + 1005), 7 * kEpoch + 1000);
  EXPECT_EQ(widened(0xfffffff0U, 7 * kEpoch + 5), 7 * kEpoch - 16) << "of the epoch before";
  EXPECT_EQ(widened(5, 8 * kEpoch - 16), 8 * kEpoch + 5) << "of the epoch to come";
}

}  // namespace
}  // namespace forebay::feed::postgres
