#include "layer/key/key_watchers.h"

#include <algorithm>

namespace forebay::layer {

void KeyWatchers::add(const KeyRef& at, std::shared_ptr<KeyWatcher> watcher) {
  MutexLock lock(mutex_);
  if (registered_.load(std::memory_order_relaxed) >= most_ && !by_key_.empty()) tell_locked(by_key_.begin());
  auto place = by_key_.find(at.text);
  if (place == by_key_.end()) place = by_key_.try_emplace(std::string(at.text), Watched{&at.space, {}}).first;
  place->second.space = &at.space;
  auto& watchers = place->second.watchers;
  if (std::ranges::find(watchers, watcher) != watchers.end()) return;
  watchers.push_back(std::move(watcher));
  // In one order with the look of whoever changes the key: the read that follows must not be moved before it.
  registered_.fetch_add(1);
}

KeyWatchers::ByKey::iterator KeyWatchers::tell_locked(ByKey::iterator key) {
  registered_.fetch_sub(key->second.watchers.size());
  for (const auto& watcher : key->second.watchers) watcher->changed(key->first);
  return by_key_.erase(key);
}

void KeyWatchers::tell(std::string_view key) {
  MutexLock lock(mutex_);
  if (const auto place = by_key_.find(key); place != by_key_.end()) tell_locked(place);
}

void KeyWatchers::purged(const Namespace& space) {
  MutexLock lock(mutex_);
  for (auto key = by_key_.begin(); key != by_key_.end();)
    key = key->second.space == &space ? tell_locked(key) : std::next(key);
}

void KeyWatchers::cleared() {
  MutexLock lock(mutex_);
  for (auto key = by_key_.begin(); key != by_key_.end();) key = tell_locked(key);
}

}  // namespace forebay::layer
