#pragma once

#include <cstdint>

#include "memory/packed_links.h"

namespace forebay::memory {

// What a policy sees of an entry: links for its list, and 16 bits to keep with the entry (a frequency, a
// visited mark, a queue's number). The links are the policy's while it tracks the entry and nobody's
// otherwise; the 16 bits are zero on a new entry and are never touched by the shard.
class EntryHook : private PackedLinks {
 public:
  std::uint16_t bits() const { return prev_extra(); }
  void set_bits(std::uint16_t bits) { set_prev_extra(bits); }

 private:
  friend class Entry;
  friend class HookList;
};

// An ordered list of hooks, newest in front. Owns nothing. O(1) throughout.
class HookList {
 public:
  HookList() { ends_.make_empty_list(); }
  HookList(const HookList&) = delete;
  HookList& operator=(const HookList&) = delete;

  bool empty() const { return ends_.is_empty_list(); }
  bool is_front(const EntryHook& hook) const { return ends_.next() == &hook; }
  EntryHook* back() const { return empty() ? nullptr : static_cast<EntryHook*>(ends_.prev()); }
  void push_front(EntryHook& hook) { hook.insert_after(ends_); }
  static void remove(EntryHook& hook) { hook.unlink(); }

 private:
  PackedLinks ends_;
};

// Picks which entry of one memory shard leaves next.
//
// Keeps order, not data: it sees entries through their hook and never frees one. The shard calls it with the
// shard's lock held, so it needs no lock of its own, must not block and must not call back. It may be
// destroyed, or its entries freed, without a call for each (a cleared shard starts with a new policy).
//
// To add one: a pair in this folder, a row in registry.cc; the contract tests pick it up from there. Policies
// with several queues keep one HookList each and the queue's number in the hook's bits; a policy that passes
// some entries over (volatile-*) leaves them out of its lists, marks them in the bits, and returns null once
// only those remain.
class EvictionPolicy {
 public:
  virtual ~EvictionPolicy() = default;
  // Starts tracking an entry. Requires: no policy tracks it yet. O(1).
  virtual void on_insert(EntryHook& entry) = 0;
  // A hit. May come late or be dropped under load: a hint about order, nothing more.
  virtual void on_hit(EntryHook& entry) noexcept = 0;
  // Stops tracking an entry that leaves for another reason (expiry, invalidation).
  virtual void on_erase(EntryHook& entry) noexcept = 0;
  // A tracked entry was rewritten: `fresh` takes the place of `old`, and may be the same one. A policy that
  // remembers use carries it over here.
  virtual void on_replace(EntryHook& old, EntryHook& fresh) noexcept {
    if (&old == &fresh) return on_hit(fresh);
    on_erase(old);
    on_insert(fresh);
  }
  // Chooses the next to leave and stops tracking it; null when none may leave.
  virtual EntryHook* pop_victim() noexcept = 0;
};

}  // namespace forebay::memory
