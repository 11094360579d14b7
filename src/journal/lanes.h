#pragma once

// The inside of the queue: its lanes, the generations of pending writes in them, and the index from keys to
// their parts of those. Queue (journal/queue.h) is the side that clients append to and read from, Outbox
// (journal/outbox.h) the side that the flusher takes from; both are this.
//
// There is one lock for a lane, whatever the source: Slot::mutex guards everything in the slot, its streams
// included. Only one slot is locked at a time. What a Batch holds does not change any more once its
// generation has been taken, so the flusher reads it without the lock.

#include <atomic>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/mutex.h"
#include "forebay/function_ref.h"
#include "journal/outbox.h"
#include "journal/queue.h"

namespace forebay::journal {

// A key with its hash_bytes(), to look it up by.
struct HashedKey {
  std::string_view key;
  std::uint64_t hash;
};
struct KeyHash {
  using is_transparent = void;
  std::size_t operator()(const std::string& key) const { return hash_bytes(key); }
  std::size_t operator()(const HashedKey& key) const { return key.hash; }
};
struct KeyEqual {
  using is_transparent = void;
  bool operator()(const std::string& a, const std::string& b) const { return a == b; }
  bool operator()(const HashedKey& a, const std::string& b) const { return a.key == b; }
  bool operator()(const std::string& a, const HashedKey& b) const { return a == b.key; }
};

struct Lanes final : Outbox {
  // A namespace's share of a generation.
  struct Share {
    std::string space;
    std::size_t keys = 0;
    std::uint64_t ops = 0;
    std::size_t bytes = 0;  // of keys and payloads, as the journal counts them
    Instant oldest = kNever;
  };
  struct Generation {
    std::shared_ptr<Batch> batch = std::make_shared<Batch>();
    std::vector<Share> shares;
    std::uint64_t first = 0;  // of its numbers
    std::size_t unsettled = 0;
    std::size_t written = 0;  // bytes of its items
    Instant due = kNever;
    bool closed = false;
    bool restored = false;  // an earlier process appended it
    bool sent = false;
  };

  struct Waiter;
  struct OwnStream : Stream {
    std::uint64_t position = 0;  // the ledger's, as far as known
    std::uint64_t restored = 0;  // the last number that restore() brought
    bool known = false;          // the ledger has told the position
    bool confirmed = false;      // and a batch went through: none of an earlier process's can any more
    bool stopped = false;        // for good: the position was wrong
    std::string refuses;         // why no write is taken; empty: they are
    bool busy = false;           // the first generation is the flusher's
    std::uint64_t hurry = 0;     // what is numbered up to here does not wait for more
    Instant armed = kNever;      // when the flusher looks here next
    std::deque<std::unique_ptr<Generation>> generations;            // oldest first; only the last may be open
    std::multimap<std::uint64_t, std::shared_ptr<Waiter>> waiters;  // by the number they wait for
  };
  struct Waiter {
    std::uint64_t id = 0;
    std::vector<std::pair<OwnStream*, std::uint64_t>> wanted;
    Flushed done;
  };
  struct Part {
    OwnStream* stream;
    Generation* generation;
    std::uint32_t item;   // of its batch
    std::uint32_t share;  // of its shares
  };
  // Of a key with parts in many generations: what its closed ones come to, so that they are not merged anew
  // for every read. Dropped when one of those generations goes.
  struct Merged {
    PendingKey pending;
    std::size_t parts = 0;  // the first so many
  };
  static constexpr std::size_t kManyParts = 8;
  // What there is of one lane.
  struct Slot {
    mutable Mutex mutex;
    // In order of their first write; never empty.
    std::unordered_map<std::string, std::vector<Part>, KeyHash, KeyEqual> keys GUARDED_BY(mutex);
    std::unordered_map<std::string, Merged, KeyHash, KeyEqual> merged GUARDED_BY(mutex);
    // Of each source; once made, a stream stays.
    std::map<std::string, std::unique_ptr<OwnStream>, std::less<>> streams GUARDED_BY(mutex);
    std::map<std::uint64_t, std::shared_ptr<Waiter>> waiters GUARDED_BY(mutex);
    std::uint64_t last GUARDED_BY(mutex) = 0;  // the last number appended here
    std::uint64_t next_waiter GUARDED_BY(mutex) = 1;
    Ready ready GUARDED_BY(mutex);
  };

  // `records_in` counts the writes that are pending. Everything is borrowed.
  Lanes(Journal& journal_in, const Clock& clock_in, std::atomic<std::uint64_t>& records_in);
  ~Lanes() override;
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  Journal& journal;
  const Clock& clock;
  std::atomic<std::uint64_t>& records;
  std::vector<Slot> slots;  // a lane each

  Mutex places_mutex;  // before a slot's
  std::vector<std::unique_ptr<const Place>> places GUARDED_BY(places_mutex);

  Mutex trim_mutex;  // before a slot's
  std::uint64_t trimmed GUARDED_BY(trim_mutex) = 0;

