#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace forebay {

// Where a thread counts. The stripes from kSharedStripes on have one thread each, which holds its stripe
// until it ends; threads for which none is left share the others.
inline constexpr std::size_t kStripes = 32;
inline constexpr std::size_t kSharedStripes = 8;

namespace detail {
inline constexpr std::size_t kNoStripe = kStripes;
inline constinit thread_local std::size_t stripe_of_this_thread = kNoStripe;
std::size_t claim_stripe();  // for this thread, until it ends
}  // namespace detail

inline std::size_t this_thread_stripe() {
  const std::size_t mine = detail::stripe_of_this_thread;
  return mine != detail::kNoStripe ? mine : detail::claim_stripe();
}

// `N` counters that many threads raise without sharing a cache line, and most without a locked instruction.
// Reading sums the stripes: each sum is a value the counter had at some time during the read. Nothing is
// published through a counter.
template <std::size_t N>
class StripedCounters {
 public:
  void add(std::size_t counter, std::uint64_t amount = 1) {
    const std::size_t stripe = this_thread_stripe();
    auto& count = stripes_[stripe].counts[counter];
    if (stripe >= kSharedStripes) {  // nobody else writes it
      count.store(count.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    } else {
      count.fetch_add(amount, std::memory_order_relaxed);
    }
  }
  std::uint64_t sum(std::size_t counter) const {
    // Acquire: whoever sees a reset sees what it summed, or more, so that the difference is never below zero.
    const std::uint64_t before = before_reset_[counter].load(std::memory_order_acquire);
    return total(counter) - before;
  }
  // Counts from zero again. Only its own thread may write a stripe, so what each stripe had is remembered
  // instead of cleared.
  void reset() {
    for (std::size_t i = 0; i < N; ++i) before_reset_[i].store(total(i), std::memory_order_release);
  }

 private:
  std::uint64_t total(std::size_t counter) const {
    std::uint64_t total = 0;
    for (const auto& stripe : stripes_) total += stripe.counts[counter].load(std::memory_order_relaxed);
    return total;
  }

  struct alignas(64) Stripe {
    std::array<std::atomic<std::uint64_t>, N> counts{};
  };
  std::array<Stripe, kStripes> stripes_{};
  std::array<std::atomic<std::uint64_t>, N> before_reset_{};
};

}  // namespace forebay
