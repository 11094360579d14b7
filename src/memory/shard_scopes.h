#pragma once

// Scopes within one operation of a shard; for the shard's own files.

#include "memory/shard.h"

namespace forebay::memory {

class Shard::Visit {
 public:
  explicit Visit(Shard& shard) REQUIRES(shard.mutex) : shard_(shard) { ++shard.visits_; }
  ~Visit() NO_THREAD_SAFETY_ANALYSIS {  // made and destroyed within one operation of the shard
    if (--shard_.visits_ != 0) return;
    shard_.cleared_is_visited_ = false;
    while (shard_.set_aside_ != 0) {
      Entry& entry = Entry::at(shard_.set_aside_);
      shard_.set_aside_ = entry.retired_next();
      shard_.destroy(entry);
    }
  }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

 private:
  Shard& shard_;
};

class Shard::Writing {
 public:
  explicit Writing(Shard& shard) REQUIRES(shard.mutex) : shard_(shard) { shard.begin_writing(); }
  ~Writing() NO_THREAD_SAFETY_ANALYSIS { shard_.end_writing(); }  // made and destroyed under the lock
  Writing(const Writing&) = delete;
  Writing& operator=(const Writing&) = delete;

 private:
  Shard& shard_;
};

}  // namespace forebay::memory
