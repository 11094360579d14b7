#pragma once

// Where the layer's news of keys go in the server: to clients that track keys, to channels of events, and to clients
// that wait for a key. The layer is listened to while anybody wants that.

#include <cstddef>
#include <memory>

#include "base/database_key.h"
#include "base/mutex.h"
#include "forebay/layer.h"
#include "server/pubsub/key_notifier.h"
#include "server/tracking/tracking_table.h"
#include "server/waiting/waiters.h"

namespace forebay::server {

// Thread-safe.
class KeyFeed final : public KeyListener, public std::enable_shared_from_this<KeyFeed> {
 public:
  // `layer` outlives every token.
  KeyFeed(Layer& layer, std::shared_ptr<SlowLane> lane)
      : layer_(layer), tracking_(std::make_shared<TrackingTable>(std::move(lane))) {}

  const std::shared_ptr<TrackingTable>& tracking() { return tracking_; }
  KeyNotifier& notifier() { return notifier_; }
  Waiters& waiters() { return waiters_; }

  // The layer is listened to as long as the token lives. Not while the calling thread has a Layer::Guard.
  std::shared_ptr<void> listen();
  // The same for who takes the lock of a key's shard itself before it relies on being told of that key.
  std::shared_ptr<void> listen_from_now();

  // KeyListener
  void changed(const NamespaceInfo& space, std::string_view key, KeyChange how) override {
    tracking_->changed(space, without_database(key), how);
    if (notifier_.on()) notifier_.changed(space, key, how);
    // Who reads a stream in a group is told that it is gone.
    const bool goes = how == KeyChange::kDropped || how == KeyChange::kExpired || how == KeyChange::kEvicted;
    if ((goes || how == KeyChange::kStored) && !space.bound) waiters_.changed(key);
  }
  void fresh_until(const NamespaceInfo& space, std::string_view key, Instant until) override {
    tracking_->fresh_until(space, without_database(key), until);
  }
  void purged(const NamespaceInfo& space) override {
    tracking_->purged(space);
    waiters_.all_changed();
  }
  void cleared() override {
    tracking_->cleared();
    waiters_.all_changed();
  }

 private:
  void stop();

  Layer& layer_;
  const std::shared_ptr<TrackingTable> tracking_;
  KeyNotifier notifier_;
  Waiters waiters_{[this] { return listen_from_now(); }};
  Mutex mutex_;  // held while the layer's listener is set, so that the last token and a new one don't cross
  std::size_t tokens_ GUARDED_BY(mutex_) = 0;
};

}  // namespace forebay::server
