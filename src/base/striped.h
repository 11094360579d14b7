#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace forebay {

// A small number that differs between threads that run at the same time (until there are more than kStripes).
inline constexpr std::size_t kStripes = 16;
inline std::size_t this_thread_stripe() {
  static std::atomic<std::size_t> next{0};
  thread_local const std::size_t mine = next.fetch_add(1, std::memory_order_relaxed) % kStripes;
  return mine;
}

// `N` counters that many threads raise without sharing a cache line. Reading sums the stripes: each sum is a
// value the counter had at some time during the read. Relaxed order throughout: nothing is published through
// a counter.
template <std::size_t N>
class StripedCounters {
 public:
  void add(std::size_t counter, std::uint64_t amount = 1) {
    stripes_[this_thread_stripe()].counts[counter].fetch_add(amount, std::memory_order_relaxed);
  }
  std::uint64_t sum(std::size_t counter) const {
    std::uint64_t total = 0;
    for (const auto& stripe : stripes_) total += stripe.counts[counter].load(std::memory_order_relaxed);
    return total;
  }
  void reset() {
    for (auto& stripe : stripes_) {
      for (auto& count : stripe.counts) count.store(0, std::memory_order_relaxed);
    }
  }

 private:
  struct alignas(64) Stripe {
    std::array<std::atomic<std::uint64_t>, N> counts{};
  };
  std::array<Stripe, kStripes> stripes_{};
};

}  // namespace forebay
