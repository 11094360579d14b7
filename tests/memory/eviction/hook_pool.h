#pragma once

// Bare hooks, with no entry around them, for tests of policies; the only place that makes such.

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

#include "memory/eviction/policy.h"

namespace forebay::memory {

// Owns hooks, and answers for them what a shard would answer for its entries. Each hook is an allocation of
// its own, so that AddressSanitizer sees a policy touch one that is gone.
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
    auto hook = std::make_unique<EntryHook>();
    EntryHook& made = *hook;
    slots_.emplace(&made, Slot{std::move(hook), facts});
    return made;
  }

  // No policy tracks it any more.
  void free(EntryHook& hook) { ASSERT_EQ(slots_.erase(&hook), 1u); }

  // A bitwise copy elsewhere with the same facts: what becomes of an entry when the engine moves it. The
  // policy is to be told by on_move(), and then `hook` freed.
  EntryHook& copy(const EntryHook& hook) {
    EntryHook& to = make(slot(hook).facts);
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

  const Facts& facts(const EntryHook& hook) const { return slot(hook).facts; }
  void set_expires_ms(const EntryHook& hook, std::uint64_t ms) { slots_.at(&hook).facts.expires_ms = ms; }
  std::size_t size() const { return slots_.size(); }

  std::uint64_t hash(const EntryHook& entry) const override { return slot(entry).facts.hash; }
  std::size_t weight(const EntryHook& entry) const override { return slot(entry).facts.weight; }
  std::uint64_t expires_ms(const EntryHook& entry) const override { return slot(entry).facts.expires_ms; }
  std::chrono::microseconds load_cost(const EntryHook& entry) const override {
    return slot(entry).facts.load_cost;
  }

 private:
  struct Slot {
    std::unique_ptr<EntryHook> hook;
    Facts facts;
  };
  const Slot& slot(const EntryHook& hook) const { return slots_.at(&hook); }
  std::unordered_map<const EntryHook*, Slot> slots_;
};

}  // namespace forebay::memory
