#pragma once

// Bare hooks, with no entry around them, for tests of policies; the only place that makes such.

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <unordered_map>
#include <utility>

#include "memory/arena/slabs.h"
#include "memory/eviction/policy.h"

namespace forebay::memory {

// Owns hooks, and answers for them what a shard would answer for its entries. They live where entries do, in
// blocks of their own, so that AddressSanitizer sees a policy touch one that is gone.
class HookPool final : public EntryFacts {
 public:
  struct Facts {
    std::uint64_t hash = 0;
    std::size_t weight = 1;
    std::uint64_t expires_ms = kNoExpiry;
    std::chrono::microseconds load_cost{0};
  };

  // A new hook, in no list and its bits zero.
  EntryHook& make() { return make(Facts()); }
  EntryHook& make(const Facts& facts) {
    EntryHook& made = *new (slabs_.allocate(sizeof(EntryHook))) EntryHook;
    slots_.emplace(&made, facts);
    return made;
  }

  // No policy tracks it any more.
  void free(EntryHook& hook) {
    ASSERT_EQ(slots_.erase(&hook), 1u);
    slabs_.free(&hook, sizeof(EntryHook));
  }

  // A bitwise copy elsewhere with the same facts: what becomes of an entry when the engine moves it. The
  // policy is to be told by on_move(), and then `hook` freed.
  EntryHook& copy(const EntryHook& hook) {
    EntryHook& to = make(facts(hook));
    to = hook;
    return to;
  }

  // What the shard does to an entry it moves.
  EntryHook& move(EntryHook& hook, EvictionPolicy& policy) {
    EntryHook& to = copy(hook);
    policy.on_move(hook, to);
    free(hook);
    return to;
  }

  const Facts& facts(const EntryHook& hook) const { return slots_.at(&hook); }
  void set_expires_ms(const EntryHook& hook, std::uint64_t ms) { slots_.at(&hook).expires_ms = ms; }
  // What the shard does to an entry that grows or shrinks where it is.
  void resize(EntryHook& hook, std::size_t weight, EvictionPolicy& policy) {
    const std::size_t before = std::exchange(slots_.at(&hook).weight, weight);
    policy.on_resize(hook, before, weight);
  }
  std::size_t size() const { return slots_.size(); }

  std::uint64_t hash(const EntryHook& entry) const override { return facts(entry).hash; }
  std::size_t weight(const EntryHook& entry) const override { return facts(entry).weight; }
  std::uint64_t expires_ms(const EntryHook& entry) const override { return facts(entry).expires_ms; }
  std::chrono::microseconds load_cost(const EntryHook& entry) const override {
    return facts(entry).load_cost;
  }

 private:
  Slabs slabs_;
  std::unordered_map<const EntryHook*, Facts> slots_;
};

}  // namespace forebay::memory
