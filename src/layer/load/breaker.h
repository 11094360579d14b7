#pragma once

// A circuit breaker for one source (Nygard, Release It!, 2007): after too many failures calls are refused at
// once, so that a dead source is not hammered and nobody waits for it.
//
// Closed: calls pass; outcomes of the last `window` are counted in ten slices. When at least `minimum` calls
// ended and `ratio` of them failed, it opens. Open: nothing passes for `open_for`, then exactly one probe is
// due. A good probe closes it; a bad one opens it again for twice as long, up to `open_max`. Decides only;
// not thread-safe.

#include <array>
#include <chrono>
#include <cstddef>

#include "forebay/clock.h"

namespace forebay::layer {

struct BreakerOptions {
  double ratio = 0.5;
  std::size_t minimum = 20;
  Duration window = std::chrono::seconds(10);
  Duration open_for = std::chrono::seconds(1);
  Duration open_max = std::chrono::seconds(30);
};

class Breaker {
 public:
  enum class State : unsigned char { kClosed, kOpen, kHalfOpen };

  explicit Breaker(const BreakerOptions& options) : options_(options), pause_(options.open_for) {}

  State state() const { return state_; }
  bool allows() const { return state_ == State::kClosed; }
  // When open: the time at which a probe is due.
  Instant probe_at() const { return probe_at_; }
  // A probe begins. Requires state() == kOpen.
  void begin_probe() { state_ = State::kHalfOpen; }
  void end_probe(bool good, Instant now);
  // Opens it now, as if too many calls had failed.
  void trip(Instant now);
  // A call ended. True: this opened the breaker. Outcomes that arrive while it isn't closed are ignored.
  bool record(bool good, Instant now);

 private:
  static constexpr std::size_t kSlices = 10;
  struct Slice {
    std::size_t total = 0;
    std::size_t failed = 0;
  };
  void roll(Instant now);

  BreakerOptions options_;
  State state_ = State::kClosed;
  Instant probe_at_ = kNever;
  Duration pause_;
  std::array<Slice, kSlices> slices_{};
  std::int64_t newest_ = -1;  // number of the newest slice since the clock's epoch
};

}  // namespace forebay::layer
