#include "cli/simulate/simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/unordered/unordered_flat_set.hpp>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "base/hash.h"
#include "base/mutex.h"

namespace forebay::cli::simulate {
namespace {

// Time stands still: a trace has no lifetimes, so nothing expires.
class StandingClock final : public Clock {
 public:
  Instant now() const override { return Instant(std::chrono::hours(1)); }
  std::int64_t to_wall_ms(Instant) const override { return 0; }
  Instant from_wall_ms(std::int64_t) const override { return now(); }
};

constexpr std::size_t kStoredForReal = 1024;  // bytes of a value

// A value of this many bytes.
Change value_of(std::uint64_t size) {
  static constexpr std::array<char, kStoredForReal> kZeros{};
  if (size <= kZeros.size()) return Change::replace(std::string_view(kZeros.data(), size), Stamp());
  return Change::replace(Value::object(std::shared_ptr<const char>(), size), Stamp());
}

// Adds what the reader has consumed since the last call.
class Consumed {
 public:
  explicit Consumed(Progress& progress) : progress_(progress) {}
  void report(const TraceReader& reader) {
    const std::uint64_t now = reader.consumed();
    progress_.consumed.fetch_add(now - reported_, std::memory_order_relaxed);
    reported_ = now;
  }

 private:
  Progress& progress_;
  std::uint64_t reported_ = 0;
};

Error stopped() {
  return {ErrorCode::kCancelled, "stopped"};
}

// Runs that several threads take from one list.
class Runs {
 public:
  Runs(const TraceFile& trace, const std::vector<SimulatedCache>& caches)
      : trace_(trace), caches_(caches), outcomes_(caches.size()) {}

  // Takes one run after the other until none is left or one has failed.
  void work() {
    while (const auto mine = take()) finish(*mine, simulate(trace_, caches_[*mine], progress_));
  }

  // True: all have ended.
  bool wait(Duration most) {
    const MutexLock lock(mutex_);
    return ended_.wait_until(mutex_, std::chrono::steady_clock::now() + most,
                             [this]() NO_THREAD_SAFETY_ANALYSIS {
                               return running_ == 0 && (failure_ || next_ == caches_.size());
                             });
  }

  std::uint64_t consumed() const { return progress_.consumed.load(std::memory_order_relaxed); }

  Result<std::vector<Outcome>> outcomes() {
    const MutexLock lock(mutex_);
    if (failure_) return *failure_;
    return outcomes_;
  }

 private:
  std::optional<std::size_t> take() {
    const MutexLock lock(mutex_);
    if (failure_ || next_ == caches_.size()) return std::nullopt;
    ++running_;
    return next_++;
  }
  void finish(std::size_t index, const Result<Outcome>& outcome) {
    const MutexLock lock(mutex_);
    if (outcome) {
      outcomes_[index] = *outcome;
    } else if (!failure_) {
      failure_ = outcome.error();
      progress_.stop.store(true, std::memory_order_relaxed);
    }
    --running_;
    ended_.notify_all();
  }

  const TraceFile& trace_;
  const std::vector<SimulatedCache>& caches_;
  Progress progress_;
  Mutex mutex_;
  Condition ended_;
  std::size_t next_ GUARDED_BY(mutex_) = 0;
  std::size_t running_ GUARDED_BY(mutex_) = 0;
  std::vector<Outcome> outcomes_ GUARDED_BY(mutex_);
  std::optional<Error> failure_ GUARDED_BY(mutex_);
};

}  // namespace

Result<Outcome> simulate(const TraceFile& trace, const SimulatedCache& cache, Progress& progress) {
  const StandingClock clock;
  const Instant now = clock.now();
  memory::TierOptions options;
  options.limit = cache.limit;
  options.count = cache.count;
  options.policy = cache.policy;
  options.policy_options = cache.policy_options;
  options.shards = cache.shards;
  auto tier = memory::Tier::open(options, clock);
  if (!tier) return tier.error();
  auto reader = TraceReader::open(trace);
  if (!reader) return reader.error();
  const bool sizes = cache.count == memory::Count::kBytes;
  Consumed consumed(progress);
  Outcome outcome;
  while (true) {
    const auto requests = reader->next();
    if (!requests) return requests.error();
    if (requests->empty()) break;
    for (const Request& request : *requests) {
      if ((*tier)->find(request.key, now, [](const EntryView&) {})) continue;
      ++outcome.misses;
      (*tier)->update(request.key, now, [&](const EntryView*) { return value_of(sizes ? request.size : 0); });
    }
    outcome.requests += requests->size();
    consumed.report(*reader);
    if (progress.stop.load(std::memory_order_relaxed)) return stopped();
  }
  if (outcome.requests == 0)
    return Error{ErrorCode::kInvalidArgument, fmt::format("{}: no requests", trace.path)};
  return outcome;
}

Result<std::uint64_t> count_unique_keys(const TraceFile& trace, Progress& progress) {
  auto reader = TraceReader::open(trace);
  if (!reader) return reader.error();
  Consumed consumed(progress);
  boost::unordered_flat_set<std::uint64_t> seen;
  while (true) {
    const auto requests = reader->next();
    if (!requests) return requests.error();
    if (requests->empty()) break;
    for (const Request& request : *requests) {
      std::uint64_t key = 0;
      if (trace.format == TraceFormat::kText) {
        key = hash_bytes(request.key);
      } else {
        std::memcpy(&key, request.key.data(), sizeof(key));
      }
      seen.insert(key);
    }
    consumed.report(*reader);
    if (progress.stop.load(std::memory_order_relaxed)) return stopped();
  }
  return seen.size();
}

Result<std::vector<Outcome>> simulate_all(const TraceFile& trace, const std::vector<SimulatedCache>& caches,
                                          std::size_t threads, const std::function<void(double)>& watch) {
  std::error_code unknown;  // the size is then 0, and opening the file will say why
  const std::uintmax_t size = std::filesystem::file_size(trace.path, unknown);
  const double all = static_cast<double>(unknown ? 0 : size) * static_cast<double>(caches.size());
  Runs runs(trace, caches);
  std::vector<std::jthread> workers;
  for (std::size_t i = 0; i < std::min(threads, caches.size()); ++i)
    workers.emplace_back([&runs] { runs.work(); });
  while (!runs.wait(std::chrono::milliseconds(100)))
    watch(all == 0 ? 0.0 : static_cast<double>(runs.consumed()) / all);
  return runs.outcomes();
}

}  // namespace forebay::cli::simulate
