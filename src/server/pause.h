#pragma once

// CLIENT PAUSE: until when clients' commands wait, and which. Thread-safe; relaxed: commands that come at the same
// time may come before or after it.

#include <atomic>

#include "forebay/clock.h"

namespace forebay::server {

class Pause {
 public:
  enum class Of : unsigned char { kNothing, kWrites, kAll };

  // A longer one, or one of more, is not made less.
  void begin(Of what, Instant until) {
    if (over_.load(std::memory_order_relaxed)) return;
    if (what > of_.load(std::memory_order_relaxed) || until_.load(std::memory_order_relaxed) == Instant{})
      of_.store(what, std::memory_order_relaxed);
    if (until > until_.load(std::memory_order_relaxed)) until_.store(until, std::memory_order_relaxed);
  }
  void end() {
    of_.store(Of::kNothing, std::memory_order_relaxed);
    until_.store(Instant{}, std::memory_order_relaxed);
  }
  // The server ends: whoever is held back is answered, and nobody is any more.
  void end_for_good() {
    over_.store(true, std::memory_order_relaxed);
    end();
  }
  // What waits now. One that is over is forgotten.
  Of of(Instant now) {
    const Of what = of_.load(std::memory_order_relaxed);
    if (what == Of::kNothing) [[likely]]
      return what;
    if (now < until_.load(std::memory_order_relaxed)) return what;
    end();
    return Of::kNothing;
  }

 private:
  std::atomic<Of> of_{Of::kNothing};
  std::atomic<Instant> until_{Instant{}};
  std::atomic<bool> over_{false};
};

}  // namespace forebay::server
