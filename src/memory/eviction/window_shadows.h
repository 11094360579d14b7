#pragma once

// Which share of its room W-TinyLFU should give to its window, found by trying: a few miniature copies of the
// policy, each with another share, run on the same sample of the keys (by hash, so that all uses of a sampled
// key are seen), and the one that hit most lately is right.
//
// As all of them see the same stream, chance falls on them alike, and differences show within a few thousand
// sampled uses; there is no gradient to follow and no dead end to climb into. A copy holds up to about 256
// keys: a cache that is no larger is copied whole, so that small ones adapt as fast as any. It takes at most
// 42 kB and, of a sampled use, up to a microsecond. A share is left only for one that hits 0.3 % of the uses
// more, and no lead counts for more than 5 % of them, so that past merits don't hold up a change of the
// times.
//
// C. Waldspurger, T. Saemundsson, I. Ahmad, N. Park: "Cache Modeling and Optimization using Miniature
// Simulations", USENIX ATC 2017; adapting the window at all: G. Einziger, O. Eytan, R. Friedman, B. Manes:
// "Adaptive Software Cache Management", Middleware 2018.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "memory/eviction/frequency_sketch.h"

namespace forebay::memory {

class WindowShadows {
 public:
  WindowShadows();

  // A use of a key, by its hash; `tracked` entries weigh `total`. Returns the best share.
  double use(std::uint64_t hash, std::size_t weight, std::size_t tracked, std::size_t total,
             const FrequencySketch& sketch);
  double best() const { return shadows_[best_].share; }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Key {
    std::uint64_t hash;
    std::uint32_t weight;
  };
  struct Queue {  // the newest at the back
    std::vector<std::uint64_t> hashes;
    std::vector<std::uint32_t> weights;  // of each
    std::size_t weight = 0;
    bool empty() const { return hashes.empty(); }
    std::size_t size() const { return hashes.size(); }
    void push(Key key);
    Key take(std::size_t at);
  };
  struct Shadow {
    double share = 0;
    double hits = 0;  // lately
    Queue window, probation, guarded;
    bool hit(Key key, std::size_t capacity);
    void insert(Key key, std::size_t capacity, const FrequencySketch& sketch);
    bool evict(std::size_t capacity, const FrequencySketch& sketch);
  };

  bool sampled(std::uint64_t hash) const;
  void thin_out();

  std::array<Shadow, 6> shadows_;
  std::size_t best_ = 0;
  unsigned shift_ = 0;  // one key in 2 to this is sampled
  double uses_ = 0;     // sampled, lately
  std::size_t bytes_ = 0;
};

}  // namespace forebay::memory
