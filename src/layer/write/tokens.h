#pragma once

// The tokens that writes answer with, for reads at Level::kReadYourWrites.

#include <atomic>
#include <cstdint>

#include "base/random.h"

namespace forebay::layer {

// Thread-safe.
class WriteTokens {
 public:
  explicit WriteTokens(Random& random) : boot_(random.next() << 40) {}

  std::uint64_t next() { return boot_ | (sequence_.fetch_add(1, std::memory_order_relaxed) + 1); }
  // Whether a token is from this process: then every later read here includes its write. Others prove nothing
  // here.
  bool knows(std::uint64_t token) const { return token == 0 || (token & kBootMask) == boot_; }

 private:
  static constexpr std::uint64_t kBootMask = ~((std::uint64_t{1} << 40) - 1);

  const std::uint64_t boot_;  // random upper bits that tell this process's tokens from others'
  // Relaxed: tokens only have to differ.
  std::atomic<std::uint64_t> sequence_{0};
};

}  // namespace forebay::layer
