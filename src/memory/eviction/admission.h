#pragma once

// Who is let in (PolicyOptions::admission), for policies that don't see to that themselves.
//
// The latest newcomer waits at the door, outside the policy. When room is needed it contends with the
// policy's next victim, and the one that was asked for less often lately leaves: a key that nobody asked for
// before is gone with the next newcomer and displaces nothing. If no room is needed it is simply let in. The
// estimates are those of a sketch (frequency_sketch.h) that counts every use, of keys that aren't here too: 5
// to 11 bytes an entry.
//
// G. Einziger, R. Friedman, B. Manes: "TinyLFU: A Highly Efficient Cache Admission Policy", ACM Transactions
// on Storage 13(4), 2017.

#include <memory>

#include "memory/eviction/policy.h"

namespace forebay::memory {

// A policy that can say who would leave next.
class PeekablePolicy : public EvictionPolicy {
 public:
  // What pop_victim() would return if it were called now. It goes on being tracked.
  virtual EntryHook* next_victim() noexcept = 0;
};

// `policy`, with a door before it where the options say so.
std::unique_ptr<EvictionPolicy> with_admission(const EntryFacts& facts, const PolicyOptions& options,
                                               std::unique_ptr<PeekablePolicy> policy);

}  // namespace forebay::memory
