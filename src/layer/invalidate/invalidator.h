#pragma once

// The one door for every change, wherever it was seen: a client's DEL, a write through Forebay, a row changed
// by another program, a purge. It maps the change to keys, fences their loads and drops their copies. It
// never re-populates.

#include <string_view>

#include "feed/change_sink.h"
#include "layer/read/flight.h"
#include "layer/router.h"
#include "memory/tier.h"
#include "observe/key_events.h"
#include "observe/miss_ratio_curve.h"

namespace forebay::layer {

class Invalidator final : public feed::ChangeSink {
 public:
  // `routers` yields the router in force. Everything is borrowed. Thread-safe.
  Invalidator(const std::atomic<const Router*>& router, memory::Tier& tier, FlightTable& flights,
              observe::KeyEvents& events, observe::MissRatioCurves& curves, const Clock& clock)
      : router_(router), tier_(tier), flights_(flights), events_(events), curves_(curves), clock_(clock) {}

  // Drops one key's copy unless the copy is proved to include the change (`evidence` not 0). True: one was
  // dropped.
  bool drop(Space& space, std::string_view key, observe::Invalidation cause, std::uint64_t evidence = 0);
  // Remembers an invalidation that the write path did itself.
  void note(std::string_view key, observe::Invalidation cause);
  // Invalidates every entry of a namespace, and every load and write of it in progress. O(1).
  void drop_space(Space& space);
  // O(shards). May be called with the tier's shards held: it takes no lock of the flights.
  void drop_everything();

  // Maps a changed row to keys: those of the namespaces on its table, by key columns, old row and new row
  // both; and those of the namespaces that depend on it. `written`: the key whose write this is; its own copy
  // has been dealt with.
  void row_changed(const std::string& source, const RowChange& change, std::string_view written = {});

  // Rows of a namespace's table were changed or not, nobody knows which: drops what other namespaces made of
  // the table. Its own copies have been dealt with.
  void rows_may_have_changed(const Space& written);

  // feed::ChangeSink
  void changed(const std::string& source, const RowChange& change) override { row_changed(source, change); }
  void lost(const std::string& source) override;

 private:
  void drop_by_columns(Space& space, const std::vector<std::pair<std::string, std::string>>& columns,
                       const RowChange& change, observe::Invalidation cause, std::string_view written);

  const std::atomic<const Router*>& router_;
  memory::Tier& tier_;
  FlightTable& flights_;
  observe::KeyEvents& events_;
  observe::MissRatioCurves& curves_;
  const Clock& clock_;
};

// Whether two table names mean the same table: case and a leading `public.` or `main.` don't matter.
bool same_table(std::string_view a, std::string_view b);

}  // namespace forebay::layer
