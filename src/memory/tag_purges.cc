#include "memory/tag_purges.h"

#include <algorithm>
#include <vector>

namespace forebay::memory {

std::uint64_t TagPurges::note(std::uint64_t tag) {
  // Relaxed: only who holds the lock writes it.
  const std::uint64_t moment = purges_.load(std::memory_order_relaxed) + 1;
  if (purged_.size() == kMost && !purged_.contains(tag >> 1)) forget_older_half();
  const bool held = holds_.contains(tag >> 1);
  purged_[tag >> 1] = held ? kHeld : moment;
  last_[bucket(tag)].store(held_in_[bucket(tag)] > 0 ? kHeld : moment, std::memory_order_release);
  return moment;
}

void TagPurges::purge(std::uint64_t tag) {
  const MutexLock lock(mutex_);
  const std::uint64_t moment = note(tag);
  purges_.store(moment, std::memory_order_release);
}

void TagPurges::purge_all() {
  const MutexLock lock(mutex_);
  const std::uint64_t moment = purges_.load(std::memory_order_relaxed) + 1;  // relaxed: as in note()
  floor_.store(moment, std::memory_order_release);
  purges_.store(moment, std::memory_order_release);
}

bool TagPurges::hold(std::uint64_t tag) {
  const MutexLock lock(mutex_);
  const auto found = holds_.find(tag >> 1);
  if (found == holds_.end() && holds_.size() == kMost / 2) return false;
  if (found == holds_.end()) {
    holds_.emplace(tag >> 1, 1);
    ++held_in_[bucket(tag)];
    held_.store(holds_.size(), std::memory_order_release);
  } else {
    ++found->second;
  }
  const std::uint64_t moment = note(tag);
  purges_.store(moment, std::memory_order_release);
  return true;
}

void TagPurges::release(std::uint64_t tag) {
  const MutexLock lock(mutex_);
  const auto found = holds_.find(tag >> 1);
  if (found == holds_.end()) return;
  if (--found->second == 0) {
    holds_.erase(found);
    --held_in_[bucket(tag)];
  }
  const std::uint64_t moment = note(tag);
  purges_.store(moment, std::memory_order_release);
  // After the purge: who sees that nothing is held sees the moment, too.
  held_.store(holds_.size(), std::memory_order_release);
}

void TagPurges::forget_older_half() {
  std::vector<std::uint64_t> moments;
  moments.reserve(purged_.size());
  for (const auto& [tag, moment] : purged_) {
    if (moment != kHeld) moments.push_back(moment);
  }
  const auto middle = moments.begin() + static_cast<std::ptrdiff_t>(moments.size() / 2);
  std::ranges::nth_element(moments, middle);
  // Never back: what purge_all() has ended stays so.
  floor_.store(std::max(floor_.load(std::memory_order_relaxed), *middle), std::memory_order_release);
  std::erase_if(purged_, [&](const auto& purged) { return purged.second <= *middle; });
}

bool TagPurges::purged_since(std::uint64_t as_of, std::string_view tags) const {
  if (as_of < floor_.load(std::memory_order_acquire)) return true;
  const std::size_t words = tags.size() / sizeof(std::uint64_t);
  for (std::size_t i = 1; i < words; ++i) {
    const std::uint64_t tag = word(tags, i);
    if (last_[bucket(tag)].load(std::memory_order_acquire) <= as_of) continue;
    const MutexLock lock(mutex_);
    const auto found = purged_.find(tag >> 1);
    if (found != purged_.end() && found->second > as_of) return true;
    // It may have been forgotten since the floor was looked at.
    if (as_of < floor_.load(std::memory_order_acquire)) return true;
  }
  return false;
}

}  // namespace forebay::memory
