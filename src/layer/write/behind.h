#pragma once

// Writes that are acknowledged once the journal has them and reach the source later (write = "behind").
//
// A write is one step under its key's lock: it is appended to the journal's queue, and the cached copy
// becomes what the source is going to have, where the value before is known: from the copy itself, or because
// the pending writes alone say it. Where it isn't, the copy is dropped, and the next read loads the row and
// merges. The reply follows when the journal has kept the write.
//
// Before anything is written down it is checked, as far as the value is known: an addition to what is no
// number, or out of 64 bits, is refused as it would be by the source. An addition answers with the new
// number, so it needs the value before: where that is unknown it is loaded first, and the addition runs when
// the load comes in. What only the source can know (constraints, types) it says later, by a dead letter.
//
// `existed` of an answer is what is known without asking the source; false where nothing is.
//
// Thread-safe. Lock order: the key's shard of the flights, then the queue, then the memory tier's shard.

#include <memory>
#include <string_view>

#include "base/random.h"
#include "journal/queue.h"
#include "layer/invalidate/invalidator.h"
#include "layer/read/flight.h"
#include "layer/read/read_path.h"
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
    Invalidator& invalidator;
    observe::MissRatioCurves& curves;
    const Clock& clock;
    Random& random;
    WriteTokens& tokens;
  };
  explicit BehindPath(const Rooms& rooms) : rooms_(rooms) {}

  void write(Space& space, std::string_view key, Write write, WriteCallback done);

 private:
  struct Wish;
  struct Known;
  enum class Taken : std::uint8_t { kYes, kRefused, kNeedsValue };

  void attempt(const std::shared_ptr<Wish>& wish, bool stale_ok);
  void load_for(const std::shared_ptr<Wish>& wish);
  // These three run under the key's lock.
  Taken take(const std::shared_ptr<Wish>& wish, bool stale_ok);
  Known known(const Wish& wish, Instant now, bool stale_ok) const;
  // Checks and appends; `value` becomes the value after it. Null: the value is unknown.
  bool append(const std::shared_ptr<Wish>& wish, std::optional<std::string>* value);
  void store(const Wish& wish, const Known& before, Instant now);
  void kept(const std::shared_ptr<Wish>& wish, Result<void> kept);
  static void finish(const std::shared_ptr<Wish>& wish);

  const Rooms rooms_;
};

}  // namespace forebay::layer
