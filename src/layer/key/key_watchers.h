#pragma once

// Who wants to be told when a key changes: a client that keeps values of its own, another node.
//
// The rule: a watcher is registered before the value is read, never after. Between a read and a registration
// that came later the key could change, and the watcher would keep the old value without ever being told. So
// there is no call to register; there is watched(), which registers and then reads.
//
// A watcher is told once for each registration, and then forgotten: what it keeps is old from then on, and its
// next read registers it again. It may be told without need (the key's copy was dropped for another reason),
// but never too late: it is told before whoever changed the key is answered.
//
// Bounded: where there are kMost registrations, some key's watchers are told and forgotten to make room.
// Thread-safe; a leaf lock. Costs a load while nobody watches.

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/mutex.h"
#include "layer/key/copy_observer.h"

namespace forebay::layer {

// Called with locks held (CopyObserver says which): brief, and no call back into the layer. Thread-safe.
class KeyWatcher {
 public:
  virtual ~KeyWatcher() = default;
  virtual void changed(std::string_view key) = 0;
};

class KeyWatchers final : public CopyObserver {
 public:
  static constexpr std::size_t kMost = 1'000'000;

  explicit KeyWatchers(std::size_t most = kMost) : most_(most) {}

  // Registers the watcher for the key and returns what `read` returns.
  template <class Read>
  decltype(auto) watched(const KeyRef& at, std::shared_ptr<KeyWatcher> watcher, Read&& read) {
    add(at, std::move(watcher));
    return std::forward<Read>(read)();
  }

  // CopyObserver
  bool wants(std::uint64_t, CopyCause cause) const override {
    // In one order with the registrations, so that a change that sees none was made before their readers read.
    return cause != CopyCause::kLoaded && registered_.load() != 0;
  }
  void stored(const KeyRef& at, CopyCause, std::uint64_t, const Stamp&) override { tell(at.text); }
  void dropped(const KeyRef& at) override { tell(at.text); }
  void invalidated(const KeyRef& at, observe::Invalidation, Instant) override {
    if (registered_.load() != 0) tell(at.text);
  }
  void unstored(const KeyRef&, observe::Unstored) override {}
  void purged(const Namespace& space) override;
  void cleared() override;

 private:
  struct Watched {
    const Namespace* space;
    std::vector<std::shared_ptr<KeyWatcher>> watchers;
  };
  using ByKey = std::unordered_map<std::string, Watched, StringHash, std::equal_to<>>;

  void add(const KeyRef& at, std::shared_ptr<KeyWatcher> watcher);
  void tell(std::string_view key);
  // Forgets one key's watchers, and has them told.
  ByKey::iterator tell_locked(ByKey::iterator key) REQUIRES(mutex_);

  const std::size_t most_;
  Mutex mutex_;
  ByKey by_key_ GUARDED_BY(mutex_);
  std::atomic<std::size_t> registered_{0};  // written under the lock
};

}  // namespace forebay::layer
