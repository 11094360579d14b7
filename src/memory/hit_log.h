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
#include <span>
#include <thread>

#include "memory/arena/cage.h"

namespace forebay::memory {

class HitLog {
 public:
  struct Hit {
    Ref entry;           // where it was
    std::uint32_t hash;  // the lower half
  };

  // Where a thread writes.
  class alignas(64) Stripe {
   public:
    // Whether hits of another second than this wait here: they must be drained before the thread looks at
    // when an entry was used last, or adds to them.
    bool is_behind(std::uint32_t seconds) const {
      return seconds_.load(std::memory_order_relaxed) != seconds && has_hits();
    }
    // Whether this hit waits here and is the latest that does.
    bool ends_with(Hit hit) const {
      const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
      return slots_[(tail - 1) % kSlots].load(std::memory_order_relaxed) == word_of(hit) &&
             tail != head_.load(std::memory_order_relaxed);
    }
    // False: it is full.
    bool add(Hit hit, std::uint32_t seconds) {
      const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
      if (tail - head_.load(std::memory_order_acquire) >= kSlots) return false;
      slots_[tail % kSlots].store(word_of(hit), std::memory_order_relaxed);
      seconds_.store(seconds, std::memory_order_relaxed);
      tail_.store(tail + 1, std::memory_order_release);  // with the slot
      return true;
    }

   private:
    friend class HitLog;
    static constexpr std::uint32_t kSlots = 32;

    static std::uint64_t word_of(Hit hit) { return (std::uint64_t{hit.hash} << 32) | hit.entry; }
    static Hit hit_of(std::uint64_t word) {
      return {static_cast<Ref>(word), static_cast<std::uint32_t>(word >> 32)};
    }
    bool has_hits() const {
      return tail_.load(std::memory_order_relaxed) != head_.load(std::memory_order_relaxed);
    }

    std::atomic<std::uint32_t> tail_{0};  // hits added
    std::atomic<std::uint32_t> head_{0};  // of those, drained
    std::atomic<std::uint32_t> seconds_{0};
    std::array<std::atomic<std::uint64_t>, kSlots> slots_{};
  };

  HitLog()
      : stripes_(std::make_unique<Stripe[]>(stripe_count())),
        last_(static_cast<std::uint32_t>(stripe_count() - 1)) {}

  // The calling thread's.
  Stripe& stripe() const { return stripes_.get()[thread_number() & last_]; }

  // Whether a hit of any thread waits: then it isn't known when entries were used last.
  bool has_hits() const {
    for (std::size_t i = 0; i <= last_; ++i) {
      if (stripes_.get()[i].has_hits()) return true;
    }
    return false;
  }

  // Calls on_hit(hit, seconds) for each that waits, in the order of its stripe, when `prepare` has seen all
  // of that stripe. One thread at a time.
  template <class Prepare, class OnHit>
  void drain(Prepare prepare, OnHit on_hit) {
    for (std::size_t i = 0; i <= last_; ++i) {
      Stripe& each = stripes_[i];
      const std::uint32_t tail = each.tail_.load(std::memory_order_acquire);
      std::uint32_t head = each.head_.load(std::memory_order_relaxed);
      if (head == tail) continue;
      const std::uint32_t seconds = each.seconds_.load(std::memory_order_relaxed);
      // More than there is room for: two threads shared the stripe, and the slower one set its tail back.
      const std::uint32_t count = tail - head <= Stripe::kSlots ? tail - head : 0;
      std::array<Hit, Stripe::kSlots> hits;
      for (std::uint32_t at = 0; at < count; ++at) {
        const auto& slot = each.slots_[(head + at) % Stripe::kSlots];
        hits[at] = Stripe::hit_of(slot.load(std::memory_order_relaxed));
      }
      prepare(std::span<const Hit>(hits.data(), count));
      for (std::uint32_t at = 0; at < count; ++at) on_hit(hits[at], seconds);
      each.head_.store(tail, std::memory_order_release);  // its slots may be written again
    }
  }

  std::size_t bytes() const { return (last_ + std::size_t{1}) * sizeof(Stripe); }

 private:
  static unsigned thread_number() {
    static std::atomic<unsigned> last{0};
    constinit thread_local unsigned number = 0;
    if (number == 0) [[unlikely]]
      number = last.fetch_add(1, std::memory_order_relaxed) + 1;
    return number;
  }

  // A power of two.
  static std::size_t stripe_count() {
    return std::clamp<std::size_t>(std::bit_ceil(2 * std::thread::hardware_concurrency()), 4, 16);
  }

  std::unique_ptr<Stripe[]> stripes_;
  const std::uint32_t last_;  // a mask
};

}  // namespace forebay::memory
