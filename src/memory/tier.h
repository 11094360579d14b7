#pragma once

// The memory tier: this process's entries, bounded in bytes.
//
// It knows keys, values and times; it knows nothing of sources, freshness policy or the wire. Keys are hashed
// to shards, each with a lock of its own that is held for the time of one table operation and the caller's
// visitor, never across I/O. Visitors run with the shard locked: they must be brief, must not block, and may
// call back into the tier only for keys whose shards this thread has locked with lock_shards(). Only find()
// takes no lock where the value is small (4 KiB) and nothing is being written: its visitor then sees a copy.
//
// Every `now` and every time in a Stamp is the clock's that open() got. `expires` is kept in whole
// milliseconds, rounded down (so is a `fresh_until` that equals it); other instants are kept exactly.
//
// The limit holds for what is counted: after every call, unless writers on several threads found all other
// shards locked; then by at most one entry for each of them until the next write or tick(). What is counted
// of an entry is what its memory was rounded up to. tick() also keeps what is resident for the tier near the
// limit, by counting to less of it for as long as that needs: what fragmentation takes in its own spans and,
// with jemalloc, its share of the allocator's (objects).
//
// All functions are thread-safe. Costs are O(1) on average unless said otherwise; the table grows and shrinks
// by a bucket or two with a write, so no operation pays for more than its share.

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "forebay/clock.h"
#include "forebay/entry.h"
#include "forebay/function_ref.h"
#include "forebay/result.h"
#include "memory/eviction/policy.h"

namespace forebay::memory {

class Collection;
class TagPurges;

// What the limit counts.
enum class Count : std::uint8_t {
  kBytes,    // of everything the tier allocates
  kEntries,  // each counts 1, whatever its size
};

struct TierOptions {
  std::size_t limit = 0;        // in units of `count`; 0: unbounded
  Count count = Count::kBytes;  // fixed at open()
  // The largest value that is kept: the lesser of these two, where they are set. A share of no limit, or of
  // one that counts entries, bounds nothing.
  std::size_t max_value = 0;     // bytes; 0: not set
  double max_share = 0;          // of the limit, up to 1; 0: not set, and 1/16 if max_value isn't either
  std::string policy = "lru";    // a name of eviction/registry.h
  PolicyOptions policy_options;  // for policies that heed them
  std::size_t shards = 0;  // power of two up to 64, fewer under a small limit; 0: chosen by cores and limit
};

// Entries of one namespace.
struct SpaceEntries {
  std::size_t entries = 0;
  std::size_t with_expiry = 0;  // those with a finite `expires`
  friend bool operator==(const SpaceEntries&, const SpaceEntries&) = default;
};

struct TierStats {
  std::size_t entries = 0;
  std::size_t bytes = 0;      // counted against limit, in its units
  std::uint64_t evicted = 0;  // since start
  std::uint64_t expired = 0;
  std::uint64_t too_large = 0;
  std::uint64_t refused_full = 0;
  std::size_t with_expiry = 0;         // entries with a finite `expires`
  std::vector<SpaceEntries> by_space;  // index: Stamp::space
};

// Is told of entries that leave by themselves, with their shard's lock held: no call back, brief. Thread-safe.
class DepartureObserver {
 public:
  virtual ~DepartureObserver() = default;
  // `why` is kExpired or kEvicted, or, of what had a tag that was purged, kInvalidated. `hash`: the key's hash_bytes().
  virtual void departed(std::string_view key, std::uint64_t hash, Departure why) = 0;
};

class Tier {
 public:
  // Fails on an unknown policy, naming those that exist, and on options that it does not heed. `clock`
  // outlives the tier.
  static Result<std::unique_ptr<Tier>> open(const TierOptions& options, const Clock& clock);
  ~Tier();
  Tier(const Tier&) = delete;
  Tier& operator=(const Tier&) = delete;

  // Before the first operation. The observer outlives the tier's last one.
  void observe(DepartureObserver& observer);

  // Visits the entry if it is there and not past `expires`; an entry past it is removed (kExpired). True:
  // visited.
  bool find(std::string_view key, Instant now, FunctionRef<void(const EntryView&)> visit,
            Touch touch = Touch::kYes);
  // The same for who has the key's hash_bytes() (base/hash.h) already.
  bool find(std::uint64_t hash, std::string_view key, Instant now, FunctionRef<void(const EntryView&)> visit,
            Touch touch = Touch::kYes);
  // A part of find() that takes no lock: visits the bytes of an entry that has nothing but a key up to 31
  // bytes, a value up to 255 and perhaps `expires` (then `fresh_until` is the same or kNever). kMiss: there
  // certainly is no entry of that key. kUndecided: nothing was visited, find() knows. Defined in
  // memory/tier_inline.h.
  enum class SmallAnswer : std::uint8_t { kHit, kMiss, kUndecided };
  template <class Visit>
  [[gnu::always_inline]] SmallAnswer find_small(std::uint64_t hash, std::string_view key, Instant now,
                                                Visit visit);

