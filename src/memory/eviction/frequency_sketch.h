#pragma once

// How often keys were asked for lately, about: a count-min sketch of 4-bit counters that are halved once the
// sample is full, so that old popularity fades.
//
// A key's four counters lie in one cache line, chosen by its hash; adding raises only the lowest of them
// (conservative update), and the estimate is their minimum: never less than the true count since the last
// halvings, up to 15, and more only by collisions. The sketch grows by doubling, where each line is copied to
// the two that take its place, so that estimates survive. O(1) amortised; no locks.
//
// G. Einziger, R. Friedman, B. Manes: "TinyLFU: A Highly Efficient Cache Admission Policy", ACM Transactions
// on Storage 13(4), 2017. Count-min: G. Cormode, S. Muthukrishnan, Journal of Algorithms 55(1), 2005.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace forebay::memory {

class FrequencySketch {
 public:
  static constexpr unsigned kMost = 15;

  // Counts one use of a key, by its hash, where about `tracked` keys are of interest.
  void add(std::uint64_t hash, std::size_t tracked);
  // The estimate, 0 to kMost.
  unsigned estimate(std::uint64_t hash) const;
  std::size_t bytes() const { return lines_.capacity() * sizeof(Line); }

 private:
  // 128 counters. A key's i-th counter is one of the 32 in words 2i and 2i + 1.
  struct alignas(64) Line {
    std::array<std::uint64_t, 8> words{};
  };
  struct Place {
    std::size_t word;
    unsigned shift;
  };
  static Place place(std::uint64_t hash, unsigned row);
  const Line& line(std::uint64_t hash) const;
  void grow(std::size_t tracked);
  void halve();

  std::vector<Line> lines_;
  std::size_t added_ = 0;  // of the present sample, what was halved counted half
};

}  // namespace forebay::memory
