#pragma once

// The shards of one tier and what goes on between them: which shard a key is in, which gives way when memory
// is short, upkeep, and the lock order.
//
// Lock order: shards by index, ascending, under a Guard; options_mutex_ before any of them. A thread that
// holds a shard and needs room takes other shards by try_lock only, so that two threads that want room from
// each other never wait. Who locks alone takes them in any order: nobody else waits for one while holding
// another.
//
// The limit is one number for all shards, kept in one counter that every write reserves from before it
// stores. A shard above the average gives way for its own writes; below it, the larger of two others does
// (two random choices keep the shards even: Azar, Broder, Karlin, Upfal 1994). If all others are busy and the
// shard itself has nothing left, the write goes through and the counter stands above the limit, by one entry
// for each thread in that position, until the next write or tick.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash_inline.h"
#include "base/mutex.h"
#include "memory/shard.h"
#include "memory/tier.h"

namespace forebay::memory {

class Shards final : private Relief {
 public:
  Shards(const TierOptions& options, const PolicyRow& policy, Instant start);

  bool find(std::string_view key, Instant now, FunctionRef<void(const EntryView&)> visit, Touch touch) {
    return find(hash_key(key), key, now, visit, touch);
  }
  [[gnu::always_inline]] bool find(std::uint64_t hash, std::string_view key, Instant now,
                                   FunctionRef<void(const EntryView&)> visit, Touch touch) {
    const auto show = [&](const Shard::SmallHit& hit) __attribute__((always_inline)) {
      Stamp stamp;
      stamp.expires = hit.expires;
      if (hit.is_fresh_while_alive) stamp.fresh_until = hit.expires;
      visit(EntryView(key, hit.value, nullptr, stamp, hit.revision, hit.accessed));
    };
    const auto answer = find_small(hash, key, now, show, touch);
    if (answer != Shard::Answer::kNeedsLock) [[likely]]
      return answer == Shard::Answer::kHit;
    return find_any(hash, key, now, visit, touch);
  }
  // As Shard's.
  template <class Visit>
  [[gnu::always_inline]] Shard::Answer find_small(std::uint64_t hash, std::string_view key, Instant now,
                                                  Visit visit, Touch touch) {
    Shard& shard = *shards_.data()[index_of(hash)].get();
    return shard.find_small(hash, key, common_.base.ns(now), visit, touch);
  }
  PutOutcome update(std::string_view key, Instant now, FunctionRef<Change(const EntryView*)> decide) {
    return update(hash_key(key), key, now, decide);
  }
  PutOutcome update(std::uint64_t hash, std::string_view key, Instant now,
                    FunctionRef<Change(const EntryView*)> decide);
  PutOutcome edit(std::uint64_t hash, std::string_view key, Instant now, std::size_t room, Shard::Edit edit);
  bool erase(std::string_view key, Instant now, Departure why);
  void clear();
  std::optional<Departure> departure(std::string_view key) const;
  std::optional<unsigned> frequency(std::string_view key) const;
  void observe(DepartureObserver& observer) { common_.departures = &observer; }
  TagPurges& tags() { return common_.tags; }
  void move_wall_times(Instant now, Duration by);
  std::uint64_t scan(std::uint64_t cursor, std::size_t count, Instant now,
                     FunctionRef<void(const EntryView&)> visit);
  bool random(Instant now, std::uint64_t chance, FunctionRef<void(const EntryView&)> visit);
  bool tick(Instant now, std::size_t budget);

  Result<void> reconfigure(const TierOptions& options, const PolicyRow& policy);
  TierOptions options() const;
  TierStats stats() const;
  std::size_t size() const;

  // Locks the shards of these keys (all of them if `all`), lowest index first, for this thread, until
  // unlock() with the mask that comes back. Requires: this thread holds none.
  std::uint64_t lock(std::span<const std::string_view> keys, bool all);
  void unlock(std::uint64_t mask);

  // For who locks shards one after the other, as it meets them: there is one such at a time, and no lock() of
  // anybody else goes on meanwhile. False: it can't be now.
  bool try_lock_alone();
  void lock_more(std::uint64_t hash);
  void lock_rest();
  void unlock_alone();
  // Whether the shard of this hash is held that way, or any if `hash` is null. A hint: it may be just about to be,
  // or to be no more.
  bool locked_alone() const { return alone_.load(std::memory_order_relaxed); }
  bool locked_alone(std::uint64_t hash) const {
    return ((held_alone_.load(std::memory_order_relaxed) >> index_of(hash)) & 1) != 0;
  }

  // For tests: the first disagreement in any shard, empty if there is none.
  std::string inconsistency() const;

 private:
  // find() where Shard::find_small() won't do.
  bool find_any(std::uint64_t hash, std::string_view key, Instant now,
                FunctionRef<void(const EntryView&)> visit, Touch touch);
  // Locks a shard for one operation, unless this thread holds it already.
  class Lock;

  bool make_room(Shard& asking, std::size_t bytes, std::size_t about_to_free) override;
  std::size_t give_way_somewhere(Shard& asking, bool& busy);
  // Has another shard give way if its lock is free (or this thread's); otherwise sets `busy`.
  std::size_t try_give_way(std::size_t index, bool& busy);
  bool upkeep(Instant now, std::size_t& budget);
  bool shrink_to_limit(std::size_t& budget);
  void follow_allocator(Instant now);
  // What the tier holds with what its spans waste and its share of the allocator's fragmentation, as far as
  // the allocator can tell, over `limit`.
  double resident_over_limit(std::size_t limit) const;
  void set_limit();

  // Two shifts, because shifting by 64 is undefined.
  std::size_t index_of(std::uint64_t hash) const { return (hash >> 1) >> index_shift_; }
  bool held_by_this_thread(std::size_t index) const;
  void lock_one_more(std::size_t index);

  mutable Common common_;
  unsigned index_bits_ = 0;
  unsigned index_shift_ = 63;                   // less index_bits_
  std::vector<std::unique_ptr<Shard>> shards_;  // fixed after construction
  std::atomic<bool> evicts_;  // the policy's; relaxed, a hint that is right again at the next write
  // How many lock() are in force; -1: somebody locks alone. Acquired and released with the right.
  std::atomic<int> holders_{0};
  std::atomic<bool> alone_{false};            // relaxed: see locked_alone()
  std::atomic<std::uint64_t> held_alone_{0};  // the shards; relaxed: see locked_alone()
  std::atomic<std::size_t> next_shard_{0};    // where the next tick begins; relaxed, any value will do

  mutable Mutex options_mutex_;
  TierOptions options_ GUARDED_BY(options_mutex_);
  double share_ GUARDED_BY(options_mutex_) =
      1.0;  // of the limit that may be counted, so that what is resident fits
  Instant looked_at_allocator_ GUARDED_BY(options_mutex_);
  std::size_t given_back_ GUARDED_BY(options_mutex_) = 0;  // by all shards when it last did
};

}  // namespace forebay::memory
