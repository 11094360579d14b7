#pragma once

// The databases that clients choose by SELECT, and where the keys of each are (base/database_key.h): SWAPDB swaps
// two of those places and moves no key. Thread-safe.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

#include "base/database_key.h"
#include "base/mutex.h"

namespace forebay::server {

class Databases {
 public:
  explicit Databases(unsigned count) : count_(count) {
    for (unsigned i = 0; i < kMostDatabases; ++i) places_.at(i).store(static_cast<std::uint8_t>(i));
  }

  unsigned count() const { return count_; }  // 1 to kMostDatabases
  // Where the keys of this database are. Requires: it is below count(). Relaxed: a command that runs while
  // databases are swapped may come before or after it, and SWAPDB's own client sees what its thread did.
  unsigned place_of(unsigned database) const { return places_[database].load(std::memory_order_relaxed); }
  // Whose keys are there.
  unsigned database_at(unsigned place) const {
    for (unsigned database = 0; database < count_; ++database) {
      if (place_of(database) == place) return database;
    }
    return place;
  }

  void swap(unsigned first, unsigned second) {
    const MutexLock lock(mutex_);
    const unsigned place = place_of(first);
    places_.at(first).store(static_cast<std::uint8_t>(place_of(second)));
    places_.at(second).store(static_cast<std::uint8_t>(place));
    // Release: who still sees the former number has worked out its keys' names before this swap.
    swaps_.fetch_add(1, std::memory_order_release);
  }
  // How often that was done: names of keys that were worked out under another number may be those of another
  // database by now. Acquire, as swap() releases.
  std::uint64_t swaps() const { return swaps_.load(std::memory_order_acquire); }

 private:
  const unsigned count_;
  Mutex mutex_;  // one swap at a time
  std::array<std::atomic<std::uint8_t>, kMostDatabases> places_;
  std::atomic<std::uint64_t> swaps_{0};
};

}  // namespace forebay::server
