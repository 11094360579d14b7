#include "forebay/clock.h"

#include <gtest/gtest.h>
#include <time.h>

namespace forebay {
namespace {

Instant boot_time() {
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  return Instant(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

// CLOCK_BOOTTIME goes on while the machine sleeps, and CLOCK_MONOTONIC does not.
TEST(SystemClock, CountsSleep) {
  const Instant before = boot_time();
  const Instant now = system_clock().now();
  EXPECT_LE(before, now);
  EXPECT_LE(now, boot_time());
}

TEST(SystemClock, WallTimesComeBackExactly) {
  Clock& clock = system_clock();
  EXPECT_EQ(clock.follow_wall_clock(), Duration::zero()) << "nobody has stepped it";
  for (const std::int64_t unix_ms : {0LL, 1'700'000'000'123LL, 4'102'444'800'000LL}) {
    EXPECT_EQ(clock.to_wall_ms(clock.from_wall_ms(unix_ms)), unix_ms);
  }
  EXPECT_EQ(clock.from_wall_ms(INT64_MAX), kNever);
  EXPECT_EQ(clock.from_wall_ms(INT64_MIN), Instant::min());
}

}  // namespace
}  // namespace forebay
