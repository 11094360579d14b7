#pragma once

// The configuration in force: sources, namespaces and memory settings, and how another one takes their place
// while requests go on.
//
// Namespaces, routers and sources that a reload replaced are kept until the end, so that a call in progress
// may go on with what it has.

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "layer/event_sections.h"
#include "layer/planner.h"
#include "layer/read/loads.h"
#include "layer/write/behind/dead_letters.h"
#include "layer/write/behind/flush_target.h"

namespace forebay::layer {

// Thread-safe. A reload connects to sources, which takes as long as they like; whoever only looks at what is in
// force, or changes memory's settings, does not wait for that.
class Configuration {
 public:
  // Everything is borrowed. `router`: where the router in force is published.
  struct Parts {
    std::atomic<const Router*>& router;
    memory::Tier& tier;
    Loads& loads;
    JournaledWrites* journaled;  // null: no journal
    EventSections& events;
    std::function<void()> memory_changed;  // called when the limit or the policy may have changed
    std::function<void()> reshaped;        // called when look_at_tables() has something to do
    Planner::Parts planner;                // without its `reshaped`
  };
  explicit Configuration(Parts parts);

  // The first one. `journal` as later ones must have it.
  Result<void> open(const config::Model& model, Unreachable unreachable);
  // On an Error nothing has changed. Blocks: connects to new sources, and waits until namespaces that are
  // written behind and go elsewhere have nothing pending.
  Result<void> reload(const config::Model& model);
  // Looks whether tables and queries are what they were, and takes what has changed over anew, under the
  // configuration in force. Blocks; one at a time. What can't be asked is asked the next time. True: that is
  // to be soon.
  bool look_at_tables(const std::shared_ptr<CancelFlag>& cancel);
  // CONFIG SET.
  Result<void> set_memory(std::optional<std::size_t> limit, std::optional<std::string> policy);

  // The sources that writes behind go to, or have gone to and not arrived.
  std::vector<DeadLetters::SourceAt> behind_sources() const;
  void stats(LayerStats& stats) const;
  void reset_stats();

  // In this order, at the end. Feeds report nothing more.
  void stop_feeds();
  // What waits for a source fails, and nothing more is sent.
  void close_gates();
  // Waits for the calls that run.
  void close_sources();

 private:
  Result<void> take_over(const config::Model& model);
  void take_over_locked(Plan plan) REQUIRES(mutex_);
  void start_journal();
  // Namespaces whose pending writes have to be at their source before `model` is in force.
  std::vector<Namespace*> leaving(const config::Model& model);
  Result<void> drain(const std::vector<Namespace*>& spaces, const config::Model& model);
  bool look_at_tables_locked(Look when, const std::shared_ptr<CancelFlag>& cancel) REQUIRES(reload_mutex_);
  Result<void> name_tables_anew() REQUIRES(reload_mutex_);
  bool is_behind(const SourceInForce& source) const;
  std::vector<SourceInForcePtr> in_force() const;
  std::vector<SourceInForcePtr> all_sources();
  const Router* router() const { return parts_.router.load(std::memory_order_acquire); }

  static Planner::Parts planner_parts(Configuration& me);

  const Parts parts_;
  Mutex reload_mutex_;  // one reload at a time; taken before mutex_
  config::Journal journal_ GUARDED_BY(reload_mutex_);
  config::Model model_ GUARDED_BY(reload_mutex_);  // that is in force
  // A dataset has been opened anew, or no longer fits, since the configuration was last taken over. Relaxed:
  // who sets it wakes who reads it, who looks again later in any case.
  std::atomic<bool> reshaped_{false};
  // Held by one who replaces the configuration, while sources are connected to, too.
  Mutex mutex_;
  Planner planner_ GUARDED_BY(mutex_);
  std::vector<SourceInForcePtr> sources_ GUARDED_BY(mutex_);
  std::vector<SourceInForcePtr> retired_sources_ GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Namespace>> spaces_ GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<const Router>> routers_ GUARDED_BY(mutex_);
  // Taken inside mutex_, and briefly.
  mutable Mutex shown_mutex_;
  std::vector<SourceInForcePtr> shown_ GUARDED_BY(shown_mutex_);  // sources_, for who only looks
  Mutex memory_mutex_;                                            // one change of memory's settings at a time
};

}  // namespace forebay::layer
