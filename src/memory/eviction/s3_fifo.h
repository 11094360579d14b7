#pragma once

#include <memory>

#include "memory/eviction/policy.h"

namespace forebay::memory {

// S3-FIFO: newcomers wait in a small queue, a tenth of what is tracked by weight. Those that were hit twice
// there by the time they reach its end go to the main queue, the others leave, and are remembered by hash:
// who comes back while remembered goes straight to the main queue. There, what was hit since its last turn
// gets another. Nothing moves on a hit.
//
// Remembered are as many keys as 9 in 10 of the entries tracked (bytes() has what that takes, 6 to 7 bytes an
// entry).
//
// J. Yang, Y. Zhang, Z. Qiu, Y. Yue, K. V. Rashmi: "FIFO Queues are All You Need for Cache Eviction", SOSP
// 2023; two hits to promote and counts up to 3 as in its authors' code.
std::unique_ptr<EvictionPolicy> make_s3_fifo(const EntryFacts& facts, const PolicyOptions& options);

// Whether a hit on an entry with these bits would change nothing.
bool s3_fifo_hit_is_settled(std::uint8_t bits);

}  // namespace forebay::memory
