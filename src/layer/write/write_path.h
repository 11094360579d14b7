#pragma once

// What happens to a write of a bound key, by its namespace's strategy:
//
//   through  the source commits, then the cached copy becomes what the source returned
//   around   the source commits, then the cached copy is dropped
//   behind   the journal keeps it, then the cached copy becomes what the source is going to have (behind.h)
//   aside    no source call: a whole value becomes the cached copy, anything else is refused
//
// Where a namespace was written behind before, or the journal was full, a write through first waits until the
// source has what is pending for its key.
//
// Writes of one key run one after another, so that commits and cached copies keep one order (rule X1). What a
// load read before the commit is fenced at the commit. A write that the source refused changes nothing
// anywhere; one whose outcome is unknown counts as done: the copy is dropped and the caller is told. Keys of
// other namespaces that depend on the row are invalidated before the reply.

#include <string_view>
#include <utility>

#include "base/random.h"
#include "journal/journal.h"
#include "layer/invalidate/invalidator.h"
#include "layer/read/flight.h"
#include "layer/read/source_gate.h"
#include "layer/write/tokens.h"
#include "memory/tier.h"
#include "observe/miss_ratio_curve.h"

namespace forebay::layer {

class BehindPath;

class WritePath {
 public:
  WritePath(memory::Tier& tier, FlightTable& flights, Invalidator& invalidator,
            observe::MissRatioCurves& curves, const Clock& clock, Random& random, WriteTokens& tokens)
      : tier_(tier),
        flights_(flights),
        invalidator_(invalidator),
        curves_(curves),
        clock_(clock),
        random_(random),
        tokens_(tokens) {}

  // Before the first request: where writes of namespaces go that write behind.
  void set_behind(BehindPath* behind) { behind_ = behind; }

  // Both return whether it is in effect, as Layer::write() does.
  bool write(Space& space, std::string_view key, Write write, WriteCallback done,
             const WriteOptions& options = {});
  // The same for a namespace that writes behind, this once.
  void write_through(Space& space, std::string_view key, Write write, WriteCallback done);
  // A whole value as a client sends it: a JSON object for rows, text otherwise.
  bool write_value(Space& space, std::string_view key, std::string_view value, WriteCallback done,
                   const WriteOptions& options = {});
  // As Layer's calls of these names.
  std::optional<Result<WriteAnswer>> write_at_once(Space& space, std::string_view key, const Write& write,
                                                   Instant now, const WriteOptions& options = {});
  std::optional<Result<WriteAnswer>> write_value_at_once(Space& space, std::string_view key,
                                                         std::string_view value, Instant now,
                                                         const WriteOptions& options = {});
  std::optional<AddAnswer> add_at_once(Space& space, std::string_view key, std::int64_t amount, Instant now);
  void when_kept(std::uint64_t first, std::uint64_t last, journal::Kept kept);

  // Makes a value the cached copy, without a source call: what a program or a client says the value is. Loads
  // in progress are fenced.
  struct Put {
    PutOutcome outcome = PutOutcome::kStored;
    bool existed = false;
  };
  Put put(Space& space, std::string_view key, Value value, Instant now) {
    return put(space, key, Change::replace(std::move(value), {}), now);
  }
  Put put(Space& space, std::string_view key, std::string_view bytes, Instant now) {
    return put(space, key, Change::replace(bytes, {}), now);
  }

 private:
  bool is_behind(const Space& space) const;
  // `epoch`: of the namespace when the write began; a purge since then must not be undone by its value.
  void written(Space& space, const std::string& key, std::uint32_t epoch, Result<Written> result,
               WriteCallback& reply);
  Put put(Space& space, std::string_view key, Change change, Instant now);
  void put_aside(Space& space, std::string_view key, std::string_view value, WriteCallback done);

  memory::Tier& tier_;
  FlightTable& flights_;
  Invalidator& invalidator_;
  observe::MissRatioCurves& curves_;
  const Clock& clock_;
  Random& random_;
  WriteTokens& tokens_;
  BehindPath* behind_ = nullptr;
};

}  // namespace forebay::layer
