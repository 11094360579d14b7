#pragma once

// The layer put together. This class makes the rooms and joins them, and takes them down in order; what they
// do is theirs. Layer (forebay/layer.h) is its public face, and Cache<Key, Value> (forebay/cache.h) another
// one; both only translate.
//
// At the end feeds stop, gates fail what waits, readers are told, sources wait for their calls, the journal is
// written, and then the rest goes.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/thread_scheduler.h"
#include "config/model.h"
#include "forebay/layer.h"
#include "layer/audit/auditor.h"
#include "layer/configuration.h"
#include "layer/event_sections.h"
#include "layer/invalidate/event_invalidator.h"
#include "layer/key/boards.h"
#include "layer/key/key_news.h"
#include "layer/key/observers.h"
#include "layer/keyspace.h"
#include "layer/read/read_path.h"
#include "layer/read/warmer.h"
#include "layer/shape_watch.h"
#include "layer/statistics.h"
#include "layer/write/behind/dead_letters.h"
#include "layer/write/behind/journaled_writes.h"

namespace forebay::layer {

// What a program brings along.
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
  bool watch_shapes = true;                // a thread looks whether tables have changed
};

class Core {
 public:
  static Result<std::unique_ptr<Core>> open(const config::Model& model, Parts parts);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // A key, routed by the configuration in force. Borrows the text.
  KeyRef at(std::string_view key) const { return {route(key), key}; }
  Namespace& route(std::string_view key) const { return router().route(key); }
  const Router& router() const { return *router_.load(std::memory_order_acquire); }

  // How good an answer the read path must give: it knows no tokens.
  Level level_of(const ReadOptions& options) const;
  Explanation explain(std::string_view key);

  memory::Tier& tier() { return *tier_; }
  CopyStore& copies() { return copies_; }
  KeyTable& keys() { return keys_; }
  // As Layer::listen().
  void listen(std::shared_ptr<KeyListener> listener);
  Keyspace& keyspace() { return keyspace_; }
  ReadPath& reads() { return reads_; }
  Loads& loads() { return loads_; }
  Warmer& warmer() { return warmer_; }
  WritePath& writes() { return writes_; }
  Invalidator& invalidator() { return invalidator_; }
  EventInvalidator& event_invalidator() { return event_invalidator_; }
  Configuration& configuration() { return *configuration_; }
  Statistics& statistics() { return *statistics_; }
  Auditor& auditor() { return auditor_; }
  DeadLetters& dead_letters() { return dead_letters_; }
  JournaledWrites* journaled() { return journaled_.get(); }  // null: there is no journal
  const Clock& clock() const { return clock_; }
  // The time of the last upkeep: some 20 ms old, and no call to the clock.
  Instant recent() const { return recent_.load(std::memory_order_relaxed); }

 private:
  Core(std::unique_ptr<memory::Tier> tier, const Parts& parts, std::unique_ptr<ThreadScheduler> scheduler);
  Result<void> open_journal(const config::Journal& config, Parts& parts);
  void upkeep();
  void follow_memory();  // tells the curves how much there is

  std::unique_ptr<ThreadScheduler> own_scheduler_;
  Scheduler& scheduler_;
  Clock& clock_;
  Random& random_;
  const bool predict_;
  std::unique_ptr<memory::Tier> tier_;
  std::atomic<Instant> recent_;  // relaxed: a number that stands for itself
  observe::KeyEvents events_;
  observe::MissRatioCurves curves_;
  EventObserver event_observer_;
  CurveObserver curve_observer_;
  CopyStore copies_;
  Boards boards_;
  KeyTable keys_;
  // Stored with release and read with acquire: who sees a router sees the namespaces that it points to. Until
  // the first configuration is in force, no key has a source.
  Namespace no_namespace_;
  const Router no_router_;
  std::atomic<const Router*> router_;
  KeyNews news_;
  MemoryView memory_;
  Loads loads_;
  ReadPath reads_;
  Warmer warmer_;
  Invalidator invalidator_;
  EventInvalidator event_invalidator_;
  EventSections events_heard_;
  Keyspace keyspace_;
  Auditor auditor_;
  WriteTokens tokens_;
  UnconfirmedWrites unconfirmed_;
  WritePath writes_;
  std::unique_ptr<JournaledWrites> journaled_;
  ShapeWatch shape_watch_;
  std::unique_ptr<Configuration> configuration_;
  std::unique_ptr<Statistics> statistics_;
  DeadLetters dead_letters_;
  Instant curves_aged_{};  // upkeep()'s own
};

}  // namespace forebay::layer
