// What the shard relies on, for every policy in the registry.

#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <set>
#include <string>

#include "memory/eviction/registry.h"

namespace forebay::memory {
namespace {

// Bare hooks, with no entry around them.
class NoFacts final : public EntryFacts {
 public:
  std::uint64_t hash(const EntryHook& entry) const override {
    return reinterpret_cast<std::uintptr_t>(&entry);
  }
  std::size_t weight(const EntryHook&) const override { return 1; }
  std::uint64_t expires_ms(const EntryHook&) const override { return kNoExpiry; }
  std::chrono::microseconds load_cost(const EntryHook&) const override { return {}; }
};

class PolicyContract : public ::testing::TestWithParam<PolicyRow> {
 protected:
  NoFacts facts;
  std::unique_ptr<EvictionPolicy> policy = GetParam().make(facts, {});
};

TEST_P(PolicyContract, AnEmptyPolicyHasNoVictim) {
  EXPECT_EQ(policy->pop_victim(), nullptr);
}

TEST_P(PolicyContract, VictimsAreTrackedEntriesAndEachIsTrackedOnce) {
  std::mt19937 random(1);
  std::deque<EntryHook> entries(500);
  std::set<EntryHook*> tracked;
  for (int i = 0; i < 50'000; ++i) {
    EntryHook& entry = entries[random() % entries.size()];
    const bool is_tracked = tracked.contains(&entry);
    switch (random() % 5) {
      case 0:
      case 1:
        if (is_tracked) {
          policy->on_hit(entry);
        } else {
          entry = EntryHook();
          policy->on_insert(entry);
          tracked.insert(&entry);
        }
        break;
      case 2:
        if (is_tracked) {
          policy->on_erase(entry);
          tracked.erase(&entry);
        }
        break;
      case 3: {
        EntryHook& fresh = entries[random() % entries.size()];
        if (!is_tracked || (tracked.contains(&fresh) && &fresh != &entry)) break;
        if (&fresh != &entry) fresh = EntryHook();
        policy->on_replace(entry, fresh);
        tracked.erase(&entry);
        tracked.insert(&fresh);
        break;
      }
      default:
        if (random() % 4 != 0) break;
        if (EntryHook* const victim = policy->pop_victim(); victim != nullptr) {
          ASSERT_EQ(tracked.erase(victim), 1u);
        } else {
          ASSERT_TRUE(!GetParam().evicts || tracked.empty());
        }
    }
  }
  std::size_t victims = 0;
  while (EntryHook* const victim = policy->pop_victim()) {
    ++victims;
    ASSERT_EQ(tracked.erase(victim), 1u);
  }
  EXPECT_TRUE(!GetParam().evicts || tracked.empty());
  EXPECT_EQ(victims != 0, GetParam().evicts);
}

TEST_P(PolicyContract, MayBeDestroyedWithEntriesStillTracked) {
  std::deque<EntryHook> entries(10);
  for (auto& entry : entries) policy->on_insert(entry);
  policy.reset();
}

INSTANTIATE_TEST_SUITE_P(Registry, PolicyContract,
                         ::testing::ValuesIn(policy_rows().begin(), policy_rows().end()),
                         [](const auto& row) { return std::string(row.param.name); });

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
