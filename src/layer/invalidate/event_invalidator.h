#pragma once

// What applications' events do (docs/events.md): drop what they name, at once and once more at the end of a hold-off.
//
// An event proves nothing: it may come before its change can be seen at the source, and nobody says when it can (rule D5).
// So for the hold-off after it the key is unsettled, as with a feed's change that the source does not show yet: loads of it
// answer their readers and are not stored. Then the key is dropped a second time, for what came into the cache on other
// ways (a client's SET of an old value), and all is as ever. That is a guess of bounded length, and said to be one.
//
// An event for a key that is held already drops the copy and makes the hold-off longer. At most kMostHeld keys are held one
// by one; of others the whole namespace is held. Plain keys beyond that are dropped once: nothing loads them.
//
// Thread-safe.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "base/executor.h"
#include "base/mutex.h"
#include "events/event_sink.h"
#include "layer/invalidate/invalidator.h"

namespace forebay::layer {

class EventInvalidator final : public events::EventSink {
 public:
  static constexpr std::size_t kMostHeld = 100'000;

  // `router` yields the router in force. Everything is borrowed. `most_held`: smaller in tests.
  EventInvalidator(const std::atomic<const Router*>& router, Invalidator& invalidator, CopyStore& copies,
                   const Clock& clock, Scheduler& scheduler, std::size_t most_held = kMostHeld)
      : router_(router),
        invalidator_(invalidator),
        copies_(copies),
        clock_(clock),
        scheduler_(scheduler),
        most_held_(most_held) {}

  // events::EventSink
  bool invalidate(const config::Events& section, const events::Invalidation& what) override;
  // O(namespaces); where a template names keys of no namespace, O(entries), in steps.
  void missed(const config::Events& section) override;

  // Keys and namespaces that are held now.
  std::size_t held() const;
  // Nothing is done at the end of a hold-off any more. For the end.
  void stop();

 private:
  const Router& router() const { return *router_.load(std::memory_order_acquire); }
  void hold_key(const KeyRef& at, Duration hold_off);
  void hold_tag(const std::string& tag, Duration hold_off);
  void hold_space(Namespace& space, Duration hold_off);
  // Everything that has tags: which of them a message named that nobody has heard, nobody knows.
  void hold_tagged(Duration hold_off);
  void drop_matching(const config::Pattern& pattern, Duration hold_off);
  void wake_at(Instant due) REQUIRES(mutex_);
  void end_due(Instant due);
  void end_key(const std::string& key);
  void end_space(Namespace& space);

  const std::atomic<const Router*>& router_;  // read with acquire: Core publishes it with release
  Invalidator& invalidator_;
  CopyStore& copies_;
  const Clock& clock_;
  Scheduler& scheduler_;
  const std::size_t most_held_;

  mutable Mutex mutex_;
  std::map<std::string, Instant, std::less<>> keys_ GUARDED_BY(mutex_);  // held until then
  std::set<std::pair<Instant, std::string>> due_ GUARDED_BY(mutex_);     // the same, by time
  std::map<std::string, Instant, std::less<>> tags_ GUARDED_BY(mutex_);  // likewise
  std::map<Namespace*, Instant> spaces_ GUARDED_BY(mutex_);
  Instant wake_at_ GUARDED_BY(mutex_) = kNever;  // when end_due() has something to do next
  bool stopped_ GUARDED_BY(mutex_) = false;
};

}  // namespace forebay::layer
