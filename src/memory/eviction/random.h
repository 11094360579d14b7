#pragma once

#include <memory>

#include "memory/eviction/policy.h"

namespace forebay::memory {

// Any entry leaves, each with the same probability, by a generator seeded with the option. Hits cost nothing;
// 8 bytes an entry. For streams in which use says nothing about further use, and for comparison.
std::unique_ptr<EvictionPolicy> make_random(const EntryFacts& facts, const PolicyOptions& options);

}  // namespace forebay::memory
