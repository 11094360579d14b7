#pragma once

#include <chrono>
#include <cstdint>

namespace forebay {

// A point on this process's monotonic clock. All freshness and expiry is kept in it, so that a wall clock
// that jumps neither expires nor revives anything. Only text a client sees (EXPIREAT, EXPIRETIME) is in wall
// time.
using Instant = std::chrono::steady_clock::time_point;
using Duration = std::chrono::nanoseconds;
inline constexpr Instant kNever = Instant::max();

// Where time comes from. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
  // Milliseconds since the Unix epoch that correspond to `at`, and back. The two stay exact inverses of each
  // other until the wall clock is stepped by more than a second, so that EXPIRETIME returns what EXPIREAT was
  // given.
  virtual std::int64_t to_wall_ms(Instant at) const = 0;
  virtual Instant from_wall_ms(std::int64_t unix_ms) const = 0;  // saturates instead of overflowing
};

// The machine's clocks.
Clock& system_clock();

// a + b, kNever if that would overflow.
constexpr Instant saturating_add(Instant a, Duration b) {
  const auto base = a.time_since_epoch();
  if (b > Duration::zero() && base > Instant::duration::max() - b) return kNever;
  return a + b;
}

}  // namespace forebay
