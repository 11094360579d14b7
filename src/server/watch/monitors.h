#pragma once

// Clients that are shown every command of all clients (MONITOR). Thread-safe.

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "server/resp/commands/command.h"

namespace forebay::server {

class Monitors : public std::enable_shared_from_this<Monitors> {
 public:
  using Line = std::shared_ptr<const std::string>;
  // Hands a line to a client; from any thread, must not block or call back.
  using Sink = std::move_only_function<void(Line)>;

  // Relaxed: a command that runs while a client begins to watch may be shown or not.
  bool any() const { return any_.load(std::memory_order_relaxed); }
  // The client is shown what is executed as long as the token lives.
  std::shared_ptr<void> add(Sink sink);
  // `whose`: the client's address, or "lua".
  void show(std::int64_t wall_ms, unsigned database, std::string_view whose, const Command& command,
            std::span<const std::string_view> args);

 private:
  void remove(std::uint64_t number);

  std::atomic<bool> any_{false};
  Mutex mutex_;
  std::uint64_t last_number_ GUARDED_BY(mutex_) = 0;
  std::map<std::uint64_t, Sink> sinks_ GUARDED_BY(mutex_);
};

}  // namespace forebay::server
