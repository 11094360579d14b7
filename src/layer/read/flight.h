#pragma once

// Flights: one load of one key in progress, shared by all who ask meanwhile; and the fence, which keeps what
// a load read before an invalidation or a write from being stored after it.
//
// The fence, for one node (consistency.md R2, R6, R7, L5, L7, X1, X2, X7, X8). A load reads the source at
// some moment between start() and land(). Whoever changes a key calls fence() after the change is visible
// at the source: a flight that has started may have read the old value, so it is marked, taken out of the
// table (later readers open a new one), and its result answers those who joined before and is stored nowhere.
// A flight that has not started will read the new value and is left alone. Storing happens inside land()
// and dropping inside fence(), both under the key's lock here, so no interleaving lets an old value in after
// the drop.
//
// Writes of one key queue up behind each other, so that two writes commit and store in the same order (X1). A
// change that a feed reports while a write is in progress is remembered and keeps that write's value out
// unless the value is proved to include it.
//
// Raising a namespace's epoch fences all its loads at once, without touching them: what started under another
// epoch is not stored, and not joined either.
//
// Writes behind. A load of a key whose pending writes are just being applied may have read the row before or
// after them, and nobody can say which: merged with them it could count an addition twice. So a load that any
// part of an apply overlapped answers nobody: its flight stays open and is sent again once the apply is over.
//
// Thread-safe: the table is sharded by key hash; lock order is this table's shard, then the memory tier's
// shard.

#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/executor.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "forebay/function_ref.h"
#include "forebay/layer.h"
#include "layer/space.h"

namespace forebay::layer {

// What a write behind that needs the value does with it: runs under the key's lock when a load has come in,
// and makes the value what it is after the write.
using Within = std::move_only_function<void(std::optional<Value>&)>;

// One reader that waits for a flight.
struct Waiter {
  ReadCallback done;
  Instant soft = kNever;  // from here on a stale copy will do
  Instant hard = kNever;  // from here on the answer is an error
  bool stale_ok = true;   // a stale copy is better than an error (level `any` only, rule R9)
  Within within = {};     // before `done`, if the load succeeds
};

// One call to the source, shared by the flights whose keys it loads.
struct SourceCall {
  std::shared_ptr<CancelFlag> cancel = std::make_shared<CancelFlag>();
  // Flights whose result somebody waits for or that may be stored, and one for the caller until all flights
  // of the call have started. At 0 the call is cancelled.
  std::atomic<std::size_t> wanted{1};
};

struct Flight {
  Flight(std::string key_in, std::uint64_t hash_in, Space& space_in, KeyFields fields_in, bool background_in)
      : key(std::move(key_in)),
        hash(hash_in),
        space(space_in),
        fields(std::move(fields_in)),
        background(background_in) {}

  const std::string key;
  const std::uint64_t hash;
  Space& space;
  const KeyFields fields;

  // Guarded by the lock of the key's shard in the FlightTable.
  bool background;       // nobody waits: behind all foreground loads
  bool started = false;  // the source may have been read
  bool fenced = false;   // its result must not be stored
  bool settled = false;
  std::uint32_t epoch = 0;    // of the namespace, when it started
  std::uint32_t applies = 0;  // FlightTable's count when it started
  Instant started_at{};
  std::vector<Waiter> waiters;
  std::shared_ptr<SourceCall> call;
  Instant timer_at = kNever;  // when the timer for the waiters' deadlines is due
  std::uint64_t timer_id = 0;
};
using FlightPtr = std::shared_ptr<Flight>;

enum class Urgency : std::uint8_t {
  kForeground,  // somebody waits: a load queued in the background is moved on
  kBackground,  // refreshing, warming: behind foreground loads
};

// What a write learns when it ends about changes that happened meanwhile.
struct WriteFence {
  bool fenced = false;         // the key changed in an unknown way: store nothing
  std::uint64_t evidence = 0;  // store only a value that includes this change
};

// The same for the apply of a key's writes behind.
struct ApplyFence {
  WriteFence changes;
  std::uint32_t epoch = 0;  // of the namespace when it began
};

class FlightTable {
 public:
  // Calls that nobody wants any more are cancelled on `scheduler`'s threads: telling a database may take a
  // while.
  explicit FlightTable(Scheduler& scheduler) : scheduler_(scheduler) {}

