#pragma once

// Passes what becomes of keys on to a listener outside of the layer (forebay/key_listener.h), while there is
// one.
//
// While nobody listens, a change costs the look whether somebody does. That look comes after the change, with
// no fence in between, and who begins to listen could read a value that such a change has just replaced. So
// whoever sets the listener passes through every shard's lock of the memory tier afterwards (Layer::stats() does): a change made
// before that is seen by every read after it, and a change made after it sees the listener.
//
// Thread-safe. Takes no lock of its own.

#include <atomic>
#include <memory>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "forebay/key_listener.h"
#include "layer/key/copy_observer.h"
#include "layer/namespaces/router.h"
#include "memory/tier.h"

namespace forebay::layer {

class KeyNews final : public CopyObserver, public memory::DepartureObserver {
 public:
  // `router` yields the router in force; borrowed.
  explicit KeyNews(const std::atomic<const Router*>& router) : router_(router) {}

  // Null: nobody. Listeners that were set once are kept, as calls to them may still be on their way.
  void listen(std::shared_ptr<KeyListener> listener);
  bool heard() const { return listener() != nullptr; }

  // CopyObserver
  bool wants(std::uint64_t, CopyCause) const override { return heard(); }
  void stored(const KeyRef& at, CopyCause cause, std::uint64_t bytes, const Stamp& stamp) override;
  void dropped(const KeyRef& at, bool existed) override {
    tell(at, existed ? KeyChange::kDropped : KeyChange::kChanged);
  }
  void invalidated(const KeyRef& at, observe::Invalidation, Instant) override {
    tell(at, KeyChange::kChanged);
  }
  void unstored(const KeyRef& at, observe::Unstored) override { tell(at, KeyChange::kDoubtful); }
  void answered(const KeyRef& at, const Stamp& stamp) override;
  void answered_stale(const KeyRef& at) override { tell(at, KeyChange::kDoubtful); }
  void purged(const Namespace& space) override;
  void cleared() override;

  // memory::DepartureObserver
  void departed(std::string_view key, std::uint64_t hash, Departure why) override;

 private:
  // Acquire: who sees the listener sees what it is made of.
  KeyListener* listener() const { return listener_.load(std::memory_order_acquire); }
  void tell(const KeyRef& at, KeyChange how) const {
    if (KeyListener* listener = this->listener()) listener->changed(at.space.info, at.text, how);
  }

  const std::atomic<const Router*>& router_;  // read with acquire: Core publishes it with release
  std::atomic<KeyListener*> listener_{nullptr};
  Mutex mutex_;
  std::vector<std::shared_ptr<KeyListener>> kept_ GUARDED_BY(mutex_);
};

}  // namespace forebay::layer
