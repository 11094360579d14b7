#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "forebay/entry.h"

namespace forebay::memory {

// Remembers why keys left, in fixed memory: sets of four 32-bit words, newest first, each a 30-bit
// fingerprint of the key's hash and the cause. A new departure pushes the oldest of its set out. A key that
// never left is taken for one that did with a chance of 4 in 2^30. Not thread-safe: the shard's lock guards
// it.
class DepartureLog {
 public:
  // `departures` is rounded up to a power of two, at least one set.
  explicit DepartureLog(std::size_t departures) {
    std::size_t sets = 1;
    while (sets * kWays < departures) sets *= 2;
    sets_.resize(sets);
  }

  void record(std::uint64_t hash, Departure why) {
    Set& set = set_of(hash);
    const std::uint32_t print = fingerprint(hash);
    std::size_t at = 0;
    while (at < kWays - 1 && (set[at] >> 2) != print) ++at;
    for (; at > 0; --at) set[at] = set[at - 1];
    set[0] = (print << 2) | (static_cast<std::uint32_t>(why) + 1);  // 0 in the lower bits: an empty word
  }

  std::optional<Departure> find(std::uint64_t hash) const {
    for (const std::uint32_t word : set_of(hash)) {
      if ((word & 3) != 0 && (word >> 2) == fingerprint(hash)) return static_cast<Departure>((word & 3) - 1);
    }
    return std::nullopt;
  }

  void forget_all() { sets_.assign(sets_.size(), Set{}); }
  std::size_t bytes() const { return sets_.size() * sizeof(Set); }

 private:
  static constexpr std::size_t kWays = 4;
  using Set = std::array<std::uint32_t, kWays>;

  // Set and fingerprint come from different bits, else the fingerprint would say less than its width.
  static std::uint32_t fingerprint(std::uint64_t hash) {
    return static_cast<std::uint32_t>(hash >> 24) & 0x3fffffffu;
  }
  Set& set_of(std::uint64_t hash) { return sets_[hash & (sets_.size() - 1)]; }
  const Set& set_of(std::uint64_t hash) const { return sets_[hash & (sets_.size() - 1)]; }

  std::vector<Set> sets_;
};

}  // namespace forebay::memory
