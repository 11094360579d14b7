#include "server/watch/monitors.h"

#include <fmt/format.h>

#include <utility>

#include "base/database_key.h"
#include "server/watch/command_text.h"

namespace forebay::server {

std::shared_ptr<void> Monitors::add(Sink sink) {
  std::uint64_t number = 0;
  {
    const MutexLock lock(mutex_);
    number = ++last_number_;
    sinks_.emplace(number, std::move(sink));
    any_.store(true, std::memory_order_relaxed);
  }
  return {this, [self = shared_from_this(), number](void*) { self->remove(number); }};
}

void Monitors::remove(std::uint64_t number) {
  const MutexLock lock(mutex_);
  sinks_.erase(number);
  any_.store(!sinks_.empty(), std::memory_order_relaxed);
}

void Monitors::show(std::int64_t wall_ms, unsigned database, std::string_view whose, const Command& command,
                    std::span<const std::string_view> args) {
  // What is about the server's settings is not shown, as in Redis: it may have secrets.
  if ((command.flags & kAdmin) != 0) return;
  std::string line = fmt::format("{}.{:06} [{} {}]", wall_ms / 1000, wall_ms % 1000 * 1000, database, whose);
  for (std::size_t at = 0; at < args.size(); ++at) {
    line += ' ';
    append_quoted(line, is_secret(command, args, at) ? "(redacted)" : without_database(args[at]));
  }
  const auto shown = std::make_shared<const std::string>(std::move(line));
  const MutexLock lock(mutex_);
  for (auto& [number, sink] : sinks_) sink(shown);
}

}  // namespace forebay::server
