#pragma once

// How a configuration becomes sources and namespaces, at the start and at every reload: everything new is
// opened and checked, and only a plan without a mistake is handed on. A plan that is thrown away leaves
// nothing behind but connections that close.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/model.h"
#include "feed/feed_reader.h"
#include "layer/invalidate/invalidator.h"
#include "layer/load/source_gate.h"
#include "layer/port/source_port.h"
#include "layer/write/write_path.h"

namespace forebay::layer {

// Makes the port of a configured source.
using OpenPort = std::function<Result<std::shared_ptr<SourcePort>>(const config::Source&)>;

// A source at work.
struct SourceInForce {
  config::Source config;
  std::shared_ptr<SourcePort> port;
  std::shared_ptr<SourceGate> gate;
  std::shared_ptr<LoadStage> loads;        // the first of the stages before the gate, or the gate
  std::unique_ptr<feed::FeedReader> feed;  // null: others' changes are not heard of
  std::vector<WatchedTable> watched;
};
using SourceInForcePtr = std::shared_ptr<SourceInForce>;

struct Plan {
  std::vector<SourceInForcePtr> sources;
  std::vector<Namespace*> spaces;                // in order; the first is that of keys without one
  std::vector<std::unique_ptr<Namespace>> made;  // those of `spaces` that are new
  std::map<SourceInForce*, Error> unreached;     // sources that are served without
  TableNames names;                              // as the sources know them
};

class Planner {
 public:
  // Everything is borrowed; `journaled` may be null.
  struct Parts {
    OpenPort open_port;
    const Clock& clock;
    Scheduler& scheduler;
    FlightSink& sink;  // what flights are answered to
    Invalidator& invalidator;
    const WritePath& writes;
    const memory::TagPurges& tag_purges;
    std::function<void()> reshaped;  // called when a dataset was opened anew, or no longer fits
  };
  explicit Planner(Parts parts) : parts_(std::move(parts)) {}

  // What is in force while a plan is made.
  struct Present {
    const std::vector<SourceInForcePtr>& sources;
    const Router* router;  // null: nothing is in force yet
    JournaledWrites* journaled;
  };
  // kConfig: every mistake, one a line. Feeds of new sources run when this returns.
  Result<Plan> plan(const config::Model& model, Unreachable unreachable, const Present& present);

 private:
  struct Draft;
  void plan_sources(Draft& draft);
  void name_tables(Draft& draft);
  void plan_rest(Draft& draft);
  void plan_databases(Draft& draft);
  void plan_space(Draft& draft, const config::Namespace& wanted);
  std::unique_ptr<Namespace> describe(const config::Namespace& wanted);
  void plan_boards(Draft& draft, const SourceInForcePtr& source);
  bool bind_boards(Draft& draft, const Namespace& named, Namespace& space, const SourceInForcePtr& source);
  bool bind(Draft& draft, Namespace& space, const SourceInForcePtr& source);
  Result<std::shared_ptr<DatasetPort>> open_dataset(Draft& draft, const SourceInForcePtr& source,
                                                    const DatasetSpec& spec);
  void check_journal(Draft& draft);
  static bool note_if_away(Draft& draft, const SourceInForcePtr& source, const Error& error);
  void watch_shape(Namespace& space);
  void give_feed(Namespace& space, const config::Source& source);
  static void give_times(Namespace& space, const config::Source& source);
  void check_left_behind(Draft& draft);
  void start_feeds(Draft& draft);
  static void check_events(Draft& draft);

  const Parts parts_;
  std::uint32_t next_index_ = 1;
};

}  // namespace forebay::layer
