#pragma once

#include <memory>

#include "memory/eviction/policy.h"

namespace forebay::memory {

// Least frequently used, with dynamic aging: an entry's rank is how often it was used plus the rank of the
// last that left when it was last used; the lowest rank leaves, the longest unused first among equals. So
// yesterday's favourites are caught up with, without a pass over the counters and without a clock.
//
// Counts (the entry's bits) go to 127; lists by rank: O(1), and 2 kB a shard. Heeds all options; weighed, it
// is GreedyDual-Size-Frequency (greedy_dual.h).
//
// M. Arlitt, L. Cherkasova, J. Dilley, R. Friedrich, T. Jin: "Evaluating Content Management Techniques for
// Web Proxy Caches" (LFU-DA), ACM SIGMETRICS Performance Evaluation Review 27(4), 2000.
std::unique_ptr<EvictionPolicy> make_lfu(const EntryFacts& facts, const PolicyOptions& options);

// PolicyRow::frequency. 1 for a newcomer that waits to be admitted, however often it is used meanwhile.
unsigned lfu_frequency(std::uint8_t bits);

}  // namespace forebay::memory
