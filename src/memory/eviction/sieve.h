#pragma once

#include <memory>

#include "memory/eviction/policy.h"

namespace forebay::memory {

// SIEVE: a queue in which nothing moves, and a hand that walks it from old to new; it spares what was visited
// since it last came by and takes the first that wasn't. A hit sets a bit and costs nothing afterwards.
//
// Newcomers that nobody asks for again are sifted out early, while popular entries sink to the old end and
// stay. Its weak spot is a key that comes back once, soon, and then never: that one return spares it for a
// whole round.
//
// Y. Zhang, J. Yang, Y. Yue, Y. Vigfusson, K. V. Rashmi: "SIEVE is Simpler than LRU", NSDI 2024.
std::unique_ptr<EvictionPolicy> make_sieve(const EntryFacts& facts, const PolicyOptions& options);

// Whether a hit on an entry with these bits would change nothing.
bool sieve_hit_is_settled(std::uint8_t bits);

}  // namespace forebay::memory
