#pragma once

// What the flusher needs of the layer: the sources, by the names that writes carry, and what cached copies
// become once the source has a write.
//
// A copy that is still there when its key's batch has been committed becomes what the source returned, merged
// with what is pending by then; unless the key was reported as changed meanwhile (a feed, DEL, a purge) in a
// way that the source's answer is not proved to include: then it goes, and the next read loads.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/thread_pool.h"
#include "journal/flusher.h"
#include "journal/queue.h"
#include "layer/invalidate/invalidator.h"
#include "layer/key/key_loader.h"
#include "layer/load/source_gate.h"
#include "layer/port/ledger_port.h"
#include "layer/port/source_port.h"
#include "layer/write/behind/ownership.h"

namespace forebay::layer {

class FlushTarget final : public journal::Target {
 public:
  // Everything is borrowed. `journal`: its id.
  struct Parts {
    journal::Queue& queue;
    const std::string& journal;
    std::uint32_t lanes;
    CopyStore& copies;
    KeyTable& keys;
    KeyLoader& loader;
    Invalidator& invalidator;
    const Clock& clock;
    Ownership& ownership;
    // A lane has stopped for good.
    std::function<void(const std::string& source, std::uint32_t lane, const std::string& why)> stopped;
    // A source has told where its ledger stands: what the journal holds for it is now known to be pending.
    std::function<void(const std::string& source)> ledger_known;
  };
  // `blocking` runs what blocks; empty: a thread of its own does.
  FlushTarget(const Parts& parts, std::function<void(Task)> blocking);

  // What a configuration that is being taken over has. Earlier spaces and ports stay known, as long as no new
  // one has their name: what was written for them may still have to go there.
  struct SourceAt {
    std::string name;
    std::shared_ptr<SourcePort> port;
    std::chrono::milliseconds timeout;
    std::shared_ptr<SourceGate> gate;  // batches pass there
  };
  void set_targets(const std::vector<SourceAt>& sources, const std::vector<Namespace*>& spaces);
  // Lets go of the ports.
  void close();

  // Renews the source's lease, or tries to become its owner. An error where that can't be asked.
  using Claimed = std::move_only_function<void(Result<Ownership::Verdict>)>;
  void claim(const std::string& source, Claimed done);
  // Ends the source's lease, so that a journal that is moved need not wait for that. Blocks, but not for long.
  void leave(const std::string& source);

  void open_ledger(const std::string& source, LedgerDone done) override;
  void applying(const journal::Batch& batch) override;
  void not_applied(const journal::Batch& batch) override;
  void admit(const std::string& source, Admitted go) override;
  void apply(const journal::Batch& batch, std::vector<Statement> statements, std::vector<Dead> dead,
             Judge judge, std::unique_ptr<Permit> permit, ApplyDone done) override;
  void try_now(const std::string& source) override;
  void settled(const journal::Batch& batch, std::vector<std::optional<Written>> written) override;
  bool holds(const std::string& space) const override;
  void stopped(const std::string& source, std::uint32_t lane, const std::string& why) override;
  void note(Tone tone, const std::string& sentence) override;
  void run_blocking(Task task) override;

 private:
  // The namespace of an item; `nowhere_` if there is none of that name.
  Namespace& space_of(const std::string& name) const;
  std::optional<SourceAt> source_of(const std::string& name) const;
  // On a thread of the ledger's source, which is there until that thread ends. So nobody holds the source here:
  // the last to let go of it would wait for itself.
  void read_ledger(const std::string& source, LedgerPort& ledger, std::chrono::milliseconds timeout,
                   bool fresh, LedgerDone done);
  // The batch's, as the ledger has them.
  std::vector<DeadLetter> letters_of(const journal::Batch& batch, std::vector<Dead> dead) const;
  void settle(const KeyRef& at, const std::optional<Written>& written);
  // Makes what the source returned, with what is pending by now, the copy. Under the key's lock.
  void store(const KeyRef& at, const Written& written, const AsOf& as_of, Instant now);

  const Parts parts_;
  std::function<void(Task)> blocking_;
  std::unique_ptr<ThreadPool> pool_;
  mutable Namespace nowhere_;
  mutable Mutex mutex_;
  std::map<std::string, SourceAt> sources_ GUARDED_BY(mutex_);
  std::map<std::string, Namespace*> spaces_ GUARDED_BY(mutex_);
};

}  // namespace forebay::layer
