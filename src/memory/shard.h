#pragma once

// One shard of the memory tier. It has a hash table of entries, an eviction policy that knows in which order
// they leave, and a timer wheel that knows when they expire, all under one lock.
//
// A shard doesn't know the other shards. What all of them share (the limit, the bytes in use) is in Common.
// When a write exceeds the limit, the shard asks Relief, which picks the shard that evicts.
//
// Its functions are in five files: shard_read.cc looks keys up and walks the table, shard_write.cc stores
// and erases, shard_edit.cc edits collections, shard_room.cc counts bytes, evicts and gives memory back,
// shard.cc has the rest (set-up, upkeep, the check of itself).

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
#include "memory/collection/collection.h"
#include "memory/departure_log.h"
#include "memory/entry.h"
#include "memory/eviction/registry.h"
#include "memory/hit_log.h"
#include "memory/table.h"
#include "memory/tag_purges.h"
#include "memory/tier.h"
#include "memory/timer_wheel.h"

namespace forebay::memory {

class Shard;

// Makes room when the shards together exceed their limit. Shards implements it.
class Relief {
 public:
  virtual ~Relief() = default;
  // The shard `asking` has added `bytes` to Common::used, which is above the limit now, and holds its lock.
  // It will give `about_to_free` bytes back by itself. False: there is no room, and no entry may be evicted.
  virtual bool make_room(Shard& asking, std::size_t bytes, std::size_t about_to_free) = 0;
};

// What the shards of one tier share. The numbers are atomics of relaxed order, because no number says
// anything about another: a write that wants room looks at what its own fetch_add on `used` returned.
struct Common {
  Common(Instant start, Count what) : base(start), count(what) {}
  const TimeBase base;
  const Count count;
  TagPurges tags;
  Relief* relief = nullptr;                 // fixed before the first operation
  DepartureObserver* departures = nullptr;  // likewise; null: nobody
  std::atomic<std::size_t> limit{0};        // bytes; 0: unbounded
  std::atomic<std::size_t> max_value{0};    // bytes; 0: unbounded
  std::atomic<std::size_t> fixed{0};        // bytes that empty shards take
  std::atomic<std::size_t> cleared{0};      // bytes of cleared tables and entries that are still to be freed
  alignas(64) std::atomic<std::size_t> used{0};
};

struct ShardCounters {
  std::uint64_t evicted = 0;
  std::uint64_t expired = 0;
  std::uint64_t too_large = 0;
  std::uint64_t refused_full = 0;
  std::vector<SpaceEntries> by_space;
};

// Reading without the lock. Most reads are of small values, and those take no lock. Such a reader reads the
// sequence number, copies the entry (words.h says how), and reads the sequence number again. The number is
// odd while somebody writes to the table or to an entry, and it is another one afterwards. So if both reads
// gave the same even number, the copy is good; otherwise the reader throws the copy away.
//
// A reader without the lock can't tell the policy of its hit. It leaves a note in a log (hit_log.h). Whoever
// takes the lock next hands the notes to the policy before doing anything else. So a thread that is alone
// sees its entries leave in exactly the order in which it used them.
//
// Three kinds of readers take the lock after all: those of values that are held by reference, because the
// reference count lies elsewhere; those that find an expired entry, because it has to be removed; and those
// that were disturbed by writers several times.
//
// Visitors. Calls may nest: under a Tier::Guard, a visitor may call the shard again and erase or replace the
// entry that an outer visitor is looking at. Therefore an entry that leaves during a visit is only set aside,
// and is freed when the outermost visitor has returned.
class alignas(64) Shard {
  // The members that readers without the lock look at come first and share cache lines with nothing that is
  // written under the lock.

  // The sequence number: see above. It is written with relaxed and release order. That suffices, because a
  // writer changes it before it stores any word with release order, and a reader looks at it again after it
  // has loaded its words with acquire order (words.h).
  std::atomic<std::uint64_t> sequence_{0};
  Table table_ GUARDED_BY(mutex);
  [[no_unique_address]] HitLog hits_;
  // Copies of the policy's hit_is_settled and repeats_settle (registry.h), by which readers without the lock
  // decide whether a hit needs a note. Relaxed order: one note too many or too few does no harm.
  std::atomic<bool> repeats_settle_{false};
  std::atomic<bool (*)(std::uint8_t)> hit_is_settled_{nullptr};

