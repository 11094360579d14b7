#include "forebay/clock.h"

#include <atomic>
#include <cstdlib>

namespace forebay {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

std::int64_t mono_ms(Instant at) {
  return duration_cast<milliseconds>(at.time_since_epoch()).count();
}

class SystemClock final : public Clock {
 public:
  Instant now() const override { return std::chrono::steady_clock::now(); }

  std::int64_t to_wall_ms(Instant at) const override { return mono_ms(at) + offset_ms(); }

  Instant from_wall_ms(std::int64_t unix_ms) const override {
    constexpr std::int64_t limit = INT64_MAX / 1'000'000 - 1;
    std::int64_t mono = 0;
    if (__builtin_sub_overflow(unix_ms, offset_ms(), &mono)) return unix_ms < 0 ? Instant::min() : kNever;
    if (mono > limit) return kNever;
    if (mono < -limit) return Instant::min();
    return Instant(milliseconds(mono));
  }

 private:
  // Re-measured only when it is off by more than a second: a clock that is being slewed must not make a
  // deadline that was set in wall time read back differently.
  std::int64_t offset_ms() const {
    const auto wall =
        duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    const std::int64_t measured = wall - mono_ms(std::chrono::steady_clock::now());
    std::int64_t kept =
        offset_ms_.load(std::memory_order_relaxed);  // a lone number, nothing is published with it
    if (std::llabs(measured - kept) > 1000) {
      offset_ms_.store(measured, std::memory_order_relaxed);
      kept = measured;
    }
    return kept;
  }

  mutable std::atomic<std::int64_t> offset_ms_{INT64_MIN / 4};
};

}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

}  // namespace forebay
