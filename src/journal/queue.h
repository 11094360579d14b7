#pragma once

// The writes that the databases don't have yet: by key, coalesced, in memory, each also in the journal. Reads
// are merged with what is here, so that every read sees every acknowledged write whatever the cache forgot.
//
// A lane is a stream of writes of one source, in the journal's order; a key is always in the same one. A
// lane's writes gather in generations: one that is closed goes to the database as a whole, in one
// transaction, and then the lane's position in the ledger is the generation's last number. A generation
// closes when it holds `batch` keys of some namespace, when what it writes comes to `bytes`, or when the
// flusher takes it.
//
// Thread-safe, with one rule: append(), of() and settle() of one key are called under the caller's lock of
// that key, which is what makes a value that was merged and then stored a true one. Locks of the queue are
// taken inside that one, the journal's inside the queue's.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "forebay/clock.h"
#include "journal/batch.h"
#include "journal/effect.h"
#include "journal/journal.h"

namespace forebay::journal {

// How a namespace's writes gather.
struct FlushRule {
  std::chrono::milliseconds every{1000};  // a write waits no longer for others
  std::size_t batch = 500;                // keys of a generation, at least 1
  // Of what a generation writes; the write that reaches it is the last, so it may be exceeded by that one.
  std::size_t bytes = std::size_t{1} << 20;
  bool operator==(const FlushRule&) const = default;
};

// What is pending for one key.
struct PendingKey {
  std::vector<Step> steps;  // all generations', in order, coalesced
  // A transaction with some of them has been sent: whether a load sees it can't be known before settle().
  bool applying = false;
  std::uint64_t ops = 0;
  Instant since{};
  std::uint64_t last = 0;  // the newest's number
  // Why the source takes no writes of this journal (Queue::refuse()), and so perhaps never these; empty: it does.
  std::string refused;
};

struct PendingStats {  // of one namespace
  std::string space;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::optional<Instant> oldest;
};

// The lane of a key: for ever the same for the same number of lanes.
std::uint32_t lane_of(std::string_view key, std::uint32_t lanes);

// Where writes of one namespace go, and how they gather there. Queue::place() looks all of that up once, so
// that append() needn't.
struct Place;

struct Lanes;
class Outbox;

class Queue {
 public:
  // Both are borrowed.
  Queue(Journal& journal, const Clock& clock);
  ~Queue();

  // Takes back what a journal held when it was opened, before the first append(). `applied`: at least how far
  // each lane has been applied; ops up to there are skipped. kInternal: an op's text can't be read, or it is
  // in another lane than lane_of() says.
  Result<void> restore(std::vector<Op> ops, std::vector<Applied> applied);

  // The journal was opened again and holds `ops`; of what was appended, the writes after `last` are lost
  // (Watcher::reopened()). Takes those out, and says whose they were: keys, some perhaps without a lost
  // write. Who waits for a lost write waits for what is left before it. None of them has been sent.
  // kInternal, with nothing changed: an op can't be read.
  Result<std::vector<std::string>> lose(const std::vector<Op>& ops, std::uint64_t last);

  // The place of these settings: the same for the same ones, and good until the queue ends. Made once for a
  // namespace, not for a write: it searches what there is.
  const Place& place(std::string_view source, std::string_view space, const FlushRule& rule,
                     Durability durability);

  // Appends a write to the journal and makes it pending; its number. Errors are Journal::append()'s.
  // Does no input or output; the one system call that it may make wakes the journal's thread. Allocates
  // nothing for a key that the open generation has already, where the write falls into that key's last step.
  struct NewWrite {
    const Place& place;
    std::string_view key;
    std::uint64_t hash;  // hash_bytes() of the key
    Instant now;
    std::string_view receipt = {};  // OpView's
  };
  Result<std::uint64_t> append(const NewWrite& write, Effect effect);
  Result<std::uint64_t> append(const NewWrite& write, const Addition& addition);
  // Writes for the source are refused from here on (kUnavailable), for this reason; empty: they are taken
  // again, but in lanes that have stopped.
  void refuse(std::string_view source, const std::string& why);
  // As Journal::when_committed().
  void when_committed(std::uint64_t first, std::uint64_t last, Kept kept);

  // Nothing: the database has all of the key's writes. Costs one relaxed load while nothing at all is
  // pending. `hash`: hash_bytes() of the key, for who knows it.
  std::optional<PendingKey> of(std::string_view key) const;
  std::optional<PendingKey> of(std::string_view key, std::uint64_t hash) const;
  // The keys with pending writes that begin with this text. O(keys with pending writes).
  std::vector<std::string> keys(std::string_view prefix) const;
  bool empty() const { return records_.load(std::memory_order_acquire) == 0; }

  // Calls `done` once the database has (or has put aside) what is pending for the key now; at once if that is
  // nothing. Hurries the key's lane. The answer false: the queue ended first. The id is 0 when done was
  // called.
  std::uint64_t when_flushed(std::string_view key, std::uint64_t hash, Flushed done);
  void forget(std::uint64_t id);  // does not call it any more, unless it is being called

  std::vector<PendingStats> stats() const;
  // Which of a source's namespaces have something pending; all sources' for an empty name.
  std::vector<std::string> spaces(std::string_view source) const;

  // The key's steps of the generation that is being applied are in the database or put aside. Under the key's
  // lock.
  void settle(std::string_view key, std::uint64_t hash);
  // The flusher's side of it.
  Outbox& outbox();

 private:
  template <class Kind>
  Result<std::uint64_t> append_any(const NewWrite& write, Kind effect);
  std::atomic<std::uint64_t> records_{0};  // pending; counted by the lanes
  std::unique_ptr<Lanes> lanes_;
};

}  // namespace forebay::journal
