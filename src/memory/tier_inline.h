#pragma once

// Tier::find_small(): the quick part of a lookup, for who looks up so often that it should be one piece of
// code with what is around it. Includes all of the tier.

#include "memory/shards.h"
#include "memory/tier.h"

namespace forebay::memory {

struct Tier::Impl {
  Impl(const TierOptions& options, const PolicyRow& policy, Instant start) : shards(options, policy, start) {}
  Shards shards;
};

template <class Visit>
inline Tier::SmallAnswer Tier::find_small(std::uint64_t hash, std::string_view key, Instant now,
                                          Visit visit) {
  switch (impl_->shards.find_small(
      hash, key, now, [&](const Shard::SmallHit& hit) __attribute__((always_inline)) { visit(hit.value); },
      Touch::kYes)) {
    case Shard::Answer::kHit:
      return SmallAnswer::kHit;
    case Shard::Answer::kMiss:
      return SmallAnswer::kMiss;
    case Shard::Answer::kNeedsLock:
      break;
  }
  return SmallAnswer::kUndecided;
}

}  // namespace forebay::memory
