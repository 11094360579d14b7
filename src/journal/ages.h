#pragma once

// How old what a journal's file holds is, on this process's clock.

#include <algorithm>
#include <cstdint>

#include "forebay/clock.h"

namespace forebay::journal {

// For ops one after another, whose times are often the same. One thread at a time.
class Ages {
 public:
  // Borrowed.
  explicit Ages(const Clock& clock) : clock_(clock), now_(clock.now()) {}

  // When an op with this Op::wall_ms was appended. Now, where that is not known or has yet to come, as after
  // a wall clock was set back: an age is never below 0.
  Instant since(std::int64_t wall_ms) {
    if (wall_ms != wall_ms_) {
      wall_ms_ = wall_ms;
      since_ = wall_ms <= 0 ? now_ : std::min(now_, clock_.from_wall_ms(wall_ms));
    }
    return since_;
  }

 private:
  const Clock& clock_;
  const Instant now_;
  std::int64_t wall_ms_ = 0;
  Instant since_ = now_;
};

}  // namespace forebay::journal
