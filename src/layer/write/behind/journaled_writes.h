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
#include "layer/write/behind/flush_target.h"
#include "layer/write/behind/moving_writes.h"
#include "layer/write/behind/op_ids.h"
#include "layer/write/behind/ownership.h"
#include "layer/write/behind/pending.h"

namespace forebay::layer {

struct OpenedJournal {
  std::unique_ptr<journal::Journal> journal;
  std::vector<journal::Op> ops;
  std::vector<journal::Applied> applied;
  std::vector<journal::Receipt> receipts = {};
  journal::Notes notes = {};
  std::string home = {};   // home_of()
  std::string place = {};  // LedgerOwner's
};
inline constexpr const char* kJournalFile = "journal.db";  // in the journal's folder
// kConfig and kInternal as journal/log.h has them.
using OpenJournal = std::function<Result<OpenedJournal>(const config::Journal&)>;

class Behind;

class JournaledWrites final : public EarlierWrites, private journal::Watcher {
 public:
  // Borrowed, but for the functions. `run_blocking`: runs tasks that block; empty: a thread of its own does.
  // `restored`: gets the keys that had writes pending when the journal was opened, once their source's ledger
  // is known.
  struct Parts {
    CopyStore& copies;
    KeyTable& keys;
    KeyLoader& loader;
    Invalidator& invalidator;
    WriteDoor& door;
    const Clock& clock;
    Random& random;
    Scheduler& scheduler;
    OpenJournal open_journal;  // empty: journal/log.h
    std::function<void(Task)> run_blocking;
    std::function<void(std::vector<std::string> keys)> restored;
  };
  // Reads what the journal holds; nothing is sent before start().
  static Result<std::unique_ptr<JournaledWrites>> open(const config::Journal& config, Parts parts);
  ~JournaledWrites() override;

  // A source or namespace that pending writes name must be there: kConfig says which isn't, and how many
  // writes that is.
  // `start`: what is pending was written by an earlier process, and must still be meant for the same place.
  Result<void> check(const std::vector<std::string>& sources, const std::vector<Namespace*>& spaces,
                     bool start) const;
  // Makes the source's ledger ready and this journal its owner, where it can be; says what a person must mend.
  // Blocks.
  Result<void> prepare(const std::string& source, LedgerPort& ledger, const CallOptions& options);
  void set_targets(const std::vector<FlushTarget::SourceAt>& sources, const std::vector<Namespace*>& spaces);
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
  // Calls back once the writes with these tickets, and those between, are kept.
  void when_kept(std::uint64_t first, std::uint64_t last, journal::Kept kept) {
    queue_.when_committed(first, last, std::move(kept));
  }
  void stats(LayerStats& stats) const;
  // What EXPLAIN says of the key.
  void explain(std::string_view key, Explanation& explanation) const;

  // EarlierWrites
  bool pending(const KeyRef& at) const override { return queue_.of(at.text, at.hash).has_value(); }
  void after_flush(const KeyRef& at, std::move_only_function<void(bool)> done) override {
    queue_.when_flushed(at.text, at.hash, std::move(done));
  }

  journal::Queue& queue() { return queue_; }
  const journal::Queue& queue() const { return queue_; }
  const Overlay& overlay() const { return overlay_; }
  OpIds& op_ids() { return op_ids_; }
  MovingWrites& moving() { return moving_; }
  // The strategy that writes here; set before the first request.
  void set_strategy(Behind& strategy) { strategy_ = &strategy; }
  Behind& strategy() { return *strategy_; }
  const std::string& journal_id() const { return id_; }
  std::uint32_t lanes() const { return journal_->lanes(); }
  void dead_changed(const std::string& source) {
    if (flusher_) flusher_->dead_changed(source);
  }

 private:
  // The journal remembers where each namespace's writes are meant to go.
  void note_places(const std::vector<Namespace*>& spaces);
  void lane_stopped(const std::string& source, std::uint32_t lane, const std::string& why);
  void renew_leases();
  std::vector<std::string> begun();
  JournaledWrites(OpenedJournal opened, const config::Journal& config, Parts parts);
  // `done`, to be called by whoever is first: what it waits for, or the timeout.
  class Race;
  void ledger_known(const std::string& source);
  // journal::Watcher, on the journal's thread.
  void failed(const Error& error) override;
  Result<void> reopened(std::vector<journal::Op> ops, std::uint64_t last) override;

  CopyStore& copies_;
  KeyTable& keys_;
  WriteDoor& door_;
  const Clock& clock_;
  Scheduler& scheduler_;
  std::unique_ptr<journal::Journal> journal_;
  const std::string id_;
  const std::function<void(std::vector<std::string>)> report_restored_;
  Mutex restored_mutex_;
  std::map<std::string, std::set<std::string>> restored_ GUARDED_BY(restored_mutex_);  // keys by source
  journal::Queue queue_;
  PendingOverlay overlay_;
  OpIds op_ids_;
  MovingWrites moving_;
  journal::Notes notes_;  // when the journal was opened, and what has been added since; the configuration's
  Ownership ownership_;
  FlushTarget target_;
  Behind* strategy_ = nullptr;
  std::unique_ptr<journal::Flusher> flusher_;
  Mutex renewal_mutex_;
  std::vector<std::string> begun_ GUARDED_BY(renewal_mutex_);  // sources
  std::uint64_t renewal_ GUARDED_BY(renewal_mutex_) = 0;       // the timer
  bool ended_ GUARDED_BY(renewal_mutex_) = false;
};

}  // namespace forebay::layer
