#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "forebay/eviction.h"
#include "memory/packed_links.h"

namespace forebay::memory {

// What a policy sees of an entry: links for its list, and 8 bits to keep with the entry (a frequency, a
// visited mark, a queue's number). The links are the policy's while it tracks the entry and nobody's
// otherwise; the bits are zero on a new entry and are never touched by the shard. Lives in the cage.
class EntryHook : private PackedLinks {
 public:
  std::uint8_t bits() const { return static_cast<std::uint8_t>(use_); }
  void set_bits(std::uint8_t bits) { store_word(use_, (use_ & ~std::uint32_t{0xff}) | bits); }

  // For a policy that keeps entries in an array or a heap instead of a list: its place there, in the links'
  // room. Not both for one entry at a time.
  std::uint32_t index() const { return index_of_links(); }
  void set_index(std::uint32_t index) { set_index_in_links(index); }

 private:
  friend class Entry;
  friend class HookList;
  using PackedLinks::prefetch_neighbours;
  std::uint32_t use_ = 0;  // above the policy's bits: the entry's
};

// An ordered list of hooks, newest in front. Owns nothing but its ends. O(1) throughout.
class HookList {
 public:
  HookList() : ends_(1) {}
  HookList(const HookList&) = delete;
  HookList& operator=(const HookList&) = delete;

  bool empty() const { return ends().is_empty_list(); }
  bool is_front(const EntryHook& hook) const { return ends().next() == &hook; }
  EntryHook* back() const { return at_or_null(ends().prev()); }
  // The neighbour towards the front; null for the front itself.
  EntryHook* newer(const EntryHook& hook) const { return at_or_null(hook.prev()); }
  void push_front(EntryHook& hook) { hook.insert_after(ends()); }
  static void remove(EntryHook& hook) { hook.unlink(); }
  // `fresh` takes the place of `old`, which is in no list afterwards. The bits stay each one's own.
  static void replace(EntryHook& old, EntryHook& fresh) { fresh.take_place_of(old); }
  // `to` is a bitwise copy of `from` elsewhere and takes its place in its list, if that is in one.
  static void relocate(EntryHook& from, EntryHook& to) { to.take_place_of(from); }

 private:
  EntryHook* at_or_null(PackedLinks* links) const {
    return links == &ends() ? nullptr : static_cast<EntryHook*>(links);
  }
  PackedLinks& ends() { return ends_[0]; }
  const PackedLinks& ends() const { return ends_[0]; }
  ListEnds ends_;
};

// What a policy may ask about an entry that it tracks. Costs a few loads; hash() hashes the key.
class EntryFacts {
 public:
  virtual ~EntryFacts() = default;
  virtual std::uint64_t hash(const EntryHook& entry) const = 0;
  // What the entry counts for in the limit: bytes, or 1 where entries are counted. Changes only through
  // on_resize() and on_replace().
  virtual std::size_t weight(const EntryHook& entry) const = 0;
  // When it expires, in milliseconds since some start; kNoExpiry if it doesn't. Changes only through
  // on_replace().
  virtual std::uint64_t expires_ms(const EntryHook& entry) const = 0;
  // What its load took; zero for what a client wrote.
  virtual std::chrono::microseconds load_cost(const EntryHook& entry) const = 0;

  static constexpr std::uint64_t kNoExpiry = ~std::uint64_t{0};
};

struct PolicyOptions {
  Weigh weigh = Weigh::kNothing;
  Admission admission = Admission::kAll;
  std::uint64_t seed = 0;  // of whatever is left to chance

  bool operator==(const PolicyOptions&) const = default;
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
  // Starts tracking an entry. Requires: no policy tracks it yet.
  virtual void on_insert(EntryHook& entry) = 0;
  // A hit. May come late or be dropped under load: a hint about order, nothing more. All hits of one thread
  // come before the next insertion that it makes.
  virtual void on_hit(EntryHook& entry) noexcept = 0;
  // Stops tracking an entry that leaves for another reason (expiry, invalidation).
  virtual void on_erase(EntryHook& entry) noexcept = 0;
  // A tracked entry has grown or shrunk where it is: it counted for `before` and counts for `after` now. No
  // use: the order stays, but for what is weighed in it. To be overridden by a policy that sums weights up or
  // ranks by them.
  virtual void on_resize(EntryHook& /*entry*/, std::size_t /*before*/, std::size_t /*after*/) noexcept {}
  // A tracked entry was rewritten: `fresh` takes the place of `old`, and may be the same one with the same
  // weight (its expiry may differ). A policy that remembers use carries it over here.
  virtual void on_replace(EntryHook& old, EntryHook& fresh) noexcept {
    if (&old == &fresh) return on_hit(fresh);
    on_erase(old);
    on_insert(fresh);
  }
  // A tracked entry has moved: `to` is a bitwise copy of it, the policy's bits and links included, and `from`
  // is about to be freed. To be overridden by a policy that points at entries other than from its lists, or
  // that has entries in none.
  virtual void on_move(EntryHook& from, EntryHook& to) noexcept { HookList::relocate(from, to); }
  // Chooses the next to leave and stops tracking it; null when none may leave.
  virtual EntryHook* pop_victim() noexcept = 0;
  // What it takes beside the hooks (ghosts, sketches, heaps); counted against the limit.
  virtual std::size_t bytes() const { return 0; }
};

}  // namespace forebay::memory
