#include "memory/shards.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <thread>

#include "base/hash.h"
#include "memory/allocation.h"
#include "memory/arena/large.h"

namespace forebay::memory {

// Atomics are of relaxed order throughout: each is a number that stands for itself (see Common), and what
// threads share beyond them they share under a shard's lock.
namespace {

constexpr std::size_t kMostShards = 64;
// A shard's wheel, log and smallest table take some 8 KiB, and each size of entries that it has a span that
// is half empty: with this much a shard they stay a small share.
constexpr std::size_t kLeastBytesPerShard = std::size_t{4} << 20;
constexpr std::size_t kLeastBytesIfAsked = std::size_t{256} << 10;  // where TierOptions::shards asks for more
constexpr std::size_t kLeastEntriesPerShard = 4096;                 // where entries are counted
constexpr std::size_t kStepsPerLock = 128;                          // of upkeep: some 20 µs
constexpr std::size_t kBucketsPerLock = 32;                         // of scan()
constexpr std::size_t kLeastEvictions = 16;  // a write makes while the limit is being lowered

std::size_t shard_count(const TierOptions& options) {
  std::size_t wanted = options.shards;
  if (wanted == 0) wanted = std::bit_ceil(4 * std::max<std::size_t>(1, std::thread::hardware_concurrency()));
  if (options.limit != 0 && options.count == Count::kBytes)
    wanted =
        std::min(wanted, options.limit / (options.shards == 0 ? kLeastBytesPerShard : kLeastBytesIfAsked));
  if (options.limit != 0 && options.count == Count::kEntries)
    wanted = std::min(wanted, options.limit / kLeastEntriesPerShard);
  return std::bit_floor(std::clamp<std::size_t>(wanted, 1, kMostShards));
}

// One word of log for each 256 bytes of limit: about one for every entry of that size.
std::size_t departures_per_shard(const TierOptions& options, std::size_t shards) {
  constexpr std::size_t kMost = 8192;
  if (options.limit == 0) return kMost;
  return std::clamp<std::size_t>(options.limit / shards / 256, 64, kMost);
}

// In bytes; 0: unbounded.
std::size_t largest_value(const TierOptions& options) {
  constexpr double kDefaultShare = 1.0 / 16;
  double share = options.max_share;
  if (share == 0 && options.max_value == 0) share = kDefaultShare;
  if (share == 0 || options.limit == 0 || options.count != Count::kBytes) return options.max_value;
  const auto most =
      std::max<std::size_t>(1, static_cast<std::size_t>(static_cast<double>(options.limit) * share));
  return options.max_value == 0 ? most : std::min(most, options.max_value);
}

// The shards this thread holds by Shards::lock().
struct Held {
  const Shards* owner = nullptr;
  std::uint64_t mask = 0;
};
constinit thread_local Held held;

// Locks a shard for a thread that may hold others alone, in whatever order.
void acquire(Mutex& mutex) NO_THREAD_SAFETY_ANALYSIS {
#if defined(__SANITIZE_THREAD__)
  // Its detector of deadlocks sees orders of locks, and not that nobody else waits for one while holding another.
  if (held.owner != nullptr) {
    while (!mutex.try_lock()) std::this_thread::yield();
    return;
  }
#endif
  mutex.lock();
}

}  // namespace

class FOREBAY_ANNOTATE(scoped_lockable) Shards::Lock {
 public:
  // `shard` is the one at `index`. Conditional on what the thread holds, which the analysis doesn't see.
  Lock(const Shards& shards, std::size_t index, Shard& shard)
      FOREBAY_ANNOTATE(acquire_capability(shard.mutex)) NO_THREAD_SAFETY_ANALYSIS
      : mutex_(shards.held_by_this_thread(index) ? nullptr : &shard.mutex) {
    if (mutex_ != nullptr) acquire(*mutex_);
  }
  ~Lock() FOREBAY_ANNOTATE(release_capability()) NO_THREAD_SAFETY_ANALYSIS {
    if (mutex_ != nullptr) mutex_->unlock();
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  Mutex* mutex_;
};

Shards::Shards(const TierOptions& options, const PolicyRow& policy, Instant start)
    : common_(start, options.count), evicts_(policy.evicts), options_(options) {
  const std::size_t count = shard_count(options);
  index_bits_ = static_cast<unsigned>(std::countr_zero(count));
  index_shift_ = 63 - index_bits_;
  common_.relief = this;
  for (std::size_t i = 0; i < count; ++i) {
    shards_.push_back(std::make_unique<Shard>(common_, policy, options.policy_options,
                                              departures_per_shard(options, count)));
  }
  const MutexLock lock(options_mutex_);
  looked_at_allocator_ = start;
  set_limit();
}

bool Shards::held_by_this_thread(std::size_t index) const {
  return held.owner == this && ((held.mask >> index) & 1) != 0;
}

bool Shards::find_any(std::uint64_t hash, std::string_view key, Instant now,
                      FunctionRef<void(const EntryView&)> visit, Touch touch) {
  const std::size_t index = index_of(hash);
  Shard& shard = *shards_[index];
  // A thread that holds the shard would only find that it is being written.
  if (!held_by_this_thread(index)) [[likely]] {
    const auto answer = shard.find_unlocked(hash, key, now, visit, touch);
    if (answer != Shard::Answer::kNeedsLock) return answer == Shard::Answer::kHit;
  }
  const Lock lock(*this, index, shard);
  return shard.find(hash, key, now, visit, touch);
}

PutOutcome Shards::update(std::uint64_t hash, std::string_view key, Instant now,
                          FunctionRef<Change(const EntryView*)> decide) {
  const std::size_t index = index_of(hash);
  Shard& shard = *shards_[index];
  const Lock lock(*this, index, shard);
  return shard.update(hash, key, now, decide);
}

PutOutcome Shards::edit(std::uint64_t hash, std::string_view key, Instant now, std::size_t room,
                        Shard::Edit edit) {
  const std::size_t index = index_of(hash);
  Shard& shard = *shards_[index];
  const Lock lock(*this, index, shard);
  return shard.edit(hash, key, now, room, edit);
}

bool Shards::erase(std::string_view key, Instant now, Departure why) {
  const std::uint64_t hash = hash_bytes(key);
  const std::size_t index = index_of(hash);
  Shard& shard = *shards_[index];
  const Lock lock(*this, index, shard);
  return shard.erase(hash, key, now, why);
}

void Shards::clear() {
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    Shard& shard = *shards_[i];
    const Lock lock(*this, i, shard);
    shard.clear();
  }
}

void Shards::move_wall_times(Instant now, Duration by) {
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    Shard& shard = *shards_[i];
    const Lock lock(*this, i, shard);
    shard.move_wall_times(now, by);
  }
}

