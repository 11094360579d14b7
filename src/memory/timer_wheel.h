#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "memory/packed_links.h"

namespace forebay::memory {

// The links of an entry that expires. Lives in the cage.
class WheelHook : public PackedLinks {};

// Finds what is due without looking at anything that isn't: a hierarchical timing wheel (Varghese and Lauck,
// "Hashed and Hierarchical Timing Wheels", SOSP 1987, scheme 7).
//
// Time is counted in ticks. Six levels of 64 slots stand for the base-64 digits of a tick. A hook that is due
// at tick T is filed at the highest digit in which T differs from the wheel's time W, in the slot of T's
// digit there; when W reaches that slot, its hooks are due or are filed again further down. So:
//   - a hook is touched at most once a level, and filing and unlinking are O(1);
//   - a level's slots at or before W's own digit are empty, apart from the one that is being drained;
//   - a bitmap per level says which slots hold something, so empty time is skipped, not walked.
// Draining a slot may stop anywhere and go on later: W waits at the slot until it is empty.
//
// Not thread-safe: the shard's lock guards it. It owns no hook.
class TimerWheel {
 public:
  TimerWheel() { reset(); }
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // Forgets every hook without touching one; time stays. O(slots).
  void reset() {
    slots_.make_empty();
    occupied_.fill(0);
  }

  void file(WheelHook& hook, std::uint64_t due) {
    if (due < now_) due = now_;
    if (due > kLastTick) due = kLastTick;
    const std::uint64_t differs = due ^ now_;
    const unsigned level =
        differs == 0 ? 0 : (63u - static_cast<unsigned>(std::countl_zero(differs))) / kBits;
    const unsigned slot = digit(due, level);
    hook.insert_after(slot_at(level, slot));
    occupied_[level] |= std::uint64_t{1} << slot;
  }

  void unlink(WheelHook& hook) {
    PackedLinks* const before = hook.prev();
    const bool alone = before == hook.next();  // both are the slot itself
    hook.unlink();
    if (alone) mark_empty(before);
  }

  // Moves time towards `until`. Asks due_at(hook) for the tick of each hook it comes to, and calls
  // on_due(hook) for those that are due, which must unlink it. Returns the hooks touched, at most `budget`;
  // time has arrived at `until` if it is less.
  template <class DueAt, class OnDue>
  std::size_t advance(std::uint64_t until, std::size_t budget, DueAt due_at, OnDue on_due) {
    if (until > kLastTick) until = kLastTick;
    std::size_t touched = 0;
    for (;;) {
      for (unsigned level = kLevels; level-- > 0;) {
        const unsigned slot = digit(now_, level);
        PackedLinks& list = slot_at(level, slot);
        while (!list.is_empty_list()) {
          if (touched == budget) return touched;
          ++touched;
          auto& hook = static_cast<WheelHook&>(*list.next());
          const std::uint64_t due = due_at(hook);
          if (due <= now_) {
            on_due(hook);
          } else {
            unlink(hook);
            file(hook, due);
          }
        }
      }
      if (touched == budget) return touched;  // so that "less" means arrived
      if (now_ >= until) return touched;
      now_ = next_event(until);
    }
  }

  std::uint64_t now() const { return now_; }
  static constexpr std::size_t bytes() { return kSlots * kLevels * sizeof(PackedLinks); }  // in the cage

  // For tests. O(slots + hooks).
  std::size_t size() const {
    std::size_t hooks = 0;
    for (std::size_t i = 0; i < kSlots * kLevels; ++i) {
      const PackedLinks& slot = slots_[i];
      for (const auto* hook = slot.next(); hook != &slot; hook = hook->next()) ++hooks;
    }
    return hooks;
  }

 private:
  static constexpr unsigned kBits = 6;
  static constexpr unsigned kLevels = 6;
  static constexpr std::size_t kSlots = 64;
  static constexpr std::uint64_t kLastTick = (std::uint64_t{1} << (kBits * kLevels)) - 1;

  PackedLinks& slot_at(unsigned level, unsigned slot) { return slots_[level * kSlots + slot]; }
  static unsigned digit(std::uint64_t tick, unsigned level) { return (tick >> (kBits * level)) & 63u; }

  // The first time after now_ at which a slot must be drained; `until` if that is later. A lower level's
  // slots all come before the next one of a higher level.
  std::uint64_t next_event(std::uint64_t until) const {
    for (unsigned level = 0; level < kLevels; ++level) {
      const unsigned current = digit(now_, level);
      const std::uint64_t later = current == 63 ? 0 : occupied_[level] >> (current + 1) << (current + 1);
      if (later == 0) continue;
      const unsigned above = kBits * (level + 1);
      const std::uint64_t at =
          (now_ >> above << above) | (std::uint64_t(std::countr_zero(later)) << (kBits * level));
      return at < until ? at : until;
    }
    return until;
  }

  void mark_empty(const PackedLinks* slot) {
    const std::size_t index = slots_.index_of(*slot);
    occupied_[index / kSlots] &= ~(std::uint64_t{1} << (index % kSlots));
  }

  std::uint64_t now_ = 0;
  std::array<std::uint64_t, kLevels> occupied_{};
  ListEnds slots_{kSlots * kLevels};
};

}  // namespace forebay::memory
