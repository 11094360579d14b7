#include "memory/tag_purges.h"

#include <algorithm>
#include <vector>

namespace forebay::memory {

void TagPurges::purge(std::uint64_t tag) {
  const MutexLock lock(mutex_);
  // Relaxed: only who holds the lock writes it.
  const std::uint64_t moment = purges_.load(std::memory_order_relaxed) + 1;
  if (purged_.size() == kMost && !purged_.contains(tag >> 1)) forget_older_half();
  purged_[tag >> 1] = moment;
  last_[bucket(tag)].store(moment, std::memory_order_release);
  purges_.store(moment, std::memory_order_release);
}

void TagPurges::forget_older_half() {
  std::vector<std::uint64_t> moments;
  moments.reserve(purged_.size());
  for (const auto& [tag, moment] : purged_) moments.push_back(moment);
  const auto middle = moments.begin() + static_cast<std::ptrdiff_t>(moments.size() / 2);
  std::ranges::nth_element(moments, middle);
  floor_.store(*middle, std::memory_order_release);
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
