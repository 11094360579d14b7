#pragma once

// What the hit rate would be with another amount of memory, learned from the reads that pass by.
//
// A read hits in a least-recently-used cache of M bytes if its key and all that was used since the key's last
// use take at most M bytes. Keeping that for every key would cost as much as the cache, so it is kept for a
// sample of the keys, chosen by hash: all uses of a key are in the sample or none, and what lies between two
// uses is the sample's bytes over its rate (Waldspurger, Park, Garthwaite, Ahmad: Efficient MRC Construction
// with SHARDS, FAST 2015). The sample has a fixed size: when more keys come, the rate is halved and every
// other key goes. A sample misjudges the few keys that most reads are for, as it has them `1/rate` times too
// often or not at all; the difference between the reads that there were and those that the sample stands for
// is counted as reads of the shortest distance ("SHARDS-adj" there), which corrects that.
//
// All namespaces share one memory, so they share one order of use, and each has a curve of its own. What was
// never stored is not in the order; what was invalidated or is past its time has left it, so those misses
// stay misses at any size. What lies deeper than kDeepest times the memory is forgotten. Older reads count
// less: half after each kHalfLife.
//
// Thread-safe. For keys outside the sample nothing is to be called but sampled(), which is a load, a
// multiplication and a comparison. A read that finds another thread inside is not counted (the correction
// above takes it for one of the shortest distance, which is what collides); all other calls wait for it, some
// 100 ns, seldom up to 100 µs. Memory: some 80 bytes for each of the sample's keys and 5 KiB a namespace.

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/mutex.h"
#include "forebay/clock.h"
#include "observe/reuse_stack.h"

namespace forebay::observe {

class MissRatioCurves {
 public:
  static constexpr std::uint64_t kDeepest = 4;
  static constexpr Duration kHalfLife = std::chrono::minutes(5);

  struct Options {
    // The rate is 2^-shift to begin with, and no more than that ever: what the sample costs at most. 0: every
    // key.
    unsigned rate_shift = 4;
    std::size_t most_keys = 8192;
  };

  explicit MissRatioCurves(const Options& options) : options_(options) {}

  // The memory that there is, in bytes; 0 (the start): unbounded, so that there is nothing to learn and
  // nothing is sampled.
  void set_memory(std::uint64_t bytes);

  // Whether the calls below are for this key. `hash` is hash_bytes() of it.
  bool sampled(std::uint64_t hash) const {
    // Relaxed: a call for a key that has just left the sample is seen to be one.
    return mixed(hash) < threshold_.load(std::memory_order_relaxed);
  }

  // A read of the key, before what it leads to is stored.
  void read(std::uint64_t hash, std::uint32_t space, std::uint32_t epoch, Instant now);
  // A read that no memory could have answered, as its reader wants the source.
  void read_past_memory(std::uint64_t hash, std::uint32_t space);
  // The key has a value of this size, overhead included, that answers readers until `until`.
  void stored(std::uint64_t hash, std::uint32_t space, std::uint32_t epoch, std::uint64_t bytes,
              Instant until);
  // The key has been invalidated.
  void dropped(std::uint64_t hash);
  // Everything has. The sample begins anew, at the first rate; the curves stay.
  void clear();

  // To be called about once a minute and namespace with the reads that it has had: makes old ones count less.
  void age(std::uint32_t space, std::uint64_t reads, Instant now);
  // Forgets a namespace's curve; its reads are counted from 0 again.
  void restart(std::uint32_t space);

  // The share of the namespace's reads that a memory of this size would answer, 0 to 1; nothing while too
  // little is known (fewer than 100 sampled reads, or fewer than 32 sampled keys unless every key is
  // sampled). `reads`: all that it has had.
  std::optional<double> hit_ratio(std::uint32_t space, std::uint64_t reads, std::uint64_t bytes) const;

  // For tests and documentation: the rate now, and the keys in the sample.
  double rate() const;
  std::size_t keys() const;

 private:
  // Sixteen to an octave, from 1 KiB up: a size is at most a sixteenth away from its bucket's ends.
  static constexpr unsigned kFirstOctave = 10;
  static constexpr std::size_t kBuckets = 16 * 36;
  struct Curve {
    std::array<double, kBuckets> hits{};  // reads by distance
    double reads = 0;                     // that the sampled ones stand for
    std::uint64_t sampled = 0;            // reads, since it was aged last
    std::uint64_t known = 0;              // sampled reads and stored keys that it stands on; only rises
    std::uint64_t stored = 0;
    double carried = 0;  // of all reads: what is left of those before `counted`
    std::uint64_t counted = 0;
    Instant aged{};
  };

  static std::uint64_t mixed(std::uint64_t hash) { return hash * 0x9E3779B97F4A7C15u; }
  static std::size_t bucket_of(std::uint64_t bytes);
  static double start_of(std::size_t bucket);

  void read_locked(std::uint64_t hash, std::uint32_t space, std::uint32_t epoch, Instant now)
      REQUIRES(mutex_);
  Curve& curve_of(std::uint32_t space) REQUIRES(mutex_);
  void set_rate(unsigned shift) REQUIRES(mutex_);
  void shrink() REQUIRES(mutex_);
  double scale() const REQUIRES(mutex_) { return static_cast<double>(std::uint64_t{1} << shift_); }

  const Options options_;
  std::atomic<std::uint64_t> threshold_{0};  // written under the lock
  mutable Mutex mutex_;
  unsigned shift_ GUARDED_BY(mutex_) = 0;
  std::uint64_t memory_ GUARDED_BY(mutex_) = 0;
  ReuseStack stack_ GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Curve>> curves_ GUARDED_BY(mutex_);  // by namespace; null: never sampled
};

}  // namespace forebay::observe
