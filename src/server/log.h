#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string_view>

namespace forebay::server {

// What a hostile or unlucky client can cause is logged at most once in ten seconds for each kind, so that it
// can't fill the disk. Thread-safe.
class LogLimit {
 public:
  // True: log now. `suppressed` is how many were not logged since the last one.
  bool pass(std::uint64_t& suppressed);

 private:
  // Relaxed: a count that is off by one under contention harms nobody, and nothing is published through it.
  std::atomic<std::int64_t> next_{0};
  std::atomic<std::uint64_t> suppressed_{0};
};

void log_warning(LogLimit& limit, std::string_view text);
// A wrong password given to a front ("resp", "http"). Lines about different addresses seldom keep each other
// out of the log.
void log_refused_password(std::string_view front, std::string_view address);
void log_info(std::string_view text);

}  // namespace forebay::server
