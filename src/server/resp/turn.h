#pragma once

#include <chrono>

#include "forebay/clock.h"

namespace forebay::server {

// Ends a turn of an event loop by time, however few or many commands that is.
//
// Reading the clock after every command would cost a pipelined GET some five percent. So commands are
// weighed: the clock is read once the weights come to kLook, which one command of unknown cost does alone.
class Turn {
 public:
  static constexpr std::chrono::milliseconds kLength{1};
  static constexpr unsigned kLook = 32;

  // The loop begins a turn, or another part of it that has a time of its own.
  void begin() { until_ = kNever; }
  // What the clock says when something is served: the first such time in a turn starts it.
  void serve(Instant now) {
    if (until_ == kNever) until_ = saturating_add(now, kLength);
  }
  // True: read the clock and ask over().
  bool spend(std::size_t weight) {
    spent_ += weight;
    if (spent_ < kLook) return false;
    spent_ = 0;
    return true;
  }
  bool over(Instant now) const { return now >= until_; }

 private:
  Instant until_ = kNever;
  std::size_t spent_ = 0;
};

}  // namespace forebay::server
