#include "server/access/denial_log.h"

#include <algorithm>
#include <utility>

namespace forebay::server::access {

void DenialLog::add(Reason reason, Where where, std::string_view object, std::string_view user,
                    std::string client, std::int64_t wall_ms) {
  // Who is refused again and again is soon found, or not at all.
  constexpr std::size_t kLookedAt = 10;
  object = object.substr(0, kLongest);
  user = user.substr(0, kLongest);
  const MutexLock lock(mutex_);
  const auto end = entries_.begin() + static_cast<std::ptrdiff_t>(std::min(kLookedAt, entries_.size()));
  const auto same = std::find_if(entries_.begin(), end, [&](const Entry& entry) {
    return entry.reason == reason && entry.where == where && wall_ms - entry.updated_ms <= kSameWithinMs &&
           entry.object == object && entry.user == user;
  });
  Entry entry;
  if (same != end) {
    entry = std::move(*same);
    entries_.erase(same);
    ++entry.count;
  } else {
    entry = {next_id_++, 1, reason, where, std::string(object), std::string(user), {}, wall_ms, wall_ms};
  }
  entry.client = std::move(client);
  entry.updated_ms = wall_ms;
  entries_.push_front(std::move(entry));
  if (entries_.size() > kMost) entries_.pop_back();
}

std::vector<DenialLog::Entry> DenialLog::newest(std::size_t most) const {
  const MutexLock lock(mutex_);
  const auto count = static_cast<std::ptrdiff_t>(std::min(most, entries_.size()));
  return {entries_.begin(), entries_.begin() + count};
}

void DenialLog::reset() {
  const MutexLock lock(mutex_);
  entries_.clear();
}

std::string_view name_of(DenialLog::Reason reason) {
  constexpr std::string_view kNames[] = {"command", "key", "channel", "auth"};
  return kNames[static_cast<std::size_t>(reason)];
}

std::string_view name_of(DenialLog::Where where) {
  constexpr std::string_view kNames[] = {"toplevel", "multi", "lua"};
  return kNames[static_cast<std::size_t>(where)];
}

}  // namespace forebay::server::access
