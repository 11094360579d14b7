#include "server/log.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <array>

#include "base/hash.h"

namespace forebay::server {

bool LogLimit::pass(std::uint64_t& suppressed) {
  using std::chrono::steady_clock;
  const auto now = steady_clock::now().time_since_epoch();
  constexpr std::chrono::nanoseconds kPause = std::chrono::seconds(10);
  std::int64_t next = next_.load(std::memory_order_relaxed);
  if (now.count() < next || !next_.compare_exchange_strong(next, (now + kPause).count())) {
    suppressed_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  suppressed = suppressed_.exchange(0, std::memory_order_relaxed);
  return true;
}

void log_warning(LogLimit& limit, std::string_view text) {
  std::uint64_t suppressed = 0;
  if (!limit.pass(suppressed)) return;
  if (suppressed > 0) {
    spdlog::warn("{} ({} more like this since the last such line)", text, suppressed);
  } else {
    spdlog::warn("{}", text);
  }
}

void log_refused_password(std::string_view front, std::string_view address) {
  static std::array<LogLimit, 16> limits;
  const std::string_view host = address.substr(0, address.rfind(':'));
  log_warning(limits[hash_bytes(host) % limits.size()],
              fmt::format("{}: a client at {} gave a wrong user or password", front, address));
}

void log_info(std::string_view text) {
  spdlog::info("{}", text);
}

}  // namespace forebay::server
