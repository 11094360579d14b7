#pragma once

// One shard of the memory tier: a table, the order in which its entries leave, and the times at which they
// expire, under one lock. What shards have in common (the time base, the budget) is in Common; which shard
// gives way when memory is short is decided by their Relief, so that a shard knows no other.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "forebay/entry.h"
#include "forebay/function_ref.h"
#include "memory/arena/slabs.h"
#include "memory/departure_log.h"
#include "memory/entry.h"
#include "memory/eviction/registry.h"
#include "memory/hit_log.h"
#include "memory/table.h"
#include "memory/tier.h"
#include "memory/timer_wheel.h"

namespace forebay::memory {

class Shard;

// Makes room when the budget is exceeded.
class Relief {
 public:
  virtual ~Relief() = default;
  // Called with the lock of `asking` held, after `bytes` were added to Common::used and while it is above the
  // limit; the caller will give `about_to_free` back. False: there is no room and nothing may leave.
  virtual bool make_room(Shard& asking, std::size_t bytes, std::size_t about_to_free) = 0;
};

// What the shards of one tier share. The numbers are atomics of relaxed order: each stands for itself, and
// what they guard (that used stays below limit) is decided by the value that fetch_add returns.
struct Common {
  Common(Instant start, Count what) : base(start), count(what) {}
  const TimeBase base;
  const Count count;
  Relief* relief = nullptr;               // fixed before the first operation
  std::atomic<std::size_t> limit{0};      // bytes; 0: unbounded
  std::atomic<std::size_t> max_value{0};  // bytes; 0: unbounded
  std::atomic<std::size_t> fixed{0};      // bytes that empty shards take
  std::atomic<std::size_t> cleared{0};    // bytes of cleared tables and their entries, not yet freed
  alignas(64) std::atomic<std::size_t> used{0};
};

struct ShardCounters {
  std::uint64_t evicted = 0;
  std::uint64_t expired = 0;
  std::uint64_t too_large = 0;
  std::uint64_t refused_full = 0;
  std::size_t with_expiry = 0;
  std::vector<std::size_t> entries_by_space;
};

// Readers of small values take no lock. They read the sequence number, which is odd while the table or an
// entry in it is being written; copy the entry (words.h says how); and read the number again: if it has
// moved, the copy is thrown away. They write nothing that others read but their hits, to a log that whoever
// takes the lock next hands to the policy: before any write, so that a thread alone sees its entries leave in
// the exact order of their use. Shared values (whose counts are others' memory), entries to be removed and
// readers that were disturbed too often take the lock.
//
// Entries seen by a visitor under the lock are never freed before the outermost visitor of the shard has
// returned: nested calls (under Tier::Guard) may erase or replace what an outer visitor looks at, so what
// they take out is only set aside.
class alignas(64) Shard {
  // What readers without the lock look at comes first, in as few cache lines as there are, apart from what
  // who takes the lock writes.

  // Odd while what readers without the lock look at is being written. Relaxed and release suffice, as every
  // word that they look at is written after it with release and read before it with acquire (words.h).
  std::atomic<std::uint64_t> sequence_{0};
  Table table_ GUARDED_BY(mutex);
  [[no_unique_address]] HitLog hits_;
  // What of the policy readers without the lock heed: its hit_is_settled, and repeats_settle as far as the
  // options let it. Relaxed: a hit too many or too few is as good.
  std::atomic<bool> repeats_settle_{false};
  std::atomic<bool (*)(std::uint8_t)> hit_is_settled_{nullptr};

 public:
  Shard(Common& common, const PolicyRow& policy, const PolicyOptions& options, std::size_t departures);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  alignas(64) mutable Mutex mutex;

  enum class Answer : std::uint8_t { kHit, kMiss, kNeedsLock };
  // Without the lock and for small entries only (small_read.h), but quick: as find(), or kNeedsLock, where
  // find_unlocked() may do; then nothing was visited. `now_ns` is TimeBase::ns(now).
  struct SmallHit {
    std::string_view value;
    Instant expires = kNever;
    bool is_fresh_while_alive = false;
    std::uint32_t revision = 0;
    Instant accessed;
  };
  template <class Visitor>
  [[gnu::always_inline]] Answer find_small(std::uint64_t hash, std::string_view key, std::int64_t now_ns,
                                           Visitor visit, Touch touch);
  // Without the lock: as find(), unless that is needed; then nothing was visited.
  Answer find_unlocked(std::uint64_t hash, std::string_view key, Instant now,
                       FunctionRef<void(const EntryView&)> visit, Touch touch);

