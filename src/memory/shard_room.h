#pragma once

// How far a shard's table grows or shrinks and how many entries are moved with one write; for the shard's own
// files.

#include <cstddef>

#include "memory/table.h"

namespace forebay::memory {

// A write splits or merges this many buckets at most. One write asks for less than one; more catch up with
// what writes left undone that found the table visited.
inline constexpr std::size_t kBucketsPerWrite = 2;
inline constexpr std::size_t kBucketsPerErase = 2;
static_assert(kBucketsPerErase * Table::kBytesPerSplit < sizeof(Entry),
              "an erasure gives back more than the table may grow by, so that it never exceeds the limit");
// Moves of entries that one write makes at most: some 0.1 ms.
inline constexpr std::size_t kMostMovesPerWrite = 512;
// Nodes of collections that are freed at once when one leaves: some 5 µs. More are left to later departures and
// to upkeep.
inline constexpr std::size_t kNodesPerDeparture = 64;

}  // namespace forebay::memory