  Slot& slot_of(std::string_view key) {
    return slots[lane_of(key, static_cast<std::uint32_t>(slots.size()))];
  }
  static std::size_t size_of(const Op& op) { return op.key.size() + op.payload.size(); }

  // ---- For the queue.

  // combine(), and how many bytes the steps write more than before. O(columns), but for a removal, which may
  // swallow many steps. An addition that takes no new step counts as none.
  static std::ptrdiff_t combine_counted(std::vector<Step>& steps, Effect effect, std::uint64_t seq);
  static std::ptrdiff_t combine_counted(std::vector<Step>& steps, const Addition& addition,
                                        std::uint64_t seq);
  static OwnStream& stream_of(Slot& slot, std::uint32_t lane, std::string_view source) REQUIRES(slot.mutex);
  const Place& place(std::string_view source, std::string_view space, const FlushRule& rule,
                     Durability durability) EXCLUDES(places_mutex);
  // A write that the journal has.
  struct Added {
    std::string_view space, key;
    std::uint64_t hash;
    Instant now;
    const FlushRule& rule;
    std::uint64_t seq;
    std::size_t bytes;  // of its key and payload
  };
  // One that was in the journal before: it doesn't wait for others.
  static Added added_before(const Op& op, Instant since);
  // Takes a write into the stream's open generation, or into a new one. `take_in` does so with the key's
  // steps, and says how many bytes they write more than before.
  void add(Slot& slot, OwnStream& stream, const Added& added, bool restored_in,
           FunctionRef<std::ptrdiff_t(std::vector<Step>&)> take_in) REQUIRES(slot.mutex);
  // Nothing: all its parts are without steps.
  static std::optional<PendingKey> pending_of(Slot& slot, const HashedKey& key) REQUIRES(slot.mutex);
  static void forget_merged(Slot& slot, const HashedKey& key) REQUIRES(slot.mutex);
  // Takes the stream's writes after `last` out. `ops`: what the journal holds, `effects`: theirs.
  std::vector<Flushed> lose(Slot& slot, OwnStream& stream, const std::vector<Op>& ops,
                            const std::vector<Effect>& effects, std::uint64_t last,
                            std::vector<std::string>& keys) REQUIRES(slot.mutex);

  // ---- For the flusher (Outbox).

  void watch(const Ready& ready) override;
  std::vector<Stream*> streams(std::string_view source) override;
  Stream& stream(std::string_view source, std::uint32_t lane) override;
  std::uint64_t restored(const Stream& stream) override;
  std::uint64_t last_of(const Stream& stream, std::string_view space) override;
  Opening open(Stream& stream, std::uint64_t position, bool fresh) override;
  Result<std::shared_ptr<const Batch>> cut(Stream& stream, std::uint64_t position,
                                           std::vector<Op> ops) override;
  LaneRange enclose(Stream& stream, std::uint64_t upto) override;
  Result<std::shared_ptr<const Batch>> regroup(Stream& stream, std::uint64_t upto,
                                               const std::vector<Op>& ops) override;
  std::shared_ptr<const Batch> take(Stream& stream, Instant now) override;
  bool seize(Stream& stream) override;
  void set_sent(Stream& stream, bool sent) override;
  void put_back(Stream& stream) override;
  std::vector<Flushed> finish(Stream& stream) override;
  void stop(Stream& stream, const std::string& why) override;
  void hurry(Stream& stream, std::uint64_t upto) override;
  bool any_before(const Stream& stream, std::uint64_t seq) override;
  std::uint64_t first_of(std::string_view source) override;
  std::uint64_t wait(Stream& stream, std::uint64_t seq, Flushed done) override;
  void forget(std::uint64_t id) override;
  void trim() override;

  // ---- For both.

  // Has the flusher look at the stream when its first generation is due, unless it will anyway.
  void arm(Slot& slot, OwnStream& stream) REQUIRES(slot.mutex);
  static bool ready(const OwnStream& stream, Instant now);
  // Takes the keys' parts in the generation out.
  static void take_parts(Slot& slot, Generation& generation) REQUIRES(slot.mutex);
  // The same, and its numbers out of what is pending.
  void drop(Slot& slot, Generation& generation) REQUIRES(slot.mutex);
  // Those who waited for what is in the database by now.
  static std::vector<Flushed> passed(Slot& slot, OwnStream& stream) REQUIRES(slot.mutex);
  std::uint64_t wait_locked(Slot& slot, std::vector<std::pair<OwnStream*, std::uint64_t>> wanted,
                            Flushed done) REQUIRES(slot.mutex);

 private:
  // Every stream is one of these.
  static OwnStream& own(Stream& stream) { return static_cast<OwnStream&>(stream); }
  static const OwnStream& own(const Stream& stream) { return static_cast<const OwnStream&>(stream); }
  // Takes a part's steps into what those before it come to.
  static void merge(PendingKey& pending, const Part& part);
};

struct Place {
  std::string source;
  std::string space;  // the namespace
  FlushRule rule;
  Durability durability;
  std::uint32_t id;                        // OpView's: of the source and the namespace
  std::vector<Lanes::OwnStream*> streams;  // the source's, a lane each
};

}  // namespace forebay::journal