std::optional<Departure> Shards::departure(std::string_view key) const {
  const std::uint64_t hash = hash_bytes(key);
  const std::size_t index = index_of(hash);
  Shard& shard = *shards_[index];
  const Lock lock(*this, index, shard);
  return shard.departure(hash, key);
}

std::optional<unsigned> Shards::frequency(std::string_view key) const {
  const std::uint64_t hash = hash_bytes(key);
  const std::size_t index = index_of(hash);
  Shard& shard = *shards_[index];
  const Lock lock(*this, index, shard);
  return shard.frequency(hash, key);
}

// A cursor is the bucket's cursor, then the shard's index in the lowest bits: below 2^53 as long as a shard
// has fewer than 2^47 buckets.
std::uint64_t Shards::scan(std::uint64_t cursor, std::size_t count, Instant now,
                           FunctionRef<void(const EntryView&)> visit) {
  std::size_t index = cursor & (shards_.size() - 1);
  std::uint64_t bucket = cursor >> index_bits_;
  std::size_t visited = 0;
  std::size_t buckets = 0;
  const std::size_t most_buckets = std::max<std::size_t>(count, 1) * 10;  // of a sparse table
  while (buckets < most_buckets) {
    {
      Shard& shard = *shards_[index];
      const Lock lock(*this, index, shard);
      for (std::size_t i = 0; i < kBucketsPerLock; ++i) {
        bucket = shard.scan(bucket, now, visit, visited);
        ++buckets;
        if (bucket == 0 || visited >= count) break;
      }
    }
    if (bucket == 0 && ++index == shards_.size()) return 0;
    if (visited >= count) break;
  }
  return (bucket << index_bits_) | index;
}

bool Shards::random(Instant now, std::uint64_t chance, FunctionRef<void(const EntryView&)> visit) {
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    const std::size_t index = (chance + i) & (shards_.size() - 1);
    Shard& shard = *shards_[index];
    const Lock lock(*this, index, shard);
    if (shard.random(now, chance >> index_bits_, visit)) return true;
  }
  return false;
}

