#pragma once

#include <atomic>
#include <cstddef>

namespace forebay::server {

// What all clients together keep in memory: requests that have not been answered, replies that have not been
// taken (values that they are sent from count as if they were copies), and queued transactions.
//
// Above three quarters of the bound, clients that hold more than a modest share are not read from. Above the
// bound the largest are closed, and so is the largest when others have had to wait for a second.
//
// Thread-safe. Relaxed: the sum publishes nothing, and one that is a little late does no harm.
class ClientMemory {
 public:
  // Who holds no more than this is never kept waiting.
  static constexpr std::size_t kModest = std::size_t{256} << 10;

  // `limit`: the bound, which may change; 0: none. It outlives this.
  explicit ClientMemory(const std::atomic<std::size_t>& limit) : limit_(limit) {}

  // A client holds `now` bytes, where it had reported `before`.
  void report(std::size_t before, std::size_t now) {
    used_.fetch_add(now - before, std::memory_order_relaxed);  // wraps where it is less
  }
  std::size_t used() const { return used_.load(std::memory_order_relaxed); }
  std::size_t limit() const { return limit_.load(std::memory_order_relaxed); }
  bool tight() const { return limit() != 0 && used() > limit() / 4 * 3; }
  bool over() const { return limit() != 0 && used() > limit(); }

 private:
  const std::atomic<std::size_t>& limit_;
  std::atomic<std::size_t> used_{0};
};

}  // namespace forebay::server
