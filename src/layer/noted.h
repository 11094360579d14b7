#pragma once

// Tells the miss-ratio curves what becomes of keys in the memory tier.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "forebay/entry.h"
#include "layer/space.h"
#include "observe/miss_ratio_curve.h"

namespace forebay::layer {

// Bytes of a value as the memory tier counts it.
inline std::uint64_t value_bytes(const Value& value) {
  return value.is_object() ? value.charge() : value.view().size();
}

// The same of what a kReplace stores.
inline std::uint64_t value_bytes(const Change& change) {
  return change.shared ? value_bytes(*change.shared) : change.bytes.size();
}

// What an entry takes of the memory tier's limit, with its share of the table: exact to a few percent, but
// for what holds an object smaller than 4 KiB.
std::uint64_t entry_bytes(std::size_t key_bytes, std::uint64_t value_bytes, const Stamp& stamp);

// The outcome of a write to the tier: stored with this value and stamp, or gone. Cheap where the key isn't
// sampled.
void note_write(observe::MissRatioCurves& curves, const Space& space, std::string_view key,
                std::uint64_t hash, std::uint64_t bytes, const Stamp& stamp, PutOutcome outcome);

}  // namespace forebay::layer
