#pragma once

// The commands that took longest to execute lately (SLOWLOG). Waiting for a source is no part of that. Thread-safe.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "server/resp/commands/command.h"

namespace forebay::server {

class SlowLog {
 public:
  using Microseconds = std::chrono::microseconds;

  struct Entry {
    std::uint64_t id = 0;  // rising from 0
    std::int64_t wall_seconds = 0;
    Microseconds took{};
    std::vector<std::string> args;  // shortened
    std::string address;
    std::string name;  // the client's
  };

  // Whether a command that took so long is kept.
  bool is_slow(Microseconds took) const {
    const Microseconds limit = slower_than();
    return limit.count() >= 0 && took >= limit;
  }
  void add(std::int64_t wall_seconds, Microseconds took, const Command& command,
           std::span<const std::string_view> args, std::string address, std::string name);

  // The newest first, at most so many.
  std::vector<Entry> newest(std::size_t most) const;
  std::size_t size() const;
  void reset();

  // Negative: nothing is slow. Relaxed, as the other: each stands alone.
  Microseconds slower_than() const { return Microseconds(slower_than_.load(std::memory_order_relaxed)); }
  void set_slower_than(Microseconds limit) { slower_than_.store(limit.count(), std::memory_order_relaxed); }
  std::size_t most() const { return most_.load(std::memory_order_relaxed); }
  void set_most(std::size_t most);

 private:
  std::atomic<std::int64_t> slower_than_{10'000};
  std::atomic<std::size_t> most_{128};
  mutable Mutex mutex_;
  std::deque<Entry> entries_ GUARDED_BY(mutex_);  // the newest first
  std::uint64_t next_id_ GUARDED_BY(mutex_) = 0;
};

}  // namespace forebay::server
