#pragma once

// Everything that write-behind is made of, in one piece: journal, queue, flusher, and what they need of the
// layer. The core has one where the configuration has a [journal].

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "config/model.h"
#include "journal/flusher.h"
#include "journal/journal.h"
#include "journal/queue.h"
#include "layer/write/behind.h"
#include "layer/write/behind_target.h"
#include "layer/write/write_path.h"

namespace forebay::layer {

struct OpenedJournal {
  std::unique_ptr<journal::Journal> journal;
  std::vector<journal::Op> ops;
  std::vector<journal::Applied> applied;
  std::vector<journal::Receipt> receipts = {};
};
// kConfig and kInternal as journal/log.h has them.
using OpenJournal = std::function<Result<OpenedJournal>(const config::Journal&)>;

class WriteBehind : private journal::Watcher {
 public:
  // Borrowed, but for the functions. `run_blocking`: runs tasks that block; empty: a thread of its own does.
  // `restored`: gets the keys that had writes pending when the journal was opened, once their source's ledger
  // is known.
  struct Rooms {
    memory::Tier& tier;
    FlightTable& flights;
    ReadPath& reads;
    Invalidator& invalidator;
    observe::MissRatioCurves& curves;
    const Clock& clock;
    Random& random;
    Scheduler& scheduler;
    WriteTokens& tokens;
    WritePath& writes;
    // Writes by the configuration in force.
    std::function<void(std::string_view key, Write, WriteCallback, const WriteOptions&)> write;
    OpenJournal open_journal;  // empty: journal/log.h
    std::function<void(Task)> run_blocking;
    std::function<void(std::vector<std::string> keys)> restored;
  };
  // Reads what the journal holds; nothing is sent before start().
  static Result<std::unique_ptr<WriteBehind>> open(const config::Journal& config, Rooms rooms);
  ~WriteBehind() override;

  // A source or namespace that pending writes name must be there: kConfig says which isn't, and how many
  // writes that is.
  Result<void> check(const std::vector<std::string>& sources, const std::vector<Space*>& spaces) const;
  void set_places(const std::vector<BehindTarget::SourceAt>& sources, const std::vector<Space*>& spaces);
  // Begins with these sources, besides those that writes are pending for.
  void start(std::vector<std::string> sources);
  // Sends nothing more, and lets go of the sources.
  void stop();

  // Layer's calls (forebay/layer.h). A namespace's errors are kInvalidArgument and kUnsupported.
  using Flushed = std::move_only_function<void(bool)>;
  void when_flushed(std::string_view key, Duration timeout, Flushed done);
  void drain(std::string_view space, Duration timeout, Flushed done);
  // Waits until nothing is pending for the namespace; false: not until then.
  bool wait_until_empty(const std::string& space, std::chrono::steady_clock::time_point until);
  void stats(LayerStats& stats) const;
  // What EXPLAIN says of the key.
  void explain(std::string_view key, Explanation& explanation) const;

  journal::Queue& queue() { return queue_; }
  const journal::Queue& queue() const { return queue_; }
  BehindPath& path() { return path_; }
  const std::string& journal_id() const { return id_; }
  std::uint32_t lanes() const { return journal_->lanes(); }
  void dead_changed(const std::string& source) {
    if (flusher_) flusher_->dead_changed(source);
  }

 private:
  WriteBehind(OpenedJournal opened, const config::Journal& config, Rooms rooms);
  // `done`, to be called by whoever is first: what it waits for, or the timeout.
  class Race;
  void ledger_known(const std::string& source);
  // The journal's thread.
  void failed(const Error& error) override;
  Result<void> reopened(std::vector<journal::Op> ops, std::uint64_t last) override;

  memory::Tier& tier_;
  FlightTable& flights_;
  observe::MissRatioCurves& curves_;
  const Clock& clock_;
  Scheduler& scheduler_;
  std::unique_ptr<journal::Journal> journal_;
  const std::string id_;
  const std::function<void(std::vector<std::string>)> report_restored_;
  Mutex restored_mutex_;
  std::map<std::string, std::set<std::string>> restored_ GUARDED_BY(restored_mutex_);  // keys by source
  journal::Queue queue_;
  BehindPath path_;
  BehindTarget target_;
  std::unique_ptr<journal::Flusher> flusher_;
};

}  // namespace forebay::layer
