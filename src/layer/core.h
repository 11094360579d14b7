#pragma once

// The layer put together: spaces, gates, the paths, the tier's upkeep. Layer (forebay/layer.h) is its public
// face, and Cache<Key, Value> (forebay/cache.h) another one; both only translate.
//
// Lifetime: spaces, routers and sources that a reload replaced are kept until the end, so that a call in
// progress may go on with what it has. Destruction: feeds stop, gates fail what waits, sources wait for their
// calls, then the rest goes.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/thread_scheduler.h"
#include "config/model.h"
#include "feed/change_poller.h"
#include "forebay/layer.h"
#include "layer/invalidate/invalidator.h"
#include "layer/port/source_port.h"
#include "layer/read/read_path.h"
#include "layer/router.h"
#include "layer/space.h"
#include "layer/write/dead_letters.h"
#include "layer/write/tokens.h"
#include "layer/write/write_behind.h"
#include "layer/write/write_path.h"
#include "memory/tier.h"
#include "observe/key_events.h"
#include "observe/miss_ratio_curve.h"

namespace forebay::layer {

using OpenPort = std::function<Result<std::shared_ptr<SourcePort>>(const config::Source&)>;

struct Parts {
  OpenPort open_port;                              // makes the port of a configured source
  std::optional<memory::TierOptions> memory;       // the tier's, instead of the model's
  Clock* clock = nullptr;                          // null: the system's
  Random* random = nullptr;                        // null: the system's
  Scheduler* scheduler = nullptr;                  // null: a thread of its own
  Unreachable unreachable = Unreachable::kRefuse;  // at the start; a reload refuses
  bool predict = true;  // learn what the hit rate would be with other amounts of memory
  observe::MissRatioCurves::Options curves;
  OpenJournal open_journal;                // null: the file that the configuration names
  std::function<void(Task)> run_blocking;  // null: a thread of its own
};

class Core {
 public:
  static Result<std::unique_ptr<Core>> open(const config::Model& model, Parts parts);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  Result<void> reload(const config::Model& model);

  Space& route(std::string_view key) const { return router().route(key); }
  const Router& router() const { return *router_.load(std::memory_order_acquire); }

  void read(std::string_view key, const ReadOptions& options, ReadCallback done);
  void warm(std::vector<std::string> keys, std::move_only_function<void(Result<std::size_t>)> done);
  bool peek(std::string_view key, Instant now, FunctionRef<void(const EntryView&)> visit);
  PutOutcome update(std::string_view key, Instant now, FunctionRef<Change(const EntryView*)> decide);
  Stamp stamp_for(std::string_view key, Instant now);
  std::uint64_t scan(std::uint64_t cursor, std::size_t count, Instant now,
                     FunctionRef<void(const EntryView&)> visit);
  bool random_entry(Instant now, FunctionRef<void(const EntryView&)> visit);
  Result<void> purge_namespace(std::string_view name);
  std::size_t purge_match(std::string_view glob);
  Result<void> set_memory(std::optional<std::size_t> limit, std::optional<std::string> policy);
  Explanation explain(std::string_view key);
  LayerStats stats() const;
  void reset_stats();

  // Drops the copy of a key that has no source, so that there are no flights to fence. True: one was there.
  bool drop_unbound(std::string_view key, Instant now);

  // Layer's calls for writes behind.
  void when_flushed(std::string_view key, Duration timeout, WriteBehind::Flushed done);
  void drain(std::string_view space, Duration timeout, WriteBehind::Flushed done);
  DeadLetters& dead_letters() { return dead_letters_; }

  memory::Tier& tier() { return *tier_; }
  ReadPath& reads() { return reads_; }
  WritePath& writes() { return writes_; }
  Invalidator& invalidator() { return invalidator_; }
  const Clock& clock() const { return clock_; }
  // The time of the last upkeep: some 20 ms old, and no call to the clock.
  Instant recent() const { return recent_.load(std::memory_order_relaxed); }

