#pragma once

// write = "behind": writes that are acknowledged once the journal has them and reach the source later.
//
// A write is one step under its key's lock: it is appended to the journal's queue, and the cached copy becomes
// what the source is going to have, where the value before is known: from the copy itself, or because the
// pending writes alone say it. Where it isn't, the copy is dropped, and the next read loads the row and lays
// the pending writes over it. The reply follows when the journal has kept the write.
//
// Before anything is written down it is checked: by what the source's table looks like, as far as that is
// known (check() in behind/pending.h), and by the value, as far as that is known: an addition to what is no
// number, or out of 64 bits, is refused as it would be by the source. An addition answers with the new number,
// so it needs the value before: where that is unknown it is loaded first, and the addition runs when the load
// comes in. What only the source can know (constraints, types) it says later, by a dead letter.
//
// A write with an id (WriteOptions::op_id) that has been taken before is answered as it was then, once that
// is kept. Whether it has been is asked before anything else, and again where it would be appended: two that
// come at once may both wait, but only one is written.
//
// Where the journal is full, `when_full` says whether a write is refused or goes through to the source. Then
// it waits, as do the key's writes after it, until the source has what is pending for the key.
//
// While a reload takes a namespace elsewhere, its writes wait (behind/moving_writes.h).
//
// A write that has to wait for nothing but the journal is decided on the caller's stack (write_at_once), and
// many of them wait for the journal together, by the last one's ticket. Any other is kept on the heap until it
// is answered.
//
// `existed` of an answer is what is known without asking the source; false where nothing is.
//
// Thread-safe. Lock order: the key's shard, then the memory tier's, the queue's or the op-ids', one at a time.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "journal/queue.h"
#include "layer/write/behind/op_ids.h"
#include "layer/write/registry.h"

namespace forebay::layer {

class Behind final : public WriteStrategy {
 public:
  // Requires parts.journaled.
  explicit Behind(const WriteParts& parts);

  // With an id also for keys that are not written behind: they are told what has been written before.
  bool write(const KeyRef& at, Write write, WriteCallback done, const WriteOptions& options) override;
  // Without allocating once everything has grown.
  std::optional<Result<WriteAnswer>> write_at_once(const KeyRef& at, const Write& write, Instant now,
                                                   const WriteOptions& options) override;
  std::optional<Result<WriteAnswer>> write_value_at_once(const KeyRef& at, std::string_view value,
                                                         Instant now, const WriteOptions& options) override;
  std::optional<AddAnswer> add_at_once(const KeyRef& at, std::int64_t amount, Instant now) override;
  // A dead letter's effect, unchecked: it has been through that.
  void write_again(const KeyRef& at, journal::Effect effect, WriteCallback done);

 private:
  struct Prepared;
  struct Waiting;
  struct Before;
  struct Outcome;
  using WaitingPtr = std::shared_ptr<Waiting>;

  static Prepared prepare(const KeyRef& at, const Write& write);
  // One try, under the key's lock. `stale_ok`: a copy whose time is up will do as the value before. `turn`:
  // the key's turn to write is this write's.
  Outcome try_once(Prepared& write, Instant now, bool stale_ok, bool turn);
  // These run under the key's lock.
  Outcome take(Prepared& write, Instant now, bool stale_ok);
  Before value_before(const Prepared& write, Instant now, bool stale_ok) const;
  // Checks and appends, unless that has been done by the write's id. `after`: the value after it, if known.
  Result<WriteAnswer> append(Prepared& write, const Before& before, Instant now,
                             std::optional<std::string>& after);
  Result<WriteAnswer> append_new(Prepared& write, const Before& before, Instant now,
                                 std::optional<std::string>& after);

  bool attempt(const WaitingPtr& waiting, bool stale_ok, bool turn = false);
  void wait_for_turn(const WaitingPtr& waiting, bool stale_ok);
  void refuse(const WaitingPtr& waiting, Error error);
  void load_for(const WaitingPtr& waiting);
  void answer_when_kept(const WaitingPtr& waiting, Outcome outcome);
  void answer_again(const OpIds::First& first, WriteCallback done);

  const WriteParts parts_;
  journal::Queue& queue_;
  OpIds& op_ids_;
};

std::unique_ptr<WriteStrategy> make_behind(const WriteParts& parts);

}  // namespace forebay::layer