  bool find(std::uint64_t hash, std::string_view key, Instant now, FunctionRef<void(const EntryView&)> visit,
            Touch touch) REQUIRES(mutex);
  // Between these no reader gets by without the lock. They nest.
  void begin_writing() REQUIRES(mutex) {
    if (writers_++ == 0)
      sequence_.store(sequence_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  void end_writing() REQUIRES(mutex) {
    if (--writers_ == 0)
      sequence_.store(sequence_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  PutOutcome update(std::uint64_t hash, std::string_view key, Instant now,
                    FunctionRef<Change(const EntryView*)> decide) REQUIRES(mutex);
  bool erase(std::uint64_t hash, std::string_view key, Instant now, Departure why) REQUIRES(mutex);
  void clear() REQUIRES(mutex);
  std::optional<Departure> departure(std::uint64_t hash, std::string_view key) const REQUIRES(mutex);
  std::optional<unsigned> frequency(std::uint64_t hash, std::string_view key) REQUIRES(mutex);

  // Visits one bucket's live entries; returns Table's next cursor, and how many it visited in `visited`.
  std::uint64_t scan(std::uint64_t cursor, Instant now, FunctionRef<void(const EntryView&)> visit,
                     std::size_t& visited) REQUIRES(mutex);
  // Visits the first live entry at or after a chain chosen by `chance`. O(chains) where nearly all are empty.
  bool random(Instant now, std::uint64_t chance, FunctionRef<void(const EntryView&)> visit) REQUIRES(mutex);

  // Frees what was cleared, then what has expired, then lets the table follow and moves entries together;
  // about `budget` steps. Returns the steps taken: less than `budget` when nothing more is due.
  std::size_t upkeep(Instant now, std::size_t budget) REQUIRES(mutex);

  // Frees some memory: the next part of what was cleared, else the policy's next victim. Returns the bytes
  // given back, 0 if there is nothing that may leave.
  std::size_t give_way() REQUIRES(mutex);

  // Replaces the policy; entries go to the new one in the order of their last use. O(n log n) of this shard.
  void use_policy(const PolicyRow& policy, const PolicyOptions& options) REQUIRES(mutex);

  const ShardCounters& counters() const REQUIRES(mutex) { return counters_; }
  std::size_t entries() const REQUIRES(mutex) { return table_.size(); }
  // Counted bytes, for choosing between shards: readable without the lock.
  std::size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  // Bytes of spans that entries lie in, and of those what no entry takes. O(1).
  struct Spans {
    std::size_t held = 0;
    std::size_t unused = 0;
  };
  Spans spans() const REQUIRES(mutex) { return {slabs_.held(), slabs_.held() - slabs_.allocated()}; }
  // Bytes given back since the start: how much has churned. Readable without the lock.
  std::size_t given_back() const { return given_back_.load(std::memory_order_relaxed); }

  // For tests: the first disagreement between counters, bytes, expiries, policy and what the table holds;
  // empty if there is none. Asks the policy for all its victims and hands them back in that order. O(n).
  std::string inconsistency() REQUIRES(mutex);

 private:
  // While one lives, nothing is freed.
  class Visit;
  // While one lives, readers without the lock are turned away: around whatever they could see half done.
  class Writing;

  // Logs a hit, or finds that it need not be. `stripe` is this thread's.
  [[gnu::always_inline]] void report(HitLog::Stripe& stripe, HitLog::Hit hit, Entry::Glance::Use use,
                                     std::uint32_t seconds);
  // The same for one that found its stripe full.
  void report_full(HitLog::Stripe& stripe, HitLog::Hit hit, std::uint32_t seconds);
  // Hands the hits that were logged to the policy.
  void take_hits() REQUIRES(mutex);
  void follow_policy(const PolicyRow& row, const PolicyOptions& options);

  // What clear() took out. Entries that own something elsewhere must be looked at one by one; the blocks of
  // the others go span by span.
  struct Cleared {
    Slabs slabs;
    Table table;
    Ref set_aside;       // entries of these slabs that are in no table
    std::size_t owners;  // entries not yet freed that own more than their block
    std::size_t bytes;   // what of cleared_bytes_ is this one's
  };
  // Frees some of it and returns the steps that this was worth.
  std::size_t free_some(Cleared& cleared) REQUIRES(mutex);

  // The entry if it is there and not expired; an expired one leaves. `stamp` is filled if there is one.
  Entry* live(std::uint64_t hash, std::string_view key, Instant now, Stamp& stamp) REQUIRES(mutex);
  PutOutcome decide_and_write(std::uint64_t hash, std::string_view key, Instant now,
                              FunctionRef<Change(const EntryView*)> decide) REQUIRES(mutex);
  PutOutcome replace(std::uint64_t hash, std::string_view key, Entry* old, Change& change, Instant now)
      REQUIRES(mutex);
  // Gives the key this payload and stamp: in place if it fits, else by a new entry.
  PutOutcome store(std::uint64_t hash, std::string_view key, Entry* old, const Payload& payload,
                   const Stamp& stamp, Instant now) REQUIRES(mutex);
  void rewrite(Entry& entry, const Entry::Plan& plan, const Payload& payload, const Stamp& stamp, Instant now)
      REQUIRES(mutex);
  bool hold(Entry& entry, const Value& value) REQUIRES(mutex);
  bool revalue(Entry& entry, std::string_view bytes, Instant now) REQUIRES(mutex);

  void link(Entry& entry) REQUIRES(mutex);                                      // into wheel and counters
  void unlink(Entry& entry) REQUIRES(mutex);                                    // out of them
  void leave(Entry& entry, std::uint64_t hash, Departure why) REQUIRES(mutex);  // the policy has let go of it
  void dispose(Entry& entry) REQUIRES(mutex);  // free, or set aside while visited
  void destroy(Entry& entry) REQUIRES(mutex);  // one of slabs_ that nothing refers to
  std::size_t free_cleared(std::size_t steps) REQUIRES(mutex);
  bool may_free_cleared() const REQUIRES(mutex) { return !cleared_.empty() && !cleared_is_visited_; }
  std::size_t rehash(std::size_t buckets) REQUIRES(mutex);  // returns how many it split or merged
  // Moves up to `entries` entries together if that gives memory back. Returns how many.
  std::size_t compact(std::size_t entries) REQUIRES(mutex);
  // Makes the moves that are due, at most so many.
  void tidy(std::size_t most) REQUIRES(mutex);
  void add_bytes(std::size_t bytes) REQUIRES(mutex);  // to this shard's; Common::used has them already
  void give_back(std::size_t bytes) REQUIRES(mutex);  // from both
  EntryView view(const Entry& entry, const Stamp& stamp, std::uint32_t now_seconds) const {
    return {entry.key(), entry.bytes(),    entry.shared(),
            stamp,       entry.revision(), entry.accessed(common_.base, now_seconds)};
  }

  // What the shard answers its policy.
  class Facts final : public EntryFacts {
   public:
    explicit Facts(const Common& common) : common_(common) {}
    std::uint64_t hash(const EntryHook& entry) const override;
    std::size_t weight(const EntryHook& entry) const override;
    std::uint64_t expires_ms(const EntryHook& entry) const override;
    std::chrono::microseconds load_cost(const EntryHook& entry) const override;

   private:
    const Common& common_;
  };
  std::uint32_t next_revision(EntryType type) REQUIRES(mutex);
  std::size_t fixed_bytes() const REQUIRES(mutex);  // what the shard takes without table, entries and policy
  // What counts against the limit: bytes, or entries.
  std::size_t weight(const Entry& entry) const { return count_bytes() ? entry.charge() : 1; }
  std::size_t weight(std::size_t bytes) const { return count_bytes() ? bytes : 0; }
  bool count_bytes() const { return common_.count == Count::kBytes; }
  // The policy's ghosts, sketches and heaps grow and shrink with it.
  void count_policy() REQUIRES(mutex);

  Common& common_;
  unsigned writers_ GUARDED_BY(mutex) = 0;
  const Facts facts_;
  std::atomic<const PolicyRow*> policy_row_;  // written under the lock; relaxed, since rows are constants
  PolicyOptions policy_options_ GUARDED_BY(mutex);
  std::unique_ptr<EvictionPolicy> policy_ GUARDED_BY(mutex);
  Slabs slabs_ GUARDED_BY(mutex);                      // where the table's entries lie, and those set aside
  unsigned visits_ GUARDED_BY(mutex) = 0;              // visitors inside, nested ones counted
  bool cleared_is_visited_ GUARDED_BY(mutex) = false;  // cleared_ may hold an entry that a visitor looks at
  Ref set_aside_ GUARDED_BY(mutex) = 0;                // to be freed when the last visitor leaves
  std::uint64_t changes_ GUARDED_BY(mutex) = 0;  // writes of any kind; tells whether a nested call made one
  std::uint32_t last_revision_ GUARDED_BY(mutex) = 0;  // without a type
  std::size_t moves_due_ GUARDED_BY(mutex) = 0;        // see tidy()
  std::size_t table_bytes_ GUARDED_BY(mutex) = 0;      // what of bytes_ is the table's
  std::size_t policy_bytes_ GUARDED_BY(mutex) = 0;     // what of bytes_ is the policy's
  std::atomic<std::size_t> bytes_{0};                  // written under the lock
  std::atomic<std::size_t> given_back_{0};             // written under the lock
  ShardCounters counters_ GUARDED_BY(mutex);
  TimerWheel wheel_ GUARDED_BY(mutex);
  DepartureLog departures_ GUARDED_BY(mutex);
  // How many entries own more than their block in slabs_; those set aside count until they are freed.
  std::size_t owners_ GUARDED_BY(mutex) = 0;
  std::vector<Cleared> cleared_ GUARDED_BY(mutex);
  std::size_t cleared_bytes_ GUARDED_BY(mutex) = 0;  // what of bytes_ is cleared_'s
};

template <class Visitor>
inline Shard::Answer Shard::find_small(std::uint64_t hash, std::string_view key, std::int64_t now_ns,
                                       Visitor visit, Touch touch) NO_THREAD_SAFETY_ANALYSIS {
  constexpr int kMostSteps = 16;  // along a chain, which may be garbage
  const std::uint32_t seconds = TimeBase::seconds_of(now_ns);
  HitLog::Stripe& stripe = hits_.stripe();
  if (stripe.is_behind(seconds) || (touch == Touch::kNo && hits_.has_hits())) [[unlikely]]
    return Answer::kNeedsLock;
  const std::uint64_t before = sequence_.load(std::memory_order_acquire);
  Ref ref;
  if ((before & 1) != 0 || !table_.head_unlocked(hash, ref)) [[unlikely]]
    return Answer::kNeedsLock;
  for (int steps = kMostSteps;; --steps) {
    if (ref == 0)
      return sequence_.load(std::memory_order_relaxed) == before ? Answer::kMiss : Answer::kNeedsLock;
    if (!Cage::covers(ref, SmallRead::kReach) || steps == 0) [[unlikely]]
      return Answer::kNeedsLock;
    const Entry::Glance entry(ref);
    if (!entry.is_small()) [[unlikely]]
      return Answer::kNeedsLock;
    if (entry.is_of(key)) [[likely]]
      break;
    ref = entry.chain();
  }
  const Entry::Glance entry(ref);
  SmallRead copy;
  SmallHit hit;
  hit.value = entry.copy_value(key.size(), copy);
  hit.revision = entry.revision();
  const auto use = entry.use();
  if (entry.has_expiry()) {
    const std::int64_t expires_ns = std::int64_t{entry.expires_ms()} * 1'000'000;
    if (expires_ns <= now_ns) [[unlikely]]
      return Answer::kNeedsLock;
    hit.expires = common_.base.at_ns(expires_ns);
    hit.is_fresh_while_alive = entry.is_fresh_while_alive();
  }
  if (sequence_.load(std::memory_order_relaxed) != before) [[unlikely]]
    return Answer::kNeedsLock;
  hit.accessed = use.at(common_.base, seconds);
  visit(hit);
  if (touch == Touch::kYes) report(stripe, {ref, static_cast<std::uint32_t>(hash)}, use, seconds);
  return Answer::kHit;
}

inline void Shard::report(HitLog::Stripe& stripe, HitLog::Hit hit, Entry::Glance::Use use,
                          std::uint32_t seconds) {
  const auto settled = hit_is_settled_.load(std::memory_order_relaxed);
  if (settled != nullptr && settled(use.bits()) && use.was_at(seconds)) return;
  if (repeats_settle_.load(std::memory_order_relaxed) && stripe.ends_with(hit)) return;
  if (!stripe.add(hit, seconds)) [[unlikely]]
    report_full(stripe, hit, seconds);
}

}  // namespace forebay::memory
