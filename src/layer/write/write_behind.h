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

namespace forebay::layer {

struct OpenedJournal {
  std::unique_ptr<journal::Journal> journal;
  std::vector<journal::Op> ops;
  std::vector<journal::Applied> applied;
};
// kConfig and kInternal as journal/log.h has them.
using OpenJournal = std::function<Result<OpenedJournal>(const config::Journal&)>;

class WriteBehind {
 public:
  // Borrowed, but for the last three. `run_blocking`: runs tasks that block; empty: a thread of its own does.
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
    OpenJournal open_journal;  // empty: journal/log.h
    std::function<void(Task)> run_blocking;
    std::function<void(std::vector<std::string> keys)> restored;
  };
  // Reads what the journal holds; nothing is sent before start().
  static Result<std::unique_ptr<WriteBehind>> open(const config::Journal& config, Rooms rooms);
  ~WriteBehind();

  // A source or namespace that pending writes name must be there: kConfig says which isn't, and how many
  // writes that is.
  Result<void> check(const std::vector<std::string>& sources, const std::vector<Space*>& spaces) const;
  void set_places(const std::vector<BehindTarget::SourceAt>& sources, const std::vector<Space*>& spaces);
  // Begins with these sources, besides those that writes are pending for.
  void start(std::vector<std::string> sources);
  // Sends nothing more, and lets go of the sources.
  void stop();

  journal::Queue& queue() { return queue_; }
  journal::Flusher* flusher() { return flusher_.get(); }
  BehindPath& path() { return path_; }
  const std::string& journal_id() const { return journal_->id(); }

 private:
  WriteBehind(OpenedJournal opened, Rooms rooms);
  void ledger_known(const std::string& source);

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
