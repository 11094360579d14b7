#pragma once

#include <memory>

#include "memory/eviction/policy.h"

namespace forebay::memory {

// Only entries with an expiry leave, in the order of lru, lfu, random or ttl; what has none stays until
// somebody removes it. With none left that may leave, a write that finds no room is refused
// (PutOutcome::kFull), as Redis does under the policies of these names.
std::unique_ptr<EvictionPolicy> make_volatile_lru(const EntryFacts& facts, const PolicyOptions& options);
std::unique_ptr<EvictionPolicy> make_volatile_lfu(const EntryFacts& facts, const PolicyOptions& options);
std::unique_ptr<EvictionPolicy> make_volatile_random(const EntryFacts& facts, const PolicyOptions& options);
std::unique_ptr<EvictionPolicy> make_volatile_ttl(const EntryFacts& facts, const PolicyOptions& options);

unsigned volatile_lfu_frequency(std::uint8_t bits);  // PolicyRow::frequency

}  // namespace forebay::memory
