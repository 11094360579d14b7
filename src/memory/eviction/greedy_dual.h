#pragma once

// What `lru` and `lfu` become where victims are weighed (PolicyOptions::weigh).
//
// Every entry has a rank: the rank of the last that left when this one was last used, plus its value; the
// lowest rank leaves. The value is what its load took, or one by its bytes, or the former by the latter;
// under lfu, times how often it was used. So what is dear stays longer in proportion to what it saves, and
// what is no longer used is caught up with however dear it is. Without values this would be lru, and lfu,
// themselves.
//
// A load counts 0.1 ms more than it took, and so does an entry that was never loaded (a client wrote it):
// about what asking anybody costs. Exact, a heap: O(log n), 16 bytes an entry.
//
// GreedyDual-Size (lru): P. Cao, S. Irani: "Cost-Aware WWW Proxy Caching Algorithms", USITS 1997.
// GreedyDual-Size-Frequency (lfu): L. Cherkasova: "Improving WWW Proxies Performance with
// Greedy-Dual-Size-Frequency Caching Policy", HP Laboratories HPL-98-69, 1998.

#include <memory>

#include "memory/eviction/admission.h"
#include "memory/eviction/policy.h"

namespace forebay::memory {

enum class Frequency : std::uint8_t { kIgnored, kCounted };

std::unique_ptr<PeekablePolicy> greedy_dual(const EntryFacts& facts, Weigh weigh, Frequency frequency);

}  // namespace forebay::memory
