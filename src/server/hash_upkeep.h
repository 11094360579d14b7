#pragma once

// Drops fields of hashes whose time has come (HEXPIRE) and by which no command comes.
//
// Nothing is kept of which hashes have such fields, so that they cost no memory but their own: it walks over all keys,
// a part each time, for as long as a walk meets any hash of the kind.

#include <atomic>
#include <cstdint>

#include "forebay/layer.h"

namespace forebay::server {

class HashUpkeep {
 public:
  // Keys that one call looks at, about, and fields that it drops, at most, of each hash.
  static constexpr std::size_t kKeys = 1'000;
  static constexpr std::size_t kFields = 1'000;

  // A hash has got a field that ends. Any thread.
  void expect() { expected_.fetch_add(1, std::memory_order_relaxed); }
  // One part of the walk. One thread at a time, which holds no lock of the layer.
  void run(Layer& layer, Instant now);

 private:
  std::atomic<std::uint64_t> expected_{0};  // how often; relaxed: whoever is missed is met by the next walk
  std::uint64_t known_ = 0;                 // of expected_, when the walk began
  std::uint64_t cursor_ = 0;
  bool walks_ = false;
  bool met_ = false;  // a hash with such fields, on this walk
};

}  // namespace forebay::server
