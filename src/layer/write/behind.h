#pragma once

// Writes that are acknowledged once the journal has them and reach the source later (write = "behind").
//
// A write is one step under its key's lock: it is appended to the journal's queue, and the cached copy
// becomes what the source is going to have, where the value before is known: from the copy itself, or because
// the pending writes alone say it. Where it isn't, the copy is dropped, and the next read loads the row and
// merges. The reply follows when the journal has kept the write.
//
// Before anything is written down it is checked: by what the source's table looks like, as far as that is
// known (pending.h: check()); and as far as the value is known: an addition to what is no
// number, or out of 64 bits, is refused as it would be by the source. An addition answers with the new
// number, so it needs the value before: where that is unknown it is loaded first, and the addition runs when
// the load comes in. What only the source can know (constraints, types) it says later, by a dead letter.
//
// A write with an id (WriteOptions::op_id) that has been taken before is answered as it was then, once that
// is kept. Whether it has been is asked before anything else, and again where it would be appended: two that
// come at once may both wait, but only one is written.
//
// Where the journal is full, `when_full` says whether a write is refused or goes through: then it waits, as
// do the key's writes after it, until the source has what is pending for the key.
//
// While a reload takes a namespace elsewhere, its writes are held, and then go where the new configuration
// says.
//
// A write that has to wait for nothing but the journal is decided on the caller's stack (write_at_once), and
// many of them wait for the journal together, by the last one's ticket; any other is kept on the heap until
// it is answered.
//
// `existed` of an answer is what is known without asking the source; false where nothing is.
//
// Thread-safe. Lock order: the key's shard of the flights, then the memory tier's shard, then the queue, or
// the op-ids.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "journal/queue.h"
#include "layer/read/flight.h"
#include "layer/read/read_path.h"
#include "layer/write/op_ids.h"
#include "layer/write/tokens.h"
#include "memory/tier.h"
#include "observe/miss_ratio_curve.h"

namespace forebay::layer {

class BehindPath {
 public:
  // Everything is borrowed.
  struct Rooms {
    journal::Queue& queue;
    memory::Tier& tier;
    FlightTable& flights;
    ReadPath& reads;
    observe::MissRatioCurves& curves;
    const Clock& clock;
    Random& random;
    WriteTokens& tokens;
    // Writes by the configuration in force, and through, this once.
    std::function<void(std::string_view key, Write, WriteCallback, const WriteOptions&)> write;
    std::function<void(Space&, std::string_view key, Write, WriteCallback)> write_through;
    OpIds::Options op_ids;
  };
  explicit BehindPath(Rooms rooms) : rooms_(std::move(rooms)), op_ids_(rooms_.op_ids) {}

  // As Layer::write_at_once(): without a callback, and without allocating once everything has grown. `op_id`:
  // empty for none.
  std::optional<Result<WriteAnswer>> write_at_once(Space& space, std::string_view key, const Write& write,
                                                   Instant now, std::string_view op_id);
  std::optional<AddAnswer> add_at_once(Space& space, std::string_view key, std::int64_t amount, Instant now);
  // Returns whether it is in effect, as Layer::write() does.
  bool write(Space& space, std::string_view key, Write write, WriteCallback done);
  // The same with an id; of a namespace that isn't written behind only what has been written before.
  bool write_once(Space& space, std::string_view key, Write write, std::string_view op_id,
                  WriteCallback done);
  // A dead letter's effect, unchecked: it has been through that.
  void write_again(Space& space, std::string_view key, journal::Effect effect, WriteCallback done);
  // Calls back once the writes with these tickets, and those between, are kept.
  void when_kept(std::uint64_t first, std::uint64_t last, journal::Kept kept) {
    rooms_.queue.when_committed(first, last, std::move(kept));
  }

  OpIds& op_ids() { return op_ids_; }
  const OpIds& op_ids() const { return op_ids_; }
  bool pending(std::string_view key) const { return rooms_.queue.of(key).has_value(); }
  void after_flush(std::string_view key, journal::Flushed done) {
    rooms_.queue.when_flushed(key, hash_bytes(key), std::move(done));
  }

  // From here on the writes of these namespaces wait; none is being taken any more when this returns.
  void hold(const std::vector<Space*>& spaces);
  // Lets them go. `replaced`: those namespaces are not in force any more, and are never written to again.
  void release(const std::vector<Space*>& spaces, bool replaced);

 private:
  struct Order;
  struct Wish;
  struct Known;
  struct Outcome;
  enum class Taken : std::uint8_t { kYes, kRepeated, kRefused, kNeedsValue, kHeld, kNotYet };
  struct Held {
    std::string key;
    Write write;
    WriteCallback done;
    std::string op_id;
  };

  static Order order_of(Space& space, std::string_view key, std::uint64_t hash, const Write& write);
  // One try, under the key's lock. `stale_ok`: a copy whose time is up will do as the value before. `turn`:
  // the key's turn to write (FlightTable::begin_write) is this write's.
  Outcome try_once(Order& order, Instant now, bool stale_ok, bool turn);
  // These run under the key's lock; known() and append() while the key's entry is being decided on.
  Outcome take(Order& order, Instant now, bool stale_ok);
  Known known(const Order& order, const EntryView* entry, Instant now, bool stale_ok) const;
  // Checks and appends, unless that has been done by the order's id; the value before becomes the one after.
  Result<WriteAnswer> append(Order& order, Known& value, Instant now);
  Result<WriteAnswer> append_new(Order& order, Known& value, Instant now);
  void note(const Order& order, const Outcome& outcome, PutOutcome put, Instant now);
  void drop_copy(std::string_view key, std::uint64_t hash, Instant now);

  bool attempt(const std::shared_ptr<Wish>& wish, bool stale_ok, bool turn = false);
  void wait_for_turn(const std::shared_ptr<Wish>& wish, bool stale_ok);
  void refuse(const std::shared_ptr<Wish>& wish, Error error);
  void keep_for_later(const std::shared_ptr<Wish>& wish);
  void load_for(const std::shared_ptr<Wish>& wish);
  void answer_when_kept(const std::shared_ptr<Wish>& wish, Outcome outcome);
  void answer_again(const OpIds::First& first, WriteCallback done);

  Rooms rooms_;
  OpIds op_ids_;
  Mutex mutex_;
  std::size_t holds_ GUARDED_BY(mutex_) = 0;  // hold() less release()
  std::vector<Held> held_ GUARDED_BY(mutex_);
};

}  // namespace forebay::layer