 private:
  struct ActiveSource {
    config::Source config;
    std::shared_ptr<SourcePort> port;
    std::shared_ptr<SourceGate> gate;
    std::unique_ptr<feed::ChangePoller> poller;
    std::vector<std::string> watched;  // tables
  };
  // What a configuration becomes before it is taken over.
  struct Plan {
    std::vector<std::shared_ptr<ActiveSource>> sources;
    std::vector<Space*> spaces;
    std::vector<std::unique_ptr<Space>> made;  // those of `spaces` that are new
    Unreachable unreachable = Unreachable::kRefuse;
    std::map<ActiveSource*, Error> unreached;  // sources that are served without
  };

  Core(std::unique_ptr<memory::Tier> tier, Parts parts, std::unique_ptr<ThreadScheduler> scheduler);
  Result<Plan> plan(const config::Model& model, Unreachable unreachable) REQUIRES(config_mutex_);
  void plan_sources(const config::Model& model, Plan& plan, std::vector<std::string>& mistakes)
      REQUIRES(config_mutex_);
  void plan_space(const config::Namespace& config, const config::Model& model, Plan& plan,
                  std::vector<std::string>& mistakes) REQUIRES(config_mutex_);
  static Result<std::shared_ptr<DatasetPort>> open_dataset(const std::shared_ptr<ActiveSource>& source,
                                                           const DatasetSpec& spec, Plan& plan);
  void take_over(Plan plan) REQUIRES(config_mutex_);
  // Opens the journal if there is to be one.
  Result<void> open_journal(const config::Journal& config);
  void start_behind() REQUIRES(config_mutex_);
  // Namespaces whose pending writes have to be at their source before `model` is in force.
  std::vector<Space*> leaving(const config::Model& model);
  Result<void> drain_leaving(const std::vector<Space*>& spaces, const config::Model& model);
  Result<void> take_over(const config::Model& model);
  // The sources in force that are written behind, or have been and still have writes pending.
  std::vector<DeadLetters::SourceAt> behind_sources() const;
  void check_ledgers(const Plan& plan, std::vector<std::string>& mistakes);
  void start_feeds(std::vector<std::string>& mistakes, Plan& plan);
  void upkeep();
  std::optional<PredictedHitRate> predicted(const Space& space, std::size_t limit) const;
  void follow_memory();  // tells the curves how much there is
  void warm_next(std::shared_ptr<struct WarmJob> job);

  std::unique_ptr<ThreadScheduler> own_scheduler_;
  Scheduler& scheduler_;
  Clock& clock_;
  Random& random_;
  OpenPort open_port_;
  OpenJournal open_journal_;
  std::function<void(Task)> run_blocking_;
  const bool predict_;
  std::unique_ptr<memory::Tier> tier_;
  std::atomic<Instant> recent_;  // relaxed: a number that stands for itself
  FlightTable flights_;
  observe::KeyEvents events_;
  observe::MissRatioCurves curves_;
  // Stored with release and read with acquire: who sees a router sees the spaces that it points to.
  std::atomic<const Router*> router_{nullptr};
  ReadPath reads_;
  Invalidator invalidator_;
  WriteTokens tokens_;
  WritePath writes_;
  std::unique_ptr<WriteBehind> behind_;  // null: no journal; set before the first request
  DeadLetters dead_letters_;
  Instant curves_aged_{};  // upkeep()'s own

  Mutex reload_mutex_;  // one at a time; taken before config_mutex_
  config::Journal journal_config_ GUARDED_BY(reload_mutex_);
  mutable Mutex
      config_mutex_;  // reload, set_memory and stats; never held while calling a source for a client
  std::vector<std::shared_ptr<ActiveSource>> sources_ GUARDED_BY(config_mutex_);
  std::vector<std::shared_ptr<ActiveSource>> retired_sources_ GUARDED_BY(config_mutex_);
  std::vector<std::unique_ptr<Space>> spaces_ GUARDED_BY(config_mutex_);
  std::vector<std::unique_ptr<const Router>> routers_ GUARDED_BY(config_mutex_);
  std::uint32_t next_index_ GUARDED_BY(config_mutex_) = 1;
};

}  // namespace forebay::layer