 public:
  Shard(Common& common, const PolicyRow& policy, const PolicyOptions& options, std::size_t departures);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  alignas(64) mutable Mutex mutex;

  enum class Answer : std::uint8_t { kHit, kMiss, kNeedsLock };
  // The quickest read: find() for small entries (small_read.h) without the lock. kNeedsLock: it could not
  // tell and has visited nothing; find_unlocked() may know. `now_ns` is TimeBase::ns(now).
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
  // find() without the lock, for entries that find_small() doesn't take. kNeedsLock: it could not tell and
  // has visited nothing.
  Answer find_unlocked(std::uint64_t hash, std::string_view key, Instant now,
                       FunctionRef<void(const EntryView&)> visit, Touch touch);

  bool find(std::uint64_t hash, std::string_view key, Instant now, FunctionRef<void(const EntryView&)> visit,
            Touch touch) REQUIRES(mutex);
  // Between these two calls, readers without the lock fail. The calls nest.
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
  // As Tier::edit().
  using Edit = FunctionRef<std::optional<Stamp>(const EntryView*, Collection&)>;
  PutOutcome edit(std::uint64_t hash, std::string_view key, Instant now, std::size_t room, Edit edit)
      REQUIRES(mutex);
  bool erase(std::uint64_t hash, std::string_view key, Instant now, Departure why) REQUIRES(mutex);
  void clear() REQUIRES(mutex);
  std::optional<Departure> departure(std::uint64_t hash, std::string_view key) const REQUIRES(mutex);
  std::optional<unsigned> frequency(std::uint64_t hash, std::string_view key) REQUIRES(mutex);

  // Moves the expiries that were given as times of the wall clock. O(n) of this shard.
  void move_wall_times(Instant now, Duration by) REQUIRES(mutex);

  // Visits one bucket's live entries; returns Table's next cursor, and how many it visited in `visited`.
  std::uint64_t scan(std::uint64_t cursor, Instant now, FunctionRef<void(const EntryView&)> visit,
                     std::size_t& visited) REQUIRES(mutex);
  // Visits a live entry of the chain that `chance` selects, or of the next chain that has one. O(chains)
  // where nearly all are empty.
  bool random(Instant now, std::uint64_t chance, FunctionRef<void(const EntryView&)> visit) REQUIRES(mutex);

  // Frees what was cleared, then frees what has expired, then grows or shrinks the table to the number of
  // entries, then moves entries together so that memory can be given back. Stops after about `budget` steps.
  // Returns the steps taken: less than `budget` when nothing more is due.
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
  Spans spans() const REQUIRES(mutex) {
    const std::size_t held = slabs_.held() + nodes_.held();
    return {held, held - slabs_.allocated() - nodes_.allocated()};
  }
  // Bytes given back since the start: how much has churned. Readable without the lock.
  std::size_t given_back() const { return given_back_.load(std::memory_order_relaxed); }

  // For tests. Recounts from the table what counters, bytes, wheel and policy say, and returns the first that
  // differs; empty if none does. To count the policy's entries it takes all victims and inserts them again.
  // O(n).
  std::string inconsistency() REQUIRES(mutex);

 private:
  // As long as a Visit exists, entries that leave are set aside and not freed.
  class Visit;
  // begin_writing() and end_writing() as a scope: around every change that a reader without the lock must not
  // see half done.
  class Writing;

  // Leaves a note of a hit, unless the policy would not change anything for it. `stripe` is this thread's.
  [[gnu::always_inline]] void report(HitLog::Stripe& stripe, HitLog::Hit hit, Entry::Glance::Use use,
                                     std::uint32_t seconds);
  // The same where the stripe is full.
  void report_full(HitLog::Stripe& stripe, HitLog::Hit hit, std::uint32_t seconds);
  // Hands the notes of hits to the policy.
  void take_hits() REQUIRES(mutex);
  void follow_policy(const PolicyRow& row, const PolicyOptions& options);