  enum class Join : std::uint8_t {
    kAny,    // any flight of the key will do
    kFresh,  // only one that has not started: its source read must begin after now (rule R8)
  };
  struct Joined {
    FlightPtr flight;       // null: declined by `want`
    bool opened = false;    // new: the caller must send it on its way
    bool promoted = false;  // was a background load that had not started: send it again, now in front
  };

  // Joins the key's flight or opens one. `look` runs under the key's lock before that: returning true means
  // that the answer is at hand after all and no flight is wanted. `waiter` is consumed unless the result's
  // flight is null.
  Joined join(std::string_view key, std::uint64_t hash, Space& space, Join kind, Urgency urgency,
              FunctionRef<KeyFields()> fields, Waiter* waiter, FunctionRef<bool()> look);
  // Opens a background flight unless the key has one, or a load of it failed less than its throttle ago, or
  // `wanted`, which runs under the key's lock, says that there is no need any more.
  FlightPtr open_background(std::string_view key, std::uint64_t hash, Space& space, Instant now,
                            FunctionRef<KeyFields()> fields, FunctionRef<bool()> wanted);

  // The source is about to be asked. False: it already was, or the flight is settled; skip it.
  bool start(Flight& flight, Instant now, const std::shared_ptr<SourceCall>& call);
  // One holder less wants the call's result.
  void release(const std::shared_ptr<SourceCall>& call);

  struct Settled {
    std::vector<Waiter> waiters;  // for the caller to answer, without the lock
    bool fenced = false;
    bool open = false;    // it stays open
    bool again = false;   // and is to be queued once more
    bool unseen = false;  // it waits for an apply whose beginning was not seen: its end won't be either
    std::uint64_t timer_id = 0;
  };
  // Ends a flight whose load failed; no background load of the key until `retry_at`.
  Settled fail(Flight& flight, Instant retry_at);
  // What becomes of a load that has come in. `decide` runs under the key's lock, fenced or not.
  enum class Landing : std::uint8_t {
    kSettle,  // it ends
    kAgain,   // it stays open and is asked again at once
    kPark,    // it stays open and is asked again when the apply that the key is in ends
  };
  struct Seen {
    bool fenced = false;      // the value must not be stored
    bool overlapped = false;  // an apply of the key began or ended since the flight started
    bool writing = false;     // a write of the key has the turn (begin_write)
    std::vector<Waiter>& waiters;
  };
  Settled land(const FlightPtr& flight, FunctionRef<Landing(const Seen&)> decide);

  // Something about the key changed, visible at the source from now on: fences its flight and, under the same
  // lock, runs `drop`. `evidence`: the change's number, 0 if unknown. Returns whether a flight was fenced.
  bool fence(std::string_view key, std::uint64_t hash, std::uint64_t evidence, FunctionRef<void()> drop);

  // Takes the waiters whose hard time has come, and those whose soft time has come if `soft_ok` (called
  // without them removed) says a stale copy is at hand. Sets the next deadline (kNever: none).
  std::vector<Waiter> take_due(Flight& flight, Instant now, bool soft_ok, Instant& next);
  // Registers the timer for the earliest deadline among the waiters; returns when it must fire, kNever if one
  // early enough is set already. The caller then schedules and reports the id by set_timer().
  Instant arm(Flight& flight);
  std::uint64_t set_timer(Flight& flight, std::uint64_t id);

  // Whether a load of the key failed recently: until then neither background loads nor stale readers ask
  // again.
  bool throttled(std::string_view key, std::uint64_t hash, Instant now);
  // Whether the key has a flight, and whether it has started.
  std::optional<bool> in_flight(std::string_view key, std::uint64_t hash);