  // Decides and writes in one step: `decide` gets the live entry or null and returns the Change. Evicts as
  // needed.
  PutOutcome update(std::string_view key, Instant now, FunctionRef<Change(const EntryView*)> decide);
  // The same for who has the key's hash_bytes() already.
  PutOutcome update(std::uint64_t hash, std::string_view key, Instant now,
                    FunctionRef<Change(const EntryView*)> decide);

  // Edits a key's collection in one step. `edit` gets the live entry or null, and the collection that it has; if
  // it has none, one that does not exist yet, which the writer begins. It returns the stamp that a new entry is to
  // have (one whose collection is edited keeps its own), or nothing: it has edited nothing. A collection that has
  // become empty leaves. `room`: bytes that the edit may add, at most (edit_room()); the tier makes room for so
  // many first, and kFull says that it could not and `edit` was not called. 0: it adds nothing. `edit` must not
  // call the tier.
  PutOutcome edit(std::uint64_t hash, std::string_view key, Instant now, std::size_t room,
                  FunctionRef<std::optional<Stamp>(const EntryView*, Collection&)> edit);
  // What adding so many elements with so many bytes of text may take.
  static std::size_t edit_room(std::size_t elements, std::size_t bytes);

  // Shorthands of update().
  PutOutcome put(std::string_view key, std::string_view bytes, const Stamp& stamp, Instant now);
  PutOutcome put(std::string_view key, Value value, const Stamp& stamp, Instant now);
  // Removes an entry; `why` goes to the departure log. True: one was there and not expired.
  bool erase(std::string_view key, Instant now, Departure why);

  // What has a tag that is purged here is gone from then on. O(1) for the caller; memory is given back by tick(),
  // which tells the observer of departures (kInvalidated).
  TagPurges& tags();
  // As of when a value is true that is read from its source from here on (tag_purges.h).
  const TagPurges& tags() const;

  // Removes everything. O(1) for the caller apart from one lock per shard; memory is given back by tick().
  void clear();

  // The wall clock was stepped: moves the expiries that were given as its times (Stamp::by_wall_clock). Looks at
  // every entry.
  void move_wall_times(Instant now, Duration by);

  // Whether the key's entry left recently, and why; nothing if it was never here or that is forgotten (a
  // bounded, fixed-size log per shard). A key that is present has no departure.
  std::optional<Departure> departure(std::string_view key) const;

  // How often the key's entry was used lately, as a policy counts that ranks entries by it (`lfu`,
  // `volatile-lfu`): 1 to 127. Nothing under other policies and where no entry is.
  std::optional<unsigned> frequency(std::string_view key) const;

  // Holds the shards of these keys (all shards if `all`) for this thread until the guard goes; for multi-key
  // atomicity. Calls of the same thread on those keys go through. One guard per thread at a time. Shards are
  // locked in order.
  class Guard {
   public:
    Guard(Guard&&) noexcept;
    Guard& operator=(Guard&&) = delete;
    ~Guard();

   private:
    friend class Tier;
    explicit Guard(Tier& tier, std::uint64_t mask);
    Tier* tier_;
    std::uint64_t mask_;
  };
  Guard lock_shards(std::span<const std::string_view> keys, bool all = false);

  // The right to lock shards one after the other, as they are met, for a thread that can't say before which it
  // will need. One such at a time; no Guard is made meanwhile. Calls of the same thread on shards that are held
  // go through.
  class Alone {
   public:
    Alone(Alone&& other) noexcept : tier_(std::exchange(other.tier_, nullptr)) {}
    Alone& operator=(Alone&&) = delete;
    ~Alone();
    void lock(std::string_view key);
    void lock_all();

   private:
    friend class Tier;
    explicit Alone(Tier& tier) : tier_(&tier) {}
    Tier* tier_;
  };
  // Nothing: another has it, or a Guard is in force.
  std::optional<Alone> try_alone();
  // Hints for who would rather not wait: whether somebody has that right, and whether this key's shard is held.
  bool locked_alone() const;
  bool locked_alone(std::string_view key) const;

  // One step over the table: visits about `count` entries and returns the next cursor, 0 at the end. An entry
  // that is present during the whole iteration is visited at least once, whatever is resized meanwhile.
  // O(count).
  std::uint64_t scan(std::uint64_t cursor, std::size_t count, Instant now,
                     FunctionRef<void(const EntryView&)> visit);

  // Visits an entry chosen at random; false when empty.
  bool random(Instant now, std::uint64_t chance, FunctionRef<void(const EntryView&)> visit);

  // Active expiry and other upkeep; call about every 10 ms to 100 ms. Frees what is due in bounded steps
  // (about `budget` entries a call) without holding a shard for long; returns true while more is due.
  bool tick(Instant now, std::size_t budget = 10'000);

  // Changes the limit or the policy of a running tier without losing entries (beyond what the limit forces
  // out over the next ticks). An unknown policy, or a limit too small for the shards there are, is an error
  // and changes nothing. `shards` is ignored. A new policy takes the entries over in the order of their last
  // use; O(n log n), shard by shard.
  Result<void> reconfigure(const TierOptions& options);
  TierOptions options() const;

  TierStats stats() const;
  std::size_t size() const;  // entries, including expired ones that tick() has not reached

 private:
  struct Impl;
  explicit Tier(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace forebay::memory