  // What one clear() took out. Entries that own memory outside of their block must be freed one by one; the
  // blocks of all others are freed by whole spans.
  struct Cleared {
    Slabs slabs;
    NodeMemory nodes;
    Table table;
    Ref set_aside;           // list of entries of these slabs that were set aside during visits
    std::size_t owners;      // entries not yet freed that own more than their block
    std::size_t bytes;       // its part of cleared_bytes_
    std::size_t node_bytes;  // what of them is its nodes'
  };
  // Frees some of it and returns the steps that this was worth.
  std::size_t free_some(Cleared& cleared) REQUIRES(mutex);

  // The key's entry, and its stamp in `stamp`; null if there is none. One that has expired, or of which a tag was
  // purged, is removed here.
  Entry* live(std::uint64_t hash, std::string_view key, Instant now, Stamp& stamp) REQUIRES(mutex);
  PutOutcome decide_and_write(std::uint64_t hash, std::string_view key, Instant now,
                              FunctionRef<Change(const EntryView*)> decide) REQUIRES(mutex);
  // Gives an entry these tags in place of its marked ones.
  PutOutcome retag(std::uint64_t hash, std::string_view key, Entry& entry, std::string_view tags,
                   const Stamp& stamp, Instant now) REQUIRES(mutex);
  PutOutcome replace(std::uint64_t hash, std::string_view key, Entry* old, Change& change, Instant now)
      REQUIRES(mutex);
  // Gives the key this payload and stamp: writes over `old` if it fits there, else makes a new entry.
  enum class Room : std::uint8_t { kToBeMade, kReserved };
  PutOutcome store(std::uint64_t hash, std::string_view key, Entry* old, const Payload& payload,
                   const Stamp& stamp, Instant now, Room room = Room::kToBeMade) REQUIRES(mutex);
  void rewrite(Entry& entry, const Entry::Plan& plan, const Payload& payload, const Stamp& stamp, Instant now)
      REQUIRES(mutex);
  bool hold(Entry& entry, const Value& value) REQUIRES(mutex);
  bool revalue(Entry& entry, std::string_view bytes, Instant now) REQUIRES(mutex);
  PutOutcome edit_and_write(std::uint64_t hash, std::string_view key, Instant now, Room room, Edit edit)
      REQUIRES(mutex);
  // Has an entry keep other bytes of a large collection that stays one.
  void keep_nodes(Entry& entry, std::string_view bytes) REQUIRES(mutex);

  bool purged(const Entry& entry) const { return common_.tags.purged(entry.tags()); }
  // Removes an entry of which a tag was purged, and says so.
  void leave_purged(Entry& entry, std::uint64_t hash) REQUIRES(mutex);
  // Removes such entries of some buckets. Returns how many buckets it looked at.
  std::size_t sweep_purged(std::size_t buckets) REQUIRES(mutex);