  // Queues a write of the key: true: begin now; false: `start` runs when the writes before it have ended.
  bool begin_write(std::string_view key, std::uint64_t hash, Task& start);
  // Ends the write that runs; returns the next one's task, if any. `committed`: it happened, or may have:
  // loads that have started are fenced and `store` decides under the key's lock what becomes of the cached
  // copy.
  Task end_write(std::string_view key, std::uint64_t hash, bool committed,
                 FunctionRef<void(const WriteFence&)> store);

  // Runs `act` under the key's lock. `writing`: a write of the key has the turn (begin_write).
  void with_key(std::string_view key, std::uint64_t hash, FunctionRef<void(bool writing)> act);
  // Whoever was under a key's lock when this was called no longer is. O(shards).
  void pass_all_locks();
  // The transaction that applies the key's pending writes is about to be sent.
  void begin_apply(std::string_view key, std::uint64_t hash, std::uint32_t epoch);
  // It is over; `settle` decides under the key's lock what becomes of the cached copy (null: the beginning
  // was not seen). Returns flights that waited for that, for the caller to queue again.
  std::vector<FlightPtr> end_apply(std::string_view key, std::uint64_t hash,
                                   FunctionRef<void(const ApplyFence*)> settle);

  // Takes the flights that wait for an apply of the key, for the caller to queue again.
  std::vector<FlightPtr> unpark(std::string_view key, std::uint64_t hash);

  // Settles everything as cancelled; returns all waiters. For shutdown.
  std::vector<Waiter> close();

  std::size_t size();

 private:
  struct KeyWrites {
    WriteFence fence;
    std::deque<Task> queue;
  };
  struct alignas(64) Shard {
    Mutex mutex;
    std::unordered_map<std::string, FlightPtr, StringHash, std::equal_to<>> flights GUARDED_BY(mutex);
    std::unordered_map<std::string, KeyWrites, StringHash, std::equal_to<>> writes GUARDED_BY(mutex);
    std::unordered_map<std::string, Instant, StringHash, std::equal_to<>> failed GUARDED_BY(mutex);
    // Flights taken out of `flights` by a fence that still have waiters: for close() only.
    std::vector<std::weak_ptr<Flight>> detached GUARDED_BY(mutex);
    std::unordered_map<std::string, ApplyFence, StringHash, std::equal_to<>> applies GUARDED_BY(mutex);
    std::unordered_map<std::string, std::vector<FlightPtr>, StringHash, std::equal_to<>> parked
        GUARDED_BY(mutex);
    // How many applies have begun and ended, by some bits of the key's hash: a flight that finds another
    // number than when it started was overlapped (or, rarely, a key with the same bits was). Empty until the
    // first.
    std::vector<std::uint32_t> apply_counts GUARDED_BY(mutex);
  };
  static constexpr std::size_t kShards = 64;
  static constexpr std::size_t kApplyCounts = 256;  // a shard
  static constexpr std::size_t kMaxFailed =
      4096;  // remembered failures per shard; beyond, the oldest knowledge goes

  Shard& shard_of(std::uint64_t hash) { return shards_[hash % kShards]; }
  void detach(Shard& shard, Flight& flight) REQUIRES(shard.mutex);
  static void count_apply(Shard& shard, std::uint64_t hash) REQUIRES(shard.mutex);
  static std::uint32_t apply_count(const Shard& shard, std::uint64_t hash) REQUIRES(shard.mutex);
  static void end(Shard& shard, Flight& flight, Settled& settled) REQUIRES(shard.mutex);
  static std::vector<FlightPtr> unpark_locked(Shard& shard, std::string_view key) REQUIRES(shard.mutex);
  void release_if_unwanted(Flight& flight);
  static bool throttled_locked(Shard& shard, std::string_view key, Instant now) REQUIRES(shard.mutex);

  Scheduler& scheduler_;
  std::array<Shard, kShards> shards_;
};

}  // namespace forebay::layer
