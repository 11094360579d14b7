#pragma once

#include <memory>

#include "memory/eviction/policy.h"

namespace forebay::memory {

// Does what would hit most: shadow caches run lru, s3-fifo, w-tinylfu and lfu on the shard's keys
// (eviction/shadow.h), and a judge that heeds what a change costs picks the one to follow
// (eviction/shadow_judge.h). It begins with s3-fifo.
//
// A small cache whose limit counts entries is shadowed in full. Then it has no order of its own: what leaves
// is what the chosen shadow doesn't have, the least wanted by the others first, so that following another
// from now on moves nothing, and every candidate has all of its memory when its turn comes (R. Subramanian,
// Y. Smaragdakis, G. Loh: "Adaptive Caches: Effective Shaping of Cache Behavior to Workloads", MICRO 2006).
//
// Any other is sampled, and the entries are in the hands of a policy of the chosen kind. A change of choice
// hands them over in the order in which they would have left, in O(n) of the shard; it waits until n requests
// have passed since the last.
//
// Sampled, a request costs its key's hash, and the shadows take about a 64th of what is tracked, at most some
// thousand keys a shard. In full a request costs a step of all four, and a key about 200 bytes.
std::unique_ptr<EvictionPolicy> make_auto(const EntryFacts& facts, const PolicyOptions& options);

}  // namespace forebay::memory
