#include "forebay/clock.h"

#include <time.h>

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

std::int64_t measured_offset_ms(Instant now) {
  const auto wall = duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  return wall - mono_ms(now);
}

class SystemClock final : public Clock {
 public:
  // CLOCK_MONOTONIC, which std::chrono::steady_clock reads, stands still while the machine sleeps.
  Instant now() const override {
    timespec time{};
    clock_gettime(CLOCK_BOOTTIME, &time);
    return Instant(std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec));
  }

  std::int64_t to_wall_ms(Instant at) const override { return mono_ms(at) + offset_ms(); }

  Instant from_wall_ms(std::int64_t unix_ms) const override {
    constexpr std::int64_t limit = INT64_MAX / 1'000'000 - 1;
    std::int64_t mono = 0;
    if (__builtin_sub_overflow(unix_ms, offset_ms(), &mono)) return unix_ms < 0 ? Instant::min() : kNever;
    if (mono > limit) return kNever;
    if (mono < -limit) return Instant::min();
    return Instant(milliseconds(mono));
  }

  // A clock that is being slewed must not make a deadline that was set in wall time read back differently.
  Duration follow_wall_clock() override {
    const std::int64_t measured = measured_offset_ms(now());
    const std::int64_t kept = offset_ms();
    if (std::llabs(measured - kept) <= 1000) return {};
    offset_ms_.store(measured, std::memory_order_relaxed);
    return milliseconds(kept - measured);
  }

 private:
  std::int64_t offset_ms() const { return offset_ms_.load(std::memory_order_relaxed); }

  // A lone number, nothing is published with it.
  std::atomic<std::int64_t> offset_ms_{measured_offset_ms(now())};
};

}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

}  // namespace forebay
