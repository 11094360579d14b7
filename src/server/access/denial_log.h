#pragma once

// What users were refused lately (ACL LOG). Thread-safe.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"

namespace forebay::server::access {

class DenialLog {
 public:
  // Entries; the oldest go first.
  static constexpr std::size_t kMost = 128;
  // Bytes of an object or a user's name that are kept: a client chooses them.
  static constexpr std::size_t kLongest = 1024;
  // The same refusal again within this time is counted instead of kept apart.
  static constexpr std::int64_t kSameWithinMs = 60'000;

  enum class Reason : std::uint8_t { kCommand, kKey, kChannel, kAuth };
  enum class Where : std::uint8_t { kToplevel, kMulti, kLua };

  struct Entry {
    std::uint64_t id = 0;  // rising from 0
    std::uint64_t count = 1;
    Reason reason{};
    Where where{};
    std::string object;  // the command, key, channel, or the name that somebody logged in with
    std::string user;
    std::string client;           // as CLIENT INFO told it the last time
    std::int64_t created_ms = 0;  // wall clock
    std::int64_t updated_ms = 0;
  };

  void add(Reason reason, Where where, std::string_view object, std::string_view user, std::string client,
           std::int64_t wall_ms);
  // The newest first, at most so many.
  std::vector<Entry> newest(std::size_t most) const;
  void reset();

 private:
  mutable Mutex mutex_;
  std::deque<Entry> entries_ GUARDED_BY(mutex_);  // the newest first
  std::uint64_t next_id_ GUARDED_BY(mutex_) = 0;
};

std::string_view name_of(DenialLog::Reason reason);
std::string_view name_of(DenialLog::Where where);

}  // namespace forebay::server::access
