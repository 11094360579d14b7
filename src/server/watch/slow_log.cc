#include "server/watch/slow_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/database_key.h"
#include "server/watch/command_text.h"

namespace forebay::server {
namespace {

// As Redis shortens them.
constexpr std::size_t kMostArguments = 32;
constexpr std::size_t kLongestArgument = 128;  // bytes

std::vector<std::string> shortened(const Command& command, std::span<const std::string_view> args) {
  std::vector<std::string> shown;
  const std::size_t whole = args.size() <= kMostArguments ? args.size() : kMostArguments - 1;
  for (std::size_t at = 0; at < whole; ++at) {
    if (is_secret(command, args, at)) {
      shown.emplace_back("(redacted)");
      continue;
    }
    const std::string_view text = without_database(args[at]);
    std::string& argument = shown.emplace_back(text.substr(0, kLongestArgument));
    if (text.size() > kLongestArgument)
      argument += fmt::format("... ({} more bytes)", text.size() - kLongestArgument);
  }
  if (whole < args.size()) shown.push_back(fmt::format("... ({} more arguments)", args.size() - whole));
  return shown;
}

}  // namespace

void SlowLog::add(std::int64_t wall_seconds, Microseconds took, const Command& command,
                  std::span<const std::string_view> args, std::string address, std::string name) {
  Entry entry{0, wall_seconds, took, shortened(command, args), std::move(address), std::move(name)};
  const MutexLock lock(mutex_);
  entry.id = next_id_++;
  entries_.push_front(std::move(entry));
  while (entries_.size() > most()) entries_.pop_back();
}

std::vector<SlowLog::Entry> SlowLog::newest(std::size_t most) const {
  const MutexLock lock(mutex_);
  const auto end = entries_.begin() + static_cast<std::ptrdiff_t>(std::min(most, entries_.size()));
  return {entries_.begin(), end};
}

std::size_t SlowLog::size() const {
  const MutexLock lock(mutex_);
  return entries_.size();
}

void SlowLog::reset() {
  const MutexLock lock(mutex_);
  entries_.clear();
}

void SlowLog::set_most(std::size_t most) {
  const MutexLock lock(mutex_);
  most_.store(most, std::memory_order_relaxed);
  while (entries_.size() > most) entries_.pop_back();
}

}  // namespace forebay::server
