#pragma once

// Shadow caches: what several eviction policies would keep if each had the cache to itself, run on the live
// keys. They hold hashes and weights, no values.
//
// Spatial sampling: a key takes part if its hash falls into the sampled part of the hash space, so that all
// of its requests are seen or none; the shadows' capacity is scaled by the same rate (C. Waldspurger, N.
// Park, A. Garthwaite, I. Ahmad: "Efficient MRC Construction with SHARDS", FAST 2015; "Cache Modeling and
// Optimization using Miniature Simulations", ATC 2017). The rate begins at 1 and is only ever halved.
//
// A key has one record for all shadows, with a hook for each, so a request costs one look-up and one step of
// each policy. Not thread-safe: its policy's shard is locked.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "forebay/function_ref.h"
#include "memory/arena/slabs.h"
#include "memory/eviction/policy.h"

namespace forebay::memory {

inline constexpr std::size_t kShadows = 4;
using ShadowSet = std::uint8_t;  // bit i: shadow i
inline constexpr ShadowSet kAllShadows = (1u << kShadows) - 1;

using MakePolicy = std::unique_ptr<EvictionPolicy> (*)(const EntryFacts&, const PolicyOptions&);

class ShadowCaches {
 public:
  struct Key {
    std::uint64_t hash = 0;
    EntryHook* entry = nullptr;  // for the owner's use; while set, the record stays though no shadow has it
    std::uint32_t weight = 0;
    ShadowSet in = 0;       // the shadows that have it
    std::uint8_t uses = 0;  // requests since it came, beyond the first, up to 3
  };
  // A shadow has evicted a key whose `entry` is set.
  using Left = FunctionRef<void(Key&)>;

  ShadowCaches(const std::array<MakePolicy, kShadows>& policies, const PolicyOptions& options);
  ~ShadowCaches();
  ShadowCaches(const ShadowCaches&) = delete;
  ShadowCaches& operator=(const ShadowCaches&) = delete;

  bool samples(std::uint64_t hash) const {
    return ((hash ^ seed_) * 0x9E3779B97F4A7C15u) >> 32 <= threshold_;
  }
  unsigned halvings() const { return halvings_; }  // the rate is 1 / 2^halvings
  // Of the whole cache, in units of weight; until it is called the shadows are unbounded.
  void set_capacity(std::size_t weight) { capacity_ = weight; }

  // Who had the key before the request; it is in all shadows afterwards, those that are full evicting for it.
  // Requires samples(hash). `key` is its record, null if there was no memory for one.
  struct Outcome {
    ShadowSet hits = 0;
    Key* key = nullptr;
  };
  Outcome request(std::uint64_t hash, std::size_t weight, Left left);
  Key* find(std::uint64_t hash) const;
  // The key is gone from the cache for another reason than eviction: from all shadows too. Its record goes.
  void erase(std::uint64_t hash);
  // The owner has an entry for the key, whose record it is to point at. Null: it has another already, or
  // there is no memory.
  Key* attach(std::uint64_t hash, std::size_t weight, EntryHook& entry);
  // The owner has let go of its entry.
  void detach(Key& key);
  // Shadow `which` evicts at once. False: it has nothing to evict.
  bool evict(std::size_t which, Left left);
  // Halves the rate; keys outside of the sample leave, their `entry` is disregarded.
  void halve();
  // Forgets all entries of the owner.
  void detach_all();

  // For each shadow: how many keys it has that shadow `which` hasn't.
  const std::array<std::size_t, kShadows>& missing(std::size_t which) const { return missing_[which]; }
  std::size_t records() const { return records_; }
  std::size_t entries(std::size_t which) const { return shadows_[which].entries; }
  std::size_t bytes() const;

  static const std::size_t kBytesPerRecord;

 private:
  struct Record;
  // What the policy of one shadow asks about a hook, answered from its record.
  class Facts final : public EntryFacts {
   public:
    std::size_t which = 0;
    std::uint64_t hash(const EntryHook& hook) const override;
    std::size_t weight(const EntryHook& hook) const override;
    std::uint64_t expires_ms(const EntryHook&) const override { return kNoExpiry; }
    std::chrono::microseconds load_cost(const EntryHook&) const override { return {}; }
  };
  struct Shadow {
    Facts facts;
    std::unique_ptr<EvictionPolicy> policy;
    std::size_t weight = 0;
    std::size_t entries = 0;
  };

  static Record& record_of(const EntryHook& hook, std::size_t which);
  Record** place_of(std::uint64_t hash) const;
  Record* make(std::uint64_t hash, std::size_t weight);
  void reweigh(Record& record, std::uint32_t weight);
  void take_out(Record& record);  // of all shadows
  void free(Record& record);      // and out of the table
  void grow();
  void enter(Key& key, std::size_t which);
  void leave(Key& key, std::size_t which);
  bool evict_one(std::size_t which, const Record* keep, Left left);

  Slabs slabs_;
  std::array<Shadow, kShadows> shadows_;
  mutable std::vector<Record*> buckets_;  // a power of two of them
  std::size_t records_ = 0;
  std::array<std::array<std::size_t, kShadows>, kShadows> missing_{};  // [i][j]: keys of j that i hasn't
  std::size_t capacity_ = ~std::size_t{0};
  std::uint64_t seed_;
  std::uint64_t threshold_ = 0xffff'ffff;
  unsigned halvings_ = 0;
};

}  // namespace forebay::memory
