// What the shard relies on, for every policy in the registry and every option that it heeds.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "memory/eviction/hook_pool.h"
#include "memory/eviction/registry.h"

namespace forebay::memory {
namespace {

using Hooks = std::vector<EntryHook*>;

struct Case {
  PolicyRow row;
  PolicyOptions options;
};

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const PolicyRow& row : policy_rows()) {
    cases.push_back({row, {}});
    if (!row.heeds_options) continue;
    for (const Weigh weigh : {Weigh::kNothing, Weigh::kBytes, Weigh::kCost, Weigh::kCostPerByte}) {
      cases.push_back({row, {.weigh = weigh, .admission = Admission::kFrequent}});
      if (weigh != Weigh::kNothing) cases.push_back({row, {.weigh = weigh}});
    }
  }
  return cases;
}

std::string name_of(const Case& of) {
  std::string name(of.row.name);
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  static constexpr const char* kWeighed[] = {"", "_by_bytes", "_by_cost", "_by_cost_per_byte"};
  name += kWeighed[static_cast<std::size_t>(of.options.weigh)];
  return name + (of.options.admission == Admission::kFrequent ? "_with_admission" : "");
}

class PolicyContract : public ::testing::TestWithParam<Case> {
 protected:
  EntryHook& make() {
    return pool.make({.hash = random(),
                      .weight = random_weight(),
                      .expires_ms = random() % 2 == 0 ? EntryFacts::kNoExpiry : random() % 1000,
                      .load_cost = std::chrono::microseconds(random() % 3 == 0 ? 0 : random() % 50'000)});
  }
  std::size_t random_weight() { return random() % 8 == 0 ? 50'000 : 1 + random() % 200; }
  EntryHook& any(const Hooks& of) { return *of[random() % of.size()]; }
  // False: it wasn't there.
  static bool drop(Hooks& from, const EntryHook* hook) {
    const auto at = std::ranges::find(from, hook);
    if (at == from.end()) return false;
    *at = from.back();
    from.pop_back();
    return true;
  }
  bool may_leave(const EntryHook& hook) const {
    if (!GetParam().row.evicts) return false;
    return !GetParam().row.name.starts_with("volatile-") ||
           pool.facts(hook).expires_ms != EntryFacts::kNoExpiry;
  }
  bool any_may_leave(const Hooks& of) const {
    for (const EntryHook* hook : of) {
      if (may_leave(*hook)) return true;
    }
    return false;
  }

  std::mt19937_64 random{1};
  HookPool pool;  // outlives the policy
  std::unique_ptr<EvictionPolicy> policy = GetParam().row.make(pool, GetParam().options);
};

TEST_P(PolicyContract, AnEmptyPolicyHasNoVictim) {
  EXPECT_EQ(policy->pop_victim(), nullptr);
}

TEST_P(PolicyContract, VictimsAreTrackedEntriesAndEachIsTrackedOnce) {
  Hooks tracked;
  std::size_t victims = 0;
  const auto pop = [&] {
    EntryHook* const victim = policy->pop_victim();
    if (victim == nullptr) {
      ASSERT_FALSE(any_may_leave(tracked)) << "no victim, though " << tracked.size() << " are tracked";
      return;
    }
    ++victims;
    ASSERT_TRUE(drop(tracked, victim));
    ASSERT_TRUE(may_leave(*victim));
    pool.free(*victim);
  };
  for (int i = 0; i < 50'000; ++i) {
    // Filled and drained in turn, so that it is seen empty, small and large.
    const std::size_t most = (i / 5000) % 2 == 0 ? 400 : 8;
    const auto action = random() % 18;
    if (tracked.empty() || (tracked.size() < most && action < 6)) {
      EntryHook& hook = make();
      policy->on_insert(hook);
      tracked.push_back(&hook);
    } else if (tracked.size() > most || action < 3) {
      pop();
      if (HasFatalFailure()) return;
      if (!GetParam().row.evicts || tracked.size() <= most) continue;
    } else if (action < 8) {
      policy->on_hit(any(tracked));
    } else if (action < 10) {
      EntryHook& hook = any(tracked);
      drop(tracked, &hook);
      policy->on_erase(hook);
      pool.free(hook);
    } else if (action < 12) {
      EntryHook& old = any(tracked);
      EntryHook& fresh = make();
      policy->on_replace(old, fresh);
      drop(tracked, &old);
      pool.free(old);
      tracked.push_back(&fresh);
    } else if (action < 14) {
      EntryHook& hook = any(tracked);
      pool.set_expires_ms(hook, random() % 2 == 0 ? EntryFacts::kNoExpiry : random() % 1000);
      policy->on_replace(hook, hook);
    } else if (action < 16) {
      pool.resize(any(tracked), random_weight(), *policy);
    } else {
      EntryHook& hook = any(tracked);
      drop(tracked, &hook);
      tracked.push_back(&pool.move(hook, *policy));
    }
    if (tracked.size() > 2 * most) {  // nothing may leave, or not enough
      EntryHook& hook = any(tracked);
      drop(tracked, &hook);
      policy->on_erase(hook);
      pool.free(hook);
    }
    ASSERT_EQ(pool.size(), tracked.size());
  }
  while (any_may_leave(tracked)) {
    pop();
    if (HasFatalFailure()) return;
  }
  EXPECT_EQ(policy->pop_victim(), nullptr);
  EXPECT_EQ(victims != 0, GetParam().row.evicts);
}

// Two policies see the same, but that to one of them the first entries came light and were resized. Ranks by
// weight are rounded: model_test.cc has those.
TEST_P(PolicyContract, WhatWasResizedLeavesAsIfItHadAlwaysWeighedThat) {
  const auto& options = GetParam().options;
  if (options.weigh == Weigh::kBytes || options.weigh == Weigh::kCostPerByte) return;
  constexpr std::size_t kLight = 10'000;
  constexpr std::size_t kHeavy = 70'000;
  const auto other = GetParam().row.make(pool, options);
  // Of each policy the hooks in the order of their coming, null once they have left.
  Hooks resized;
  Hooks heavy;
  const auto insert = [&](std::size_t weight) {
    HookPool::Facts facts{.hash = random(), .weight = weight, .expires_ms = random()};
    resized.push_back(&pool.make(facts));
    facts.weight = kHeavy;
    heavy.push_back(&pool.make(facts));
    policy->on_insert(*resized.back());
    other->on_insert(*heavy.back());
  };
  for (int i = 0; i < 100; ++i) insert(kLight);
  for (EntryHook* const hook : resized) pool.resize(*hook, kHeavy, *policy);
  // Shadows learn of another weight when the key is used.
  for (EntryHook* const hook : resized) policy->on_hit(*hook);
  for (EntryHook* const hook : heavy) other->on_hit(*hook);
  for (int step = 0; step < 1000; ++step) {
    if (random() % 4 != 0) {
      const std::size_t at = random() % resized.size();
      if (resized[at] == nullptr) continue;
      policy->on_hit(*resized[at]);
      other->on_hit(*heavy[at]);
      continue;
    }
    EntryHook* const victim = policy->pop_victim();
    EntryHook* const same = other->pop_victim();
    ASSERT_EQ(victim != nullptr, GetParam().row.evicts);
    if (victim == nullptr) return;
    const auto at = std::ranges::find(resized, victim) - resized.begin();
    ASSERT_EQ(at, std::ranges::find(heavy, same) - heavy.begin()) << "in step " << step;
    resized[static_cast<std::size_t>(at)] = heavy[static_cast<std::size_t>(at)] = nullptr;
    pool.free(*victim);
    pool.free(*same);
    insert(kHeavy);
  }
}

TEST_P(PolicyContract, MayBeDestroyedWithEntriesStillTracked) {
  for (int i = 0; i < 10; ++i) policy->on_insert(make());
  policy.reset();
}

// As when a shard is cleared: what was tracked is freed without a word.
TEST_P(PolicyContract, MayBeDestroyedAfterTheEntriesItTracked) {
  Hooks hooks;
  for (int i = 0; i < 10; ++i) hooks.push_back(&make());
  for (EntryHook* const hook : hooks) policy->on_insert(*hook);
  for (EntryHook* const hook : hooks) pool.free(*hook);
  policy.reset();
}

// As when a shard changes its policy: bits are cleared, and links hold what the last one left there.
TEST_P(PolicyContract, TakesEntriesOverFromAnyOther) {
  for (const PolicyRow& row : policy_rows()) {
    const auto last = row.make(pool, {});
    const auto next = GetParam().row.make(pool, GetParam().options);
    Hooks hooks;
    for (int i = 0; i < 30; ++i) {
      EntryHook& hook = make();
      hooks.push_back(&hook);
      last->on_insert(hook);
      if (i % 3 == 0) last->on_hit(hook);
    }
    for (EntryHook* const hook : hooks) {
      hook->set_bits(0);
      next->on_insert(*hook);
    }
    while (any_may_leave(hooks)) {
      EntryHook* const victim = next->pop_victim();
      ASSERT_NE(victim, nullptr) << row.name;
      ASSERT_TRUE(drop(hooks, victim)) << row.name;
      pool.free(*victim);
    }
  }
}

// A reader does not report a hit that would change nothing: it must indeed change nothing.
TEST_P(PolicyContract, ASettledHitLeavesTheBitsAsTheyAre) {
  const auto settled = GetParam().row.hit_is_settled;
  if (settled == nullptr) return;
  for (int i = 0; i < 100; ++i) {
    EntryHook& hook = make();
    policy->on_insert(hook);
    for (int hits = 0; hits < 300; ++hits) {
      const auto bits = hook.bits();
      policy->on_hit(hook);
      if (settled(bits)) {
        ASSERT_EQ(hook.bits(), bits);
      }
    }
    EXPECT_TRUE(settled(hook.bits())) << "however often it is hit";
  }
}

INSTANTIATE_TEST_SUITE_P(Registry, PolicyContract, ::testing::ValuesIn(all_cases()),
                         [](const auto& of) { return name_of(of.param); });

// Settled hits are not reported, so a policy could not count them.
TEST(PolicyRegistry, APolicyThatHeedsOptionsHasEveryHitReported) {
  for (const PolicyRow& row : policy_rows()) {
    EXPECT_TRUE(!row.heeds_options || row.hit_is_settled == nullptr) << row.name;
  }
}

TEST(PolicyRegistry, FindsEveryNameItListsAndNoOther) {
  for (const auto name : policy_names()) {
    const auto row = find_policy(name);
    ASSERT_TRUE(row.has_value());
    EXPECT_EQ((*row)->name, name);
  }
  const auto none = find_policy("mru");
  ASSERT_FALSE(none.has_value());
  for (const auto name : policy_names()) EXPECT_NE(none.error().message.find(name), std::string::npos);
}

}  // namespace
}  // namespace forebay::memory