bool Shards::make_room(Shard& asking, std::size_t bytes, std::size_t about_to_free) {
  const std::size_t limit = common_.limit.load(std::memory_order_relaxed);
  const bool evicts = evicts_.load(std::memory_order_relaxed);
  bool busy = false;
  std::size_t freed = 0;
  std::size_t victims = 0;
  while (common_.used.load(std::memory_order_relaxed) > limit) {
    // Far above, because the limit was lowered: this write pays its own way and tick() does the rest.
    if (freed >= bytes && victims >= kLeastEvictions) return true;
    if (!evicts && common_.cleared.load(std::memory_order_relaxed) == 0) break;
    const std::size_t given = give_way_somewhere(asking, busy);
    if (given == 0) break;
    freed += given;
    ++victims;
  }
  if (common_.used.load(std::memory_order_relaxed) <= limit + about_to_free) return true;
  return evicts && (busy || freed >= bytes);
}

std::size_t Shards::give_way_somewhere(Shard& asking, bool& busy) NO_THREAD_SAFETY_ANALYSIS {
  const std::size_t count = shards_.size();
  if (asking.bytes() * count < common_.used.load(std::memory_order_relaxed)) {
    thread_local std::uint32_t state = 1;  // an LCG will do for choosing two shards
    state = state * 1664525u + 1013904223u;
    const std::size_t one = (state >> 8) & (count - 1);
    const std::size_t two = (state >> 16) & (count - 1);
    const std::size_t larger = shards_[one]->bytes() >= shards_[two]->bytes() ? one : two;
    if (shards_[larger].get() != &asking && shards_[larger]->bytes() > asking.bytes()) {
      if (const std::size_t given = try_give_way(larger, busy); given != 0) return given;
    }
  }
  if (const std::size_t given = asking.give_way(); given != 0) return given;
  for (std::size_t i = 0; i < count; ++i) {
    if (shards_[i].get() == &asking) continue;
    if (const std::size_t given = try_give_way(i, busy); given != 0) return given;
  }
  return 0;
}

std::size_t Shards::try_give_way(std::size_t index, bool& busy) NO_THREAD_SAFETY_ANALYSIS {
  Shard& other = *shards_[index];
  if (held_by_this_thread(index)) return other.give_way();
  if (!other.mutex.try_lock()) {
    busy = true;
    return 0;
  }
  const std::size_t given = other.give_way();
  other.mutex.unlock();
  return given;
}

bool Shards::tick(Instant now, std::size_t budget) {
  // Whoever locks alone may hold some for long, and others must not wait for this thread meanwhile.
  if (locked_alone()) return false;
  follow_allocator(now);
  const bool more_upkeep = upkeep(now, budget);
  const bool more_to_evict = shrink_to_limit(budget);
  return more_upkeep || more_to_evict;
}

bool Shards::upkeep(Instant now, std::size_t& budget) {
  const std::size_t first = next_shard_.fetch_add(1, std::memory_order_relaxed);
  bool more = false;
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    const std::size_t index = (first + i) & (shards_.size() - 1);
    bool done = false;
    // Whoever holds it alone may do so for long.
    if (((held_alone_.load(std::memory_order_relaxed) >> index) & 1) != 0) continue;
    while (!done && budget > 0) {
      const std::size_t steps = std::min(budget, kStepsPerLock);
      Shard& shard = *shards_[index];
      const Lock lock(*this, index, shard);
      const std::size_t taken = shard.upkeep(now, steps);
      done = taken < steps;
      budget -= taken;
    }
    more = more || !done;
  }
  return more;
}

bool Shards::shrink_to_limit(std::size_t& budget) {
  const std::size_t limit = common_.limit.load(std::memory_order_relaxed);
  if (limit == 0 || !evicts_.load(std::memory_order_relaxed)) return false;
  const auto over = [&] { return common_.used.load(std::memory_order_relaxed) > limit; };
  while (budget > 0 && over()) {
    const auto largest =
        std::ranges::max_element(shards_, {}, [](const auto& each) { return each->bytes(); });
    Shard& shard = **largest;
    const Lock lock(*this, static_cast<std::size_t>(largest - shards_.begin()), shard);
    for (std::size_t i = 0; i < kStepsPerLock && budget > 0 && over(); ++i, --budget) {
      if (shard.give_way() == 0) return false;
    }
  }
  return over();
}

