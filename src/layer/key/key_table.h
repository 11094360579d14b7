#pragma once

// What is going on with keys: loads, whose turn it is to write, applies of pending writes, throttles, and
// fences. Reads and writes of a key meet here and nowhere else. What each event does is KeyState's to say;
// this class finds the key's state, locks it, and keeps it for as long as there is something to remember.
//
// The key's lock. Storing a loaded value happens inside land(), dropping a copy inside change(), storing what
// a write returned inside end_write(), taking a write behind inside with_key(): all under the lock of the
// key's shard. That is why no interleaving lets an old value in after a drop.
//
// Raising a namespace's epoch fences all its loads at once, without touching them: what started under another
// epoch is not stored, and not joined either.
//
// Bounds: a state lives as long as its flight, turn, apply or fence. Throttles of keys with nothing else are
// the exception; a shard forgets all of its own when there are kMaxThrottled.
//
// Thread-safe. Sharded by the key's hash. Lock order: a shard here, then the memory tier's shard. Functions
// that callers pass in run under the key's lock and must be brief. All calls take constant time on average,
// unless they say otherwise.

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/executor.h"
#include "base/mutex.h"
#include "forebay/function_ref.h"
#include "layer/key/key_state.h"

namespace forebay::layer {

class KeyTable {
 public:
  // Calls to sources that nobody wants any more are cancelled on `scheduler`'s threads: telling a database
  // may take a while.
  explicit KeyTable(Scheduler& scheduler) : scheduler_(scheduler) {}

  using Joined = KeyState::Joined;
  // Joins the key's flight or opens one. `look` is asked first: true means that the answer is at hand after
  // all. Then no flight is wanted and the one returned is null. `waiter` is moved from unless that happens.
  Joined join(const KeyRef& at, Join kind, Urgency urgency, FunctionRef<KeyFields()> fields, Waiter& waiter,
              FunctionRef<bool()> look);
  // Opens a background flight. Null: the key has a flight, a load of it failed less than its throttle ago, or
  // `wanted` says that there is no need any more.
  FlightPtr open_background(const KeyRef& at, Instant now, FunctionRef<KeyFields()> fields,
                            FunctionRef<bool()> wanted);

  // The source is about to be asked for the flight. False: it was already, or the flight has ended; skip it.
  bool start(Flight& flight, Instant now, const SourceCallPtr& call);
  // One holder less wants the call's result.
  void release(const SourceCallPtr& call);

  // A flight that has ended, or not.
  struct Ended {
    std::vector<Waiter> waiters;  // for the caller to answer, without the lock
    bool fenced = false;
    bool open = false;    // it has not ended: it stays open
    bool again = false;   // and is to be queued once more
    bool unseen = false;  // it waits for an apply whose beginning was not seen: its end won't be either
    std::uint64_t timer_id = 0;
  };
  // Ends a flight whose load failed. No background load of the key begins until `retry_at`.
  Ended fail(Flight& flight, Instant retry_at);

  enum class Landing : std::uint8_t {
    kEnd,    // the flight ends
    kAgain,  // it stays open and is asked again at once
    kPark,   // it stays open and is asked again when the apply that the key is in ends
  };
  struct Seen {
    bool fenced = false;      // the key changed since the load started
    bool overlapped = false;  // an apply of the key began or ended since then
    bool writing = false;     // a write has the key's turn
    const KeyState* key;      // null: nothing else is going on with the key
    std::vector<Waiter>& waiters;

    // Whether a value with this evidence may be stored.
    bool admits(const Evidence& evidence) const {
      return !fenced && (key == nullptr || key->admits(evidence));
    }
  };
  // A load has come in, whose value has this evidence. `decide` says what becomes of the flight.
  Ended land(const FlightPtr& flight, const Evidence& evidence, FunctionRef<Landing(const Seen&)> decide);

  // The key has changed: fences its load and runs `drop`. True: a load was fenced.
  bool change(const KeyRef& at, const ChangeMark& change, Visible visible, FunctionRef<void()> drop);
  // A change that was reported as Visible::kNotYet is visible at the source now.
  void settle(const KeyRef& at, const ChangeMark& change);

  struct Due {
    std::vector<Waiter> waiters;
    Instant next = kNever;   // when others are due
    bool started = false;    // the flight: its load goes on
    bool abandoned = false;  // it had not started and nobody waits any more: it has ended
  };
  // Takes the waiters whose hard time has come, and those whose soft time has come if `soft_ok` says that a
  // stale copy is at hand. Linear in the flight's waiters.
  Due take_due(Flight& flight, Instant now, bool soft_ok);
  // When the flight's timer has to be set to; kNever: a timer that is early enough has been set. The caller
  // sets it and reports its id by set_timer(), which returns the id of one to cancel (0: none). Linear in the
  // flight's waiters.
  Instant arm(Flight& flight);
  std::uint64_t set_timer(Flight& flight, std::uint64_t id);

