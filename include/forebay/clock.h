#pragma once

#include <chrono>
#include <cstdint>

namespace forebay {

// A point on a clock that never jumps, and goes on while the machine sleeps. All freshness and expiry is kept
// in it, so that a wall clock that is stepped changes no duration. What a client gave as a time of the wall
// clock (EXPIREAT, EXAT) is kept in it, too, and moved when that clock is stepped (Clock::follow_wall_clock()).
using Instant = std::chrono::steady_clock::time_point;
using Duration = std::chrono::nanoseconds;
inline constexpr Instant kNever = Instant::max();

// Where time comes from. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
  // Milliseconds since the Unix epoch that correspond to `at`, and back. The two stay exact inverses of each
  // other until follow_wall_clock() says otherwise, so that EXPIRETIME returns what EXPIREAT was given.
  virtual std::int64_t to_wall_ms(Instant at) const = 0;
  virtual Instant from_wall_ms(std::int64_t unix_ms) const = 0;  // saturates instead of overflowing
  // Notices that the wall clock was stepped by more than a second, and returns by how much the instants of
  // given wall times are another one from now on; nearly always 0. (A clock that is slewed changes nothing.)
  // Called by the layer's upkeep, some fifty times a second.
  virtual Duration follow_wall_clock() { return {}; }
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
