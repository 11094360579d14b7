#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "memory/eviction/policy.h"

namespace forebay::memory {

// A binary heap of hooks, the lowest key on top; an entry's place is its hook's index(). Owns nothing. O(log
// n) but for move(). Keys that are equal come in no particular order.
template <class Key>
class HookHeap {
 public:
  bool empty() const { return slots_.empty(); }
  std::size_t bytes() const { return slots_.capacity() * sizeof(Slot); }
  EntryHook* top() const { return empty() ? nullptr : slots_[0].hook; }
  Key key(const EntryHook& hook) const { return slots_[hook.index()].key; }
  // Adds this to every key.
  void shift_all(Key by) {
    for (Slot& slot : slots_) slot.key += by;
  }

  void push(EntryHook& hook, Key key) {
    slots_.push_back({key, &hook});
    up(slots_.size() - 1);
  }

  void remove(EntryHook& hook) {
    const std::size_t at = hook.index();
    const Slot last = slots_.back();
    slots_.pop_back();
    if (at != slots_.size()) settle(at, last);
  }

  // `fresh` takes the place of `old`, or is the same, with another key.
  void replace(EntryHook& old, EntryHook& fresh, Key key) { settle(old.index(), {key, &fresh}); }

  void move(EntryHook& to) { slots_[to.index()].hook = &to; }  // a copy of the one that was there

 private:
  struct Slot {
    Key key;
    EntryHook* hook;
  };

  void put(std::size_t at, const Slot& slot) {
    slots_[at] = slot;
    slot.hook->set_index(static_cast<std::uint32_t>(at));
  }

  void settle(std::size_t at, const Slot& slot) {
    slots_[at] = slot;
    down(up(at));
  }

  std::size_t up(std::size_t at) {
    const Slot slot = slots_[at];
    for (; at != 0 && slot.key < slots_[(at - 1) / 2].key; at = (at - 1) / 2) put(at, slots_[(at - 1) / 2]);
    put(at, slot);
    return at;
  }

  void down(std::size_t at) {
    const Slot slot = slots_[at];
    for (std::size_t child = 2 * at + 1; child < slots_.size(); child = 2 * at + 1) {
      if (child + 1 < slots_.size() && slots_[child + 1].key < slots_[child].key) ++child;
      if (!(slots_[child].key < slot.key)) break;
      put(at, slots_[child]);
      at = child;
    }
    put(at, slot);
  }

  std::vector<Slot> slots_;
};

}  // namespace forebay::memory