  // Whether a load of the key failed recently: until then neither background loads nor stale readers ask.
  bool throttled(const KeyRef& at, Instant now);
  // For EXPLAIN: whether the key has a flight, and whether it has started; whether it is unsettled.
  std::optional<bool> in_flight(const KeyRef& at);
  bool unsettled(const KeyRef& at);

  // Puts a write of the key in line. True: begin now; false: `start` runs when the writes before it ended.
  bool begin_write(const KeyRef& at, Task& start);
  // Ends the write that has the turn; returns the next one's task, if any. `committed`: it happened, or may
  // have. Then loads that have started are fenced, and `store` decides what becomes of the cached copy, given
  // the changes that were reported meanwhile.
  Task end_write(const KeyRef& at, bool committed, FunctionRef<void(const Fence&)> store);

  // Runs `act` under the key's lock. `writing`: a write of the key has the turn.
  void with_key(const KeyRef& at, FunctionRef<void(bool writing)> act);
  // Whoever was under a key's lock when this was called no longer is. O(shards).
  void pass_all_locks();

  // The transaction that applies the key's pending writes is about to be sent.
  void begin_apply(const KeyRef& at);
  // It is over. `settle` decides what becomes of the cached copy (null: the beginning was not seen). Returns
  // flights that waited for that, for the caller to queue again.
  std::vector<FlightPtr> end_apply(const KeyRef& at, FunctionRef<void(const KeyState::Apply*)> settle);
  // Takes the flights that wait for an apply of the key, for the caller to queue again.
  std::vector<FlightPtr> unpark(const KeyRef& at);

  // Ends all flights and returns their waiters. For shutdown. O(keys).
  std::vector<Waiter> close();

 private:
  // A key with its hash, so that the table never hashes.
  struct Name {
    std::uint64_t hash;
    std::string text;
  };
  struct NameHash {
    using is_transparent = void;
    std::size_t operator()(const Name& name) const { return name.hash; }
    std::size_t operator()(const KeyRef& at) const { return at.hash; }
  };
  struct NameEqual {
    using is_transparent = void;
    bool operator()(const Name& a, const Name& b) const { return a.hash == b.hash && a.text == b.text; }
    bool operator()(const KeyRef& a, const Name& b) const { return a.hash == b.hash && a.text == b.text; }
    bool operator()(const Name& a, const KeyRef& b) const { return a.hash == b.hash && a.text == b.text; }
  };
  using Keys = std::unordered_map<Name, KeyState, NameHash, NameEqual>;
  struct alignas(64) Shard {
    Mutex mutex;
    Keys keys GUARDED_BY(mutex);
    // Flights that belong to no key any more and still have waiters: for close() only.
    std::vector<std::weak_ptr<Flight>> detached GUARDED_BY(mutex);
    std::size_t throttled GUARDED_BY(mutex) = 0;  // since the shard forgot its throttles
    // How many applies have begun and ended, by some bits of the key's hash. A flight that finds another
    // number than when it started was overlapped; or, rarely, a key with the same bits was, and the flight is
    // asked again for nothing. Empty until the first apply.
    std::vector<std::uint32_t> apply_counts GUARDED_BY(mutex);
  };
  static constexpr std::size_t kShards = 64;
  static constexpr std::size_t kApplyCounts = 256;    // a shard
  static constexpr std::size_t kMaxThrottled = 4096;  // a shard

  Shard& shard_of(std::uint64_t hash) { return shards_[hash % kShards]; }
  static KeyState* find(Shard& shard, const KeyRef& at) REQUIRES(shard.mutex);
  static KeyState& make(Shard& shard, const KeyRef& at) REQUIRES(shard.mutex);
  // Forgets the key if there is nothing to remember.
  static void tidy(Shard& shard, const KeyRef& at) REQUIRES(shard.mutex);
  static void throttle(Shard& shard, const KeyRef& at, Instant until) REQUIRES(shard.mutex);
  // Keeps what close() will need; returns the call to release once the lock is gone.
  static SourceCallPtr note(Shard& shard, KeyState::Effects effects) REQUIRES(shard.mutex);
  static void count_apply(Shard& shard, std::uint64_t hash) REQUIRES(shard.mutex);
  static std::uint32_t apply_count(const Shard& shard, std::uint64_t hash) REQUIRES(shard.mutex);
  static void end(Shard& shard, Flight& flight, Ended& ended) REQUIRES(shard.mutex);

  Scheduler& scheduler_;
  std::array<Shard, kShards> shards_;
};

}  // namespace forebay::layer
