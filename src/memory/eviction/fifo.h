#pragma once

#include <memory>

#include "memory/eviction/policy.h"

namespace forebay::memory {

// First in, first out: the entry whose key came first leaves first, however often it was used or rewritten
// since. Hits cost nothing at all.
std::unique_ptr<EvictionPolicy> make_fifo(const EntryFacts& facts, const PolicyOptions& options);

}  // namespace forebay::memory
