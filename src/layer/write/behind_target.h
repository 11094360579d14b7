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
#include "base/random.h"
#include "base/thread_pool.h"
#include "journal/flusher.h"
#include "layer/invalidate/invalidator.h"
#include "layer/read/flight.h"
#include "layer/read/read_path.h"
#include "layer/read/source_gate.h"
#include "layer/source_port.h"
#include "memory/tier.h"
#include "observe/miss_ratio_curve.h"

namespace forebay::layer {

class BehindTarget final : public journal::Target {
 public:
  // Everything is borrowed. `journal`: its id.
  struct Rooms {
    journal::Queue& queue;
    const std::string& journal;
    std::uint32_t lanes;
    memory::Tier& tier;
    FlightTable& flights;
    ReadPath& reads;
    Invalidator& invalidator;
    observe::MissRatioCurves& curves;
    const Clock& clock;
    Random& random;
    // A source has told where its ledger stands: what the journal holds for it is now known to be pending.
    std::function<void(const std::string& source)> ledger_known;
  };
  // `blocking` runs what blocks; empty: a thread of its own does.
  BehindTarget(const Rooms& rooms, std::function<void(Task)> blocking);

  // What a configuration that is being taken over has. Earlier spaces and ports stay known, as long as no new
  // one has their name: what was written for them may still have to go there.
  struct SourceAt {
    std::string name;
    std::shared_ptr<SourcePort> port;
    std::chrono::milliseconds timeout;
    std::shared_ptr<SourceGate> gate;  // batches pass there
  };
  void set_places(const std::vector<SourceAt>& sources, const std::vector<Space*>& spaces);
  // Lets go of the ports.
  void close();

  void open_ledger(const std::string& source, LedgerDone done) override;
  void applying(const journal::Batch& batch) override;
  void not_applied(const journal::Batch& batch) override;
  void admit(const std::string& source, Admitted go) override;
  void apply(const journal::Batch& batch, std::vector<Statement> statements, std::vector<Dead> dead,
             std::unique_ptr<Permit> permit, ApplyDone done) override;
  void try_now(const std::string& source) override;
  void settled(const journal::Batch& batch, std::vector<std::optional<Written>> written) override;
  bool holds(const std::string& space) const override;
  void run_blocking(Task task) override;

 private:
  Space* space_of(const std::string& name) const;
  std::optional<SourceAt> source_of(const std::string& name) const;
  void settle(Space* space, const journal::Item& item, const std::optional<Written>& written);
  void store(Space& space, const journal::Item& item, std::uint64_t hash, const Written& written,
             Instant now);

  const Rooms rooms_;
  std::function<void(Task)> blocking_;
  std::unique_ptr<ThreadPool> pool_;
  mutable Mutex mutex_;
  std::map<std::string, SourceAt> sources_ GUARDED_BY(mutex_);
  std::map<std::string, Space*> spaces_ GUARDED_BY(mutex_);
};

}  // namespace forebay::layer
