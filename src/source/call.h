#pragma once

// One call of a Source or Dataset, on its way to a server.

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "forebay/dataset.h"

namespace forebay::source {

using Clock = std::chrono::steady_clock;

// How long after its deadline a call may still wait for the server's own word.
inline constexpr std::chrono::milliseconds kGrace{100};

// With the moment by which it must be over.
struct Call {
  explicit Call(const CallContext& context)
      : timeout(context.timeout), deadline(Clock::now() + context.timeout), cancel(context.cancel) {}

  bool cancelled() const { return cancel != nullptr && cancel->cancelled(); }

  std::chrono::milliseconds timeout;
  Clock::time_point deadline;
  CancelToken* cancel;
};

// For poll(): not negative.
inline int milliseconds_until(Clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1'000'000'000));
}

}  // namespace forebay::source
