#pragma once

#include <atomic>

#include "forebay/clock.h"

namespace forebay::test {

// Time that moves only when told, for caches: their threads look at it too. Counts who asks.
class CacheClock final : public Clock {
 public:
  Instant now() const override {
    ++asked_by_this_thread();
    return now_.load();
  }
  std::int64_t to_wall_ms(Instant at) const override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count();
  }
  Instant from_wall_ms(std::int64_t unix_ms) const override {
    return Instant(std::chrono::milliseconds(unix_ms));
  }
  void advance(Duration by) { now_ = now_.load() + by; }

  static int& asked_by_this_thread() {
    thread_local int asked = 0;
    return asked;
  }

 private:
  std::atomic<Instant> now_{Instant(std::chrono::hours(1))};
};

}  // namespace forebay::test
