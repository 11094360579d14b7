#pragma once

#include <memory>

#include "memory/eviction/policy.h"

namespace forebay::memory {

// The entry that expires first leaves first; entries without an expiry leave last, the oldest first. A heap
// by expiry: O(log n), 16 bytes an entry that expires; hits cost nothing.
std::unique_ptr<EvictionPolicy> make_ttl(const EntryFacts& facts, const PolicyOptions& options);

}  // namespace forebay::memory
