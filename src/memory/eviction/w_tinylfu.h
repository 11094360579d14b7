#pragma once

#include <memory>

#include "memory/eviction/policy.h"

namespace forebay::memory {

// W-TinyLFU with an adaptive window: newcomers enter a window in LRU order. Who comes to its end contends
// with the next to leave of the main part: the one that was asked for less often lately leaves, by the
// estimate of a sketch that remembers also keys that aren't here (frequency_sketch.h). The main part is a
// segmented LRU: who is hit on probation is protected, and the protected are at most 80 % of it.
//
// How large the window is decides where this shines: nearly nothing for frequency-skewed streams, nearly all
// where recency rules. That is found by miniature simulations (window_shadows.h) rather than by climbing,
// which is slow and noisy in small caches. A window that grows does so by newcomers, one that shrinks hands
// on a few entries with each insertion: O(1) throughout. bytes(): 5 to 11 an entry, and up to 42 kB.
//
// G. Einziger, R. Friedman, B. Manes: "TinyLFU: A Highly Efficient Cache Admission Policy", ACM Transactions
// on Storage 13(4), 2017; G. Einziger, O. Eytan, R. Friedman, B. Manes: "Adaptive Software Cache Management",
// Middleware 2018.
std::unique_ptr<EvictionPolicy> make_w_tinylfu(const EntryFacts& facts, const PolicyOptions& options);

}  // namespace forebay::memory
