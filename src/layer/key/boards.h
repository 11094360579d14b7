#pragma once

// Boards: sorted sets whose members are rows of a table. Each member is a key of its own, with its own copy, loads,
// writes and fences (a namespace of type = "zset"); a board is one more key, of a namespace beside it, whose copy is
// all members of one set at once. This class keeps the two in step.
//
// A board's copy is made by a load like any other and is edited in place by every write of a member, under the
// member's lock and before anybody is told of the write. A load of the board that is under way meanwhile may have
// read the table before the write or after it. So each load has a log: what has become of members since it began.
// When it comes in, what is in the log is laid over what it has read, and so are the writes behind that the table
// does not have yet. A write of which nobody knows what it has made (a commit that was not confirmed, write =
// "around") ends the copy and keeps the loads from being stored.
//
// Whether a load saw a write behind that was being applied can't be known; then the member's own copy says what its
// score is, as that includes every write. Where there is none, the load is asked again.
//
// Thread-safe. Sharded by the board's hash. Lock order: a key's lock (key_table.h), then a shard here, then what
// CopyStore and the Overlay lock. A member's lock and its board's are never held together.

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "forebay/function_ref.h"
#include "layer/key/copy_store.h"
#include "layer/key/flight.h"
#include "layer/key/overlay.h"
#include "layer/port/source_port.h"

namespace forebay::layer {

// The key of a member's board. Requires a key of a namespace with `boards`.
KeyRef board_of(const KeyRef& member);

class Boards final : public MemberObserver {
 public:
  // Borrowed.
  explicit Boards(CopyStore& copies) : copies_(copies) {}

  // ---- Members, under their own locks (MemberObserver).

  void written(const KeyRef& member, std::optional<std::string_view> score, Instant now) override;
  void applying(const KeyRef& member) override;
  void lost(const KeyRef& member, Instant now) override;

  // ---- Loads of boards.

  // Before the source is asked.
  void starting(Flight& flight);
  // A load has come in: makes of it what the board is, and then stores that, unless the log says otherwise. False:
  // that can't be known, and the load is to be asked again a little later. Under the board's lock. O(members
  // written since the load began + keys with writes pending).
  bool land(const Flight& flight, LoadedValue& value, const Overlay& overlay, Instant now,
            FunctionRef<void(bool may_be_stored)> store);

 private:
  struct Log;
  struct alignas(64) Shard {
    Mutex mutex;
    // By the board's key. Of flights that have ended nothing is left but an expired pointer.
    std::unordered_map<std::string, std::vector<std::weak_ptr<Log>>> logs GUARDED_BY(mutex);
  };
  static constexpr std::size_t kShards = 64;
  // Logs of a shard are swept when there are keys of so many more boards than after the last time.
  static constexpr std::size_t kSweep = 256;

  Shard& shard_of(const KeyRef& board) { return shards_[board.hash % kShards]; }
  static void each_log(Shard& shard, const KeyRef& board, FunctionRef<void(Log&)> act) REQUIRES(shard.mutex);
  void edit(const KeyRef& board, std::string_view name, std::optional<double> score, Instant now);
  bool lay_pending(const KeyRef& board, const Log& log, const Overlay& overlay, Instant now,
                   LoadedValue& value) const;
  // The member's score by its own copy; nothing: there is none. An inner nothing: it has none.
  std::optional<std::optional<double>> by_copy(const KeyRef& member, Instant now) const;

  CopyStore& copies_;
  std::array<Shard, kShards> shards_;
};

}  // namespace forebay::layer