// What spans hold beyond entries, and an allocator beyond live allocations (size classes half full, free
// pages on their way back), is no one's entry, yet takes the machine's memory. Once a second, and whenever a
// share of the limit has churned, the tier looks how much more is resident than allocated: in its spans,
// which Shard::compact() bounds, and its share of the allocator's. If entries and these exceed the limit, the
// allocator is asked for its free pages; if that isn't enough, the tier lets its count go only so far that
// both fit. Small steps, since evicting frees pages only once a page's last entry is gone: a big step would
// be answered by a worse ratio first.
void Shards::follow_allocator(Instant now) {
  constexpr auto kPeriod = std::chrono::seconds(1);
  constexpr std::size_t kChurn = 64;                     // of the limit's parts
  constexpr std::size_t kSmall = std::size_t{16} << 20;  // below: the process itself outweighs the cache
  constexpr double kHigh = 1.03, kLow = 1.01;            // resident bytes over the limit: shrink, grow back
  constexpr double kDown = 0.02, kUp = 0.002, kLeast = 0.5;
  const MutexLock lock(options_mutex_);
  if (options_.count == Count::kEntries || options_.limit < kSmall) return;
  std::size_t given_back = 0;
  for (const auto& shard : shards_) given_back += shard->given_back();
  if (now - looked_at_allocator_ < kPeriod && given_back - given_back_ < options_.limit / kChurn) return;
  looked_at_allocator_ = now;
  given_back_ = given_back;
  double resident = resident_over_limit(options_.limit);
  if (resident > kHigh) {
    return_free_pages();
    resident = resident_over_limit(options_.limit);
  }
  if (resident > kHigh) {
    share_ = std::max(kLeast, share_ - std::min(kDown, (resident - kHigh) / 2));
  } else if (resident < kLow) {
    share_ = std::min(1.0, share_ + kUp);
  }
  set_limit();
}

double Shards::resident_over_limit(std::size_t limit) const {
  constexpr double kIgnored = 4.0 * (1 << 20);  // the allocator's own tables
  Shard::Spans spans;
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    Shard& shard = *shards_[i];
    const Lock lock(*this, i, shard);
    const auto one = shard.spans();
    spans.held += one.held;
    spans.unused += one.unused;
  }
  const double used = static_cast<double>(common_.used.load(std::memory_order_relaxed));
  double elsewhere = std::max(0.0, used - static_cast<double>(spans.held - spans.unused));
  double resident = used + static_cast<double>(spans.unused) + static_cast<double>(Cage::kKept);
  // Large values of all tiers lie together: this one's share of what they waste is as its share of them.
  const Large::Usage large = Large::usage();
  if (large.allocated != 0) {
    const double allocated = static_cast<double>(large.allocated);
    resident += static_cast<double>(large.held - large.allocated) * std::min(1.0, elsewhere / allocated);
    elsewhere = std::max(0.0, elsewhere - allocated);
  }
  const auto bytes = allocator_bytes();
  if (bytes && bytes->allocated != 0) {
    const double allocated = static_cast<double>(bytes->allocated);
    const double beyond = std::max(0.0, static_cast<double>(bytes->resident) - allocated - kIgnored);
    resident += beyond * std::min(1.0, elsewhere / allocated);
  }
  return resident / static_cast<double>(limit);
}

void Shards::set_limit() NO_THREAD_SAFETY_ANALYSIS {  // called with options_mutex_ held
  common_.limit.store(static_cast<std::size_t>(static_cast<double>(options_.limit) * share_),
                      std::memory_order_relaxed);
  common_.max_value.store(largest_value(options_), std::memory_order_relaxed);
}

Result<void> Shards::reconfigure(const TierOptions& options, const PolicyRow& policy) {
  const MutexLock lock(options_mutex_);
  const std::size_t fixed = common_.fixed.load(std::memory_order_relaxed);
  if (options.limit != 0 && options.limit < 2 * fixed) {
    return Error{ErrorCode::kConfig, "memory: limit " + std::to_string(options.limit) +
                                         " is too small for the " + std::to_string(shards_.size()) +
                                         " shards it was started with, which take " + std::to_string(fixed) +
                                         " bytes empty; restart to use fewer"};
  }
  const bool same_policy =
      options.policy == options_.policy && options.policy_options == options_.policy_options;
  const std::size_t shards = options_.shards;
  const Count count = options_.count;
  options_ = options;
  options_.shards = shards;
  options_.count = count;
  share_ = 1.0;
  set_limit();
  if (same_policy) return {};
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    Shard& shard = *shards_[i];
    const Lock shard_lock(*this, i, shard);
    shard.use_policy(policy, options.policy_options);
  }
  evicts_.store(policy.evicts, std::memory_order_relaxed);
  return {};
}

TierOptions Shards::options() const {
  const MutexLock lock(options_mutex_);
  return options_;
}

