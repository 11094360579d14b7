#pragma once

// Hits that readers without the shard's lock have had, on their way to the policy, which wants the lock.
//
// A thread writes to the stripe that its number gives it: in the common case no other thread does, so no
// cache line is shared between readers (after the striped buffers of Manes' Caffeine). Whoever holds the
// shard's lock drains them all. Two threads of one stripe may lose hits between them, and a reader that finds
// its stripe full and the shard locked drops its own: hits are hints. But a thread alone in the program loses
// none and has them in order, as its writes drain first.
//
// The hits that wait in a stripe are all of one second: see is_behind().

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>

#include "memory/arena/cage.h"

namespace forebay::memory {

class HitLog {
 public:
  struct Hit {
    Ref entry;           // where it was
    std::uint32_t hash;  // the lower half
  };

  HitLog()
      : count_(std::clamp<std::size_t>(std::bit_ceil(2 * std::thread::hardware_concurrency()), 4, 16)),
        stripes_(std::make_unique<Stripe[]>(count_)) {}

  // Whether hits of another second than this wait in the thread's stripe: they must be drained before a
  // reader looks at when an entry was used last, or adds to them.
  bool is_behind(std::uint32_t seconds) const {
    const Stripe& mine = stripe();
    return mine.seconds.load(std::memory_order_relaxed) != seconds &&
           mine.tail.load(std::memory_order_relaxed) != mine.head.load(std::memory_order_relaxed);
  }

  // False: the thread's stripe is full.
  bool add(Hit hit, std::uint32_t seconds) {
    Stripe& mine = stripe();
    const std::uint32_t tail = mine.tail.load(std::memory_order_relaxed);
    if (tail - mine.head.load(std::memory_order_acquire) >= kSlots) return false;
    mine.slots[tail % kSlots].store((std::uint64_t{hit.hash} << 32) | hit.entry, std::memory_order_relaxed);
    mine.seconds.store(seconds, std::memory_order_relaxed);
    mine.tail.store(tail + 1, std::memory_order_release);  // with the slot
    return true;
  }

  // Calls on_hit(hit, seconds) for each that waits, in the order of its stripe. One thread at a time.
  template <class OnHit>
  void drain(OnHit on_hit) {
    for (std::size_t i = 0; i < count_; ++i) {
      Stripe& each = stripes_[i];
      const std::uint32_t tail = each.tail.load(std::memory_order_acquire);
      std::uint32_t head = each.head.load(std::memory_order_relaxed);
      if (head == tail) continue;
      const std::uint32_t seconds = each.seconds.load(std::memory_order_relaxed);
      // More than there is room for: two threads shared the stripe, and the slower one set its tail back.
      for (; head != tail && tail - head <= kSlots; ++head) {
        const std::uint64_t word = each.slots[head % kSlots].load(std::memory_order_relaxed);
        on_hit(Hit{static_cast<Ref>(word), static_cast<std::uint32_t>(word >> 32)}, seconds);
      }
      each.head.store(tail, std::memory_order_release);  // its slots may be written again
    }
  }

  std::size_t bytes() const { return count_ * sizeof(Stripe); }

 private:
  static constexpr std::uint32_t kSlots = 32;
  struct alignas(64) Stripe {
    std::atomic<std::uint32_t> tail{0};  // hits added
    std::atomic<std::uint32_t> head{0};  // of those, drained
    std::atomic<std::uint32_t> seconds{0};
    std::array<std::atomic<std::uint64_t>, kSlots> slots{};
  };

  static unsigned thread_number() {
    static std::atomic<unsigned> last{0};
    constinit thread_local unsigned number = 0;
    if (number == 0) [[unlikely]]
      number = last.fetch_add(1, std::memory_order_relaxed) + 1;
    return number;
  }
  Stripe& stripe() const { return stripes_[thread_number() & (count_ - 1)]; }

  const std::size_t count_;  // a power of two
  std::unique_ptr<Stripe[]> stripes_;
};

}  // namespace forebay::memory
