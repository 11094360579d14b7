#pragma once

// The inside of journal/queue.h, which queue.cc and flusher.cc share: lanes, their generations, and the index
// from keys to their parts of them.
//
// One lock a lane, over all sources: Slot::mutex guards everything in the slot, its streams included. What a
// Batch holds does not change any more once its generation has been taken, so the flusher reads it without
// the lock.

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/mutex.h"
#include "forebay/function_ref.h"
#include "journal/queue.h"

namespace forebay::journal {

struct Queue::State {
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
  // A lane of one source.
  struct Stream {
    std::string source;
    std::uint32_t lane = 0;
    std::uint64_t position = 0;  // the ledger's, as far as known
    std::uint64_t restored = 0;  // the last number that restore() brought
    bool known = false;          // the ledger has told the position
    bool confirmed = false;      // and a batch went through: none of an earlier process's can any more
    bool stopped = false;        // for good: the position was wrong
    bool busy = false;           // the first generation is the flusher's
    std::uint64_t hurry = 0;     // what is numbered up to here does not wait for more
    Instant armed = kNever;      // when the flusher looks here next
    std::deque<std::unique_ptr<Generation>> generations;            // oldest first; only the last may be open
    std::multimap<std::uint64_t, std::shared_ptr<Waiter>> waiters;  // by the number they wait for
  };
  struct Waiter {
    std::uint64_t id = 0;
    std::vector<std::pair<Stream*, std::uint64_t>> wanted;
    Flushed done;
  };
  struct Part {
    Stream* stream;
    Generation* generation;
    std::uint32_t item;   // of its batch
    std::uint32_t share;  // of its shares
  };
  // What the closed generations of a key come to that has many: merged once, not for every read. Gone when
  // one of them is.
  struct Merged {
    PendingKey pending;
    std::size_t parts = 0;  // the first so many
  };
  static constexpr std::size_t kManyParts = 8;
  struct Slot {
    mutable Mutex mutex;
    // In order of their first write; never empty.
    std::unordered_map<std::string, std::vector<Part>, StringHash, std::equal_to<>> keys GUARDED_BY(mutex);
    std::unordered_map<std::string, Merged, StringHash, std::equal_to<>> merged GUARDED_BY(mutex);
    std::map<std::string, std::unique_ptr<Stream>, std::less<>> streams GUARDED_BY(mutex);
    Stream* recent GUARDED_BY(mutex) = nullptr;  // the one that was asked for last
    std::map<std::uint64_t, std::shared_ptr<Waiter>> waiters GUARDED_BY(mutex);
    std::uint64_t last GUARDED_BY(mutex) = 0;  // the last number appended here
    std::uint64_t next_waiter GUARDED_BY(mutex) = 1;
    // Has the flusher look at a stream at that time. Called under the lock: it may only queue the work.
    std::function<void(Stream&, Instant)> wake GUARDED_BY(mutex);
  };

  State(Queue& queue_in, Journal& journal_in, const Clock& clock_in)
      : queue(queue_in), journal(journal_in), clock(clock_in), slots(journal_in.lanes()) {}

  Queue& queue;
  Journal& journal;
  const Clock& clock;
  std::vector<Slot> slots;  // a lane each

  Mutex trim_mutex;
  std::uint64_t trimmed GUARDED_BY(trim_mutex) = 0;

