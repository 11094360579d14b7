#pragma once

#include <memory>

#include "memory/eviction/policy.h"

namespace forebay::memory {

// Least recently used: the entry whose last use is longest ago leaves first. Exact within a shard, one list.
// Heeds all options; weighed, it is GreedyDual-Size (greedy_dual.h).
std::unique_ptr<EvictionPolicy> make_lru(const EntryFacts& facts, const PolicyOptions& options);

}  // namespace forebay::memory