  void link(Entry& entry) REQUIRES(mutex);    // into wheel and counters
  void unlink(Entry& entry) REQUIRES(mutex);  // out of them
  // Takes an entry out of everything but the policy, which has let go of it already.
  void leave(Entry& entry, std::uint64_t hash, Departure why) REQUIRES(mutex);
  void dispose(Entry& entry) REQUIRES(mutex);  // free, or set aside while visited
  void destroy(Entry& entry) REQUIRES(mutex);  // requires: nothing refers to it any more
  std::size_t free_cleared(std::size_t steps) REQUIRES(mutex);
  // Leaves the nodes of an entry's collection to be freed by and by.
  void abandon_nodes(std::string_view collection) REQUIRES(mutex);
  // Frees so many abandoned nodes, unless somebody may be looking at them. Returns how many.
  std::size_t free_nodes(std::size_t most) REQUIRES(mutex);
  void count_nodes() REQUIRES(mutex);  // counts what nodes take by now
  bool may_free_cleared() const REQUIRES(mutex) { return !cleared_.empty() && !cleared_is_visited_; }
  std::size_t rehash(std::size_t buckets) REQUIRES(mutex);  // returns how many it split or merged
  // Moves up to `entries` entries together if that gives memory back. Returns how many.
  std::size_t compact(std::size_t entries) REQUIRES(mutex);
  // Makes the moves that departures have left due (moves_due_), at most so many.
  void tidy(std::size_t most) REQUIRES(mutex);
  // The counters are written under the lock only, so a load and a store make an addition. Relaxed order is
  // enough for those who read them without the lock to choose a shard (see also Common).
  //
  // Adds to bytes_ only: Common::used has them already.
  void add_bytes(std::size_t bytes) REQUIRES(mutex) {
    bytes_.store(bytes_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  }
  // Subtracts from bytes_ and from Common::used.
  void give_back(std::size_t bytes) REQUIRES(mutex) {
    bytes_.store(bytes_.load(std::memory_order_relaxed) - bytes, std::memory_order_relaxed);
    given_back_.store(given_back_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
    common_.used.fetch_sub(bytes, std::memory_order_relaxed);
  }
  EntryView view(const Entry& entry, const Stamp& stamp, std::uint32_t now_seconds) const {
    return {entry.key(), entry.bytes(),    entry.shared(),
            stamp,       entry.revision(), entry.accessed(common_.base, now_seconds)};
  }

  // Answers the policy's questions about entries.
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
  // Of an entry that is written now: counts the shard's writes, and has the type in its lowest bits. Never 0,
  // which is for entries that have left, since no type is 0.
  std::uint32_t next_revision(EntryType type) REQUIRES(mutex) {
    last_revision_ += 1u << EntryView::kTypeBits;
    return last_revision_ | static_cast<std::uint32_t>(type);
  }
  std::size_t fixed_bytes() const REQUIRES(mutex);  // what the shard takes without table, entries and policy
  // What counts against the limit: bytes, or entries. The nodes of collections are counted by count_nodes().
  std::size_t weight(const Entry& entry) const { return count_bytes() ? entry.charge_without_nodes() : 1; }
  std::size_t weight(std::size_t bytes) const { return count_bytes() ? bytes : 0; }
  bool count_bytes() const { return common_.count == Count::kBytes; }
  // Counts what the policy takes by now: its ghosts, sketches and heaps grow and shrink.
  void count_policy() REQUIRES(mutex);

  Common& common_;
  unsigned writers_ GUARDED_BY(mutex) = 0;
  const Facts facts_;
  std::atomic<const PolicyRow*> policy_row_;  // written under the lock; relaxed, since rows are constants
  PolicyOptions policy_options_ GUARDED_BY(mutex);
  std::unique_ptr<EvictionPolicy> policy_ GUARDED_BY(mutex);
  Slabs slabs_ GUARDED_BY(mutex);                      // where the table's entries lie, and those set aside
  unsigned visits_ GUARDED_BY(mutex) = 0;              // visitors inside, nested ones counted
  bool decided_ GUARDED_BY(mutex) = false;             // the innermost one has returned: room is being made
  bool cleared_is_visited_ GUARDED_BY(mutex) = false;  // cleared_ may hold an entry that a visitor looks at
  Ref set_aside_ GUARDED_BY(mutex) = 0;                // to be freed when the last visitor leaves
  std::uint64_t changes_ GUARDED_BY(mutex) = 0;  // writes of any kind; tells whether a nested call made one
  std::uint32_t last_revision_ GUARDED_BY(mutex) = 0;  // without a type
  std::size_t moves_due_ GUARDED_BY(mutex) = 0;        // see tidy()
  NodeMemory nodes_ GUARDED_BY(mutex);                 // of the table's collections, and of abandoned ones
  std::vector<TreeRoot> abandoned_ GUARDED_BY(mutex);  // trees that no entry has any more
  std::size_t node_bytes_ GUARDED_BY(mutex) = 0;       // what of bytes_ is the nodes'
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
  // The sweep for purged tags: where it is, the moment that it looks for, and up to which all have been found.
  std::uint64_t sweep_at_ GUARDED_BY(mutex) = 0;
  std::uint64_t sweep_for_ GUARDED_BY(mutex) = 0;
  std::uint64_t swept_ GUARDED_BY(mutex) = 0;
  std::size_t tagged_ GUARDED_BY(mutex) = 0;         // entries with tags, those set aside included
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
