#include "base/striped.h"

#include <bit>

namespace forebay::detail {
namespace {

constexpr std::uint32_t kOwnable = ~std::uint32_t{0} << kSharedStripes;
static_assert(kStripes == 32, "one bit of `taken` each");

constinit std::atomic<std::uint32_t> taken{0};
constinit std::atomic<std::size_t> next_shared{0};

// Gives the stripe back when its thread ends.
struct Claim {
  std::size_t stripe = 0;
  ~Claim() {
    // Destructors that run later on this thread may still count.
    stripe_of_this_thread = stripe % kSharedStripes;
    // Release, with the acquire in claim_stripe(): the next owner adds to what this one left.
    if (stripe >= kSharedStripes) taken.fetch_and(~(std::uint32_t{1} << stripe), std::memory_order_release);
  }
};

}  // namespace

std::size_t claim_stripe() {
  thread_local Claim claim;
  std::uint32_t seen = taken.load(std::memory_order_relaxed);
  while ((~seen & kOwnable) != 0) {
    const std::uint32_t bit = std::bit_floor(~seen & kOwnable);
    if (!taken.compare_exchange_weak(seen, seen | bit, std::memory_order_acquire, std::memory_order_relaxed))
      continue;
    claim.stripe = static_cast<std::size_t>(std::countr_zero(bit));
    return stripe_of_this_thread = claim.stripe;
  }
  claim.stripe = next_shared.fetch_add(1, std::memory_order_relaxed) % kSharedStripes;
  return stripe_of_this_thread = claim.stripe;
}

}  // namespace forebay::detail