TierStats Shards::stats() const {
  TierStats stats;
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    Shard& shard = *shards_[i];
    const Lock lock(*this, i, shard);
    const ShardCounters& counters = shard.counters();
    stats.entries += shard.entries();
    stats.evicted += counters.evicted;
    stats.expired += counters.expired;
    stats.too_large += counters.too_large;
    stats.refused_full += counters.refused_full;
    const auto& spaces = counters.by_space;
    if (spaces.size() > stats.by_space.size()) stats.by_space.resize(spaces.size());
    for (std::size_t space = 0; space < spaces.size(); ++space) {
      stats.by_space[space].entries += spaces[space].entries;
      stats.by_space[space].with_expiry += spaces[space].with_expiry;
      stats.with_expiry += spaces[space].with_expiry;
    }
  }
  stats.bytes = common_.used.load(std::memory_order_relaxed);
  return stats;
}

std::size_t Shards::size() const {
  std::size_t entries = 0;
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    Shard& shard = *shards_[i];
    const Lock lock(*this, i, shard);
    entries += shard.entries();
  }
  return entries;
}

std::uint64_t Shards::lock(std::span<const std::string_view> keys, bool all) NO_THREAD_SAFETY_ANALYSIS {
  assert(held.owner == nullptr && "one guard a thread: a second could wait for the first's owner for ever");
  for (int now = holders_.load(std::memory_order_relaxed);;) {
    if (now < 0) {
      holders_.wait(now, std::memory_order_relaxed);
      now = holders_.load(std::memory_order_relaxed);
    } else if (holders_.compare_exchange_weak(now, now + 1, std::memory_order_acquire)) {
      break;
    }
  }
  std::uint64_t mask = 0;
  if (all) mask = shards_.size() == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << shards_.size()) - 1;
  for (const std::string_view key : keys) mask |= std::uint64_t{1} << index_of(hash_bytes(key));
  for (std::uint64_t left = mask; left != 0; left &= left - 1) {
    Shard& shard = *shards_[std::countr_zero(left)];
    shard.mutex.lock();
    shard.begin_writing();  // what goes on is one step for readers without the lock too
  }
  held = {this, mask};
  return mask;
}

void Shards::unlock(std::uint64_t mask) NO_THREAD_SAFETY_ANALYSIS {
  held = {};
  for (std::uint64_t left = mask; left != 0; left &= left - 1) {
    Shard& shard = *shards_[std::countr_zero(left)];
    shard.end_writing();
    shard.mutex.unlock();
  }
  holders_.fetch_sub(1, std::memory_order_release);
}

bool Shards::try_lock_alone() {
  int none = 0;
  if (held.owner != nullptr || !holders_.compare_exchange_strong(none, -1, std::memory_order_acquire))
    return false;
  alone_.store(true, std::memory_order_relaxed);
  held = {this, 0};
  return true;
}

void Shards::lock_one_more(std::size_t index) NO_THREAD_SAFETY_ANALYSIS {
  if (((held.mask >> index) & 1) != 0) return;
  held.mask |= std::uint64_t{1} << index;
  held_alone_.store(held.mask, std::memory_order_relaxed);
  Shard& shard = *shards_[index];
  acquire(shard.mutex);
  shard.begin_writing();
}
void Shards::lock_more(std::uint64_t hash) {
  lock_one_more(index_of(hash));
}
void Shards::lock_rest() {
  for (std::size_t i = 0; i < shards_.size(); ++i) lock_one_more(i);
}

void Shards::unlock_alone() NO_THREAD_SAFETY_ANALYSIS {
  const std::uint64_t mask = std::exchange(held, {}).mask;
  held_alone_.store(0, std::memory_order_relaxed);
  for (std::uint64_t left = mask; left != 0; left &= left - 1) {
    Shard& shard = *shards_[std::countr_zero(left)];
    shard.end_writing();
    shard.mutex.unlock();
  }
  alone_.store(false, std::memory_order_relaxed);
  holders_.store(0, std::memory_order_release);
  holders_.notify_all();
}

std::string Shards::inconsistency() const {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    Shard& shard = *shards_[i];
    const Lock lock(*this, i, shard);
    if (auto what = shard.inconsistency(); !what.empty()) return "shard " + std::to_string(i) + ": " + what;
    bytes += shard.bytes();
  }
  return bytes == common_.used.load(std::memory_order_relaxed)
             ? ""
             : "the shards' bytes don't sum up to the tier's";
}

}  // namespace forebay::memory
