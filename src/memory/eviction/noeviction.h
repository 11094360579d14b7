#pragma once

#include <memory>

#include "memory/eviction/policy.h"

namespace forebay::memory {

// Nothing leaves: a write that finds no room is refused with PutOutcome::kFull, and reads go on.
std::unique_ptr<EvictionPolicy> make_noeviction(const EntryFacts& facts, const PolicyOptions& options);

}  // namespace forebay::memory
