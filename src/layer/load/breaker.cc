#include "layer/load/breaker.h"

#include <algorithm>

namespace forebay::layer {

void Breaker::roll(Instant now) {
  const Duration slice =
      std::max(Duration(options_.window.count() / static_cast<std::int64_t>(kSlices)), Duration(1));
  const std::int64_t number = now.time_since_epoch() / slice;
  if (newest_ < 0 || number - newest_ >= static_cast<std::int64_t>(kSlices)) {
    slices_.fill({});
  } else {
    for (auto i = newest_ + 1; i <= number; ++i) slices_[static_cast<std::size_t>(i) % kSlices] = {};
  }
  newest_ = std::max(newest_, number);
}

bool Breaker::record(bool good, Instant now) {
  if (state_ != State::kClosed) return false;
  roll(now);
  Slice& slice = slices_[static_cast<std::size_t>(newest_) % kSlices];
  ++slice.total;
  if (!good) ++slice.failed;
  Slice sum;
  for (const Slice& each : slices_) {
    sum.total += each.total;
    sum.failed += each.failed;
  }
  if (good || sum.total < options_.minimum ||
      static_cast<double>(sum.failed) < options_.ratio * static_cast<double>(sum.total)) {
    return false;
  }
  trip(now);
  return true;
}

void Breaker::trip(Instant now) {
  state_ = State::kOpen;
  pause_ = options_.open_for;
  probe_at_ = saturating_add(now, pause_);
}

void Breaker::end_probe(bool good, Instant now) {
  if (good) {
    state_ = State::kClosed;
    probe_at_ = kNever;
    slices_.fill({});
    return;
  }
  state_ = State::kOpen;
  pause_ = std::min(pause_ * 2, options_.open_max);
  probe_at_ = saturating_add(now, pause_);
}

}  // namespace forebay::layer