  Slot& slot_of(std::string_view key) {
    return slots[lane_of(key, static_cast<std::uint32_t>(slots.size()))];
  }
  static std::size_t size_of(const Op& op) { return op.key.size() + op.payload.size(); }
  // combine(), and how many bytes the steps write more than before. O(columns), but for a removal, which may
  // swallow many steps. An addition that takes no new step counts as none.
  static std::ptrdiff_t combine_counted(std::vector<Step>& steps, Effect effect, std::uint64_t seq);
  static std::ptrdiff_t combine_counted(std::vector<Step>& steps, const Addition& addition,
                                        std::uint64_t seq);
  static Stream& stream_of(Slot& slot, std::uint32_t lane, std::string_view source) REQUIRES(slot.mutex);
  // Takes a write into the stream's open generation, or into a new one. `take_in` does so with the key's
  // steps, and says how many bytes they write more than before.
  void add(Slot& slot, Stream& stream, const Wanted& wanted, std::uint64_t seq, std::size_t bytes,
           bool restored, FunctionRef<std::ptrdiff_t(std::vector<Step>&)> take_in) REQUIRES(slot.mutex);
  // Has the flusher look at the stream when its first generation is due, unless it will anyway.
  void arm(Slot& slot, Stream& stream) REQUIRES(slot.mutex);
  static bool ready(const Stream& stream, Instant now);

  // ---- The flusher's; without locks held.

  // Every source's streams, those of one source, or one.
  std::vector<Stream*> streams(std::string_view source = {});
  Stream& stream(std::string_view source, std::uint32_t lane);

  // Where the ledger stands when the process starts. `wrong`: not empty where it can't be; the stream stops.
  // `cut`: not 0 where the first generation, which ends there, is partly applied: cut() must follow before
  // anything is sent. `done` are to be called.
  struct Opening {
    std::string wrong;
    std::uint64_t cut = 0;
    std::vector<Flushed> done;
  };
  Opening open(Stream& stream, std::uint64_t position);
  // What is left of the first generation, which `ops` are (of the lane, from position + 1 on; those of other
  // sources are passed over). Its keys stay, some perhaps without steps. kInternal as restore().
  Result<std::shared_ptr<const Batch>> cut(Stream& stream, std::uint64_t position, std::vector<Op> ops);

  // The generation that goes next, if one is ready; the stream then is busy until finish().
  std::shared_ptr<const Batch> take(Stream& stream, Instant now);
  void set_sent(Stream& stream, bool sent);
  // The generation that was taken is not sent: the journal has not kept it.
  void put_back(Stream& stream);
  // The generation that was taken is in the database: the callbacks that waited for it.
  std::vector<Flushed> finish(Stream& stream);
  void stop(Stream& stream);
  void hurry(Stream& stream, std::uint64_t upto);
  // Hurries the source's other lanes as far as they hold writes before `seq`; false: none does.
  bool hurry_before(const Stream& stream, std::uint64_t seq);
  // As Queue::when_flushed(), for all of a stream up to `seq`.
  std::uint64_t wait(Stream& stream, std::uint64_t seq, Flushed done);
  // The last pending number of a stream that has to do with the namespace (empty: any); 0: none.
  std::uint64_t last_of(Stream& stream, std::string_view space);
  void forget(std::uint64_t id);
  void trim();

  // ---- What these are made of.

  // Takes a part's steps into what those before it come to.
  static void merge(PendingKey& pending, const Part& part);
  // Nothing: all its parts are without steps.
  static std::optional<PendingKey> pending_of(Slot& slot, std::string_view key) REQUIRES(slot.mutex);
  static void forget_merged(Slot& slot, std::string_view key) REQUIRES(slot.mutex);
  // Takes the stream's writes after `last` out. `ops`: what the journal holds, `effects`: theirs.
  std::vector<Flushed> lose(Slot& slot, Stream& stream, const std::vector<Op>& ops,
                            const std::vector<Effect>& effects, std::uint64_t last,
                            std::vector<std::string>& keys) REQUIRES(slot.mutex);

  void drop(Slot& slot, Generation& generation) REQUIRES(slot.mutex);
  static std::vector<Flushed> passed(Slot& slot, Stream& stream) REQUIRES(slot.mutex);
  std::uint64_t wait_locked(Slot& slot, std::vector<std::pair<Stream*, std::uint64_t>> wanted, Flushed done)
      REQUIRES(slot.mutex);
};

}  // namespace forebay::journal
