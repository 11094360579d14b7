#pragma once

// Runs a trace through the memory tier: the engine that the server and the library have, not a model of it.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cli/simulate/trace.h"
#include "forebay/result.h"
#include "memory/tier.h"

namespace forebay::cli::simulate {

struct SimulatedCache {
  std::string policy;
  std::uint64_t limit = 0;
  memory::Count count = memory::Count::kEntries;
  std::size_t shards = 1;
  memory::PolicyOptions policy_options;
};

struct Outcome {
  std::uint64_t requests = 0;
  std::uint64_t misses = 0;
  double miss_ratio() const { return static_cast<double>(misses) / static_cast<double>(requests); }
};

// What a run tells others while it goes on.
struct Progress {
  std::atomic<std::uint64_t> consumed{0};  // bytes of the file, by all runs; relaxed, for display only
  std::atomic<bool> stop{false};           // ends every run soon; relaxed, nothing is published by it
};

// Reads the trace from its beginning, looks each key up and puts what is missing; the cache begins empty.
//
// Where bytes are counted, values have the trace's sizes: those of up to 1 KiB are stored as they would be,
// larger ones stand for their size without being allocated, so that the tier counts key, size and its own
// overhead, and not what the allocator would round a large value up by. A value that the tier doesn't keep
// (too large) misses each time.
//
// kInvalidArgument if the trace can't be read or has no requests; kCancelled after a stop.
Result<Outcome> simulate(const TraceFile& trace, const SimulatedCache& cache, Progress& progress);

// How many different keys the trace has: one pass over it, with 8 bytes (16 while a table grows) for each of
// them. Keys are told apart by 64 bits of hash where they are text: two of 100 million are mistaken for each
// other with a chance of 1 in 3,700.
Result<std::uint64_t> count_unique_keys(const TraceFile& trace, Progress& progress);

// Runs every cache, on up to `threads` threads, each from the trace's beginning. Returns the outcomes in the
// caches' order, or the first error. `watch` is called on the calling thread some times a second with the
// share that is done, 0 to 1.
Result<std::vector<Outcome>> simulate_all(const TraceFile& trace, const std::vector<SimulatedCache>& caches,
                                          std::size_t threads, const std::function<void(double)>& watch);

}  // namespace forebay::cli::simulate
