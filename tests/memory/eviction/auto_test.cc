// What `auto` promises beyond the policies' contract: it follows the best of its candidates from one regime
// to the next, fully shadowed and sampled.

#include "memory/eviction/auto.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "memory/eviction/hook_pool.h"
#include "memory/eviction/registry.h"

namespace forebay::memory {
namespace {

using Keys = std::vector<std::uint64_t>;

// A cache of nothing but keys, each of the same weight, that evicts when it is full.
class Cache {
 public:
  Cache(std::string_view policy, std::size_t entries, std::size_t weight = 1, std::uint64_t seed = 0)
      : capacity_(entries), weight_(weight), policy_((*find_policy(policy))->make(pool_, {.seed = seed})) {}

  bool request(std::uint64_t key) {
    if (const auto at = entries_.find(key); at != entries_.end()) {
      policy_->on_hit(*at->second);
      return true;
    }
    if (entries_.size() == capacity_) {
      EntryHook* const victim = policy_->pop_victim();
      const std::uint64_t left = keys_.at(victim);
      victims_ = victims_ * 31 + left;
      keys_.erase(victim);
      entries_.erase(left);
      pool_.free(*victim);
    }
    EntryHook& hook = pool_.make({.hash = std::mt19937_64(key)(), .weight = weight_});
    entries_[key] = &hook;
    keys_[&hook] = key;
    policy_->on_insert(hook);
    return false;
  }

  std::size_t misses(const Keys& keys, std::size_t from = 0) {
    std::size_t misses = 0;
    for (std::size_t i = 0; i < keys.size(); ++i) misses += request(keys[i]) || i < from ? 0 : 1;
    return misses;
  }

  const EvictionPolicy& policy() const { return *policy_; }
  std::uint64_t victims() const { return victims_; }  // a digest of who left, in order

 private:
  HookPool pool_;
  const std::size_t capacity_;
  const std::size_t weight_;
  std::unique_ptr<EvictionPolicy> policy_;
  std::unordered_map<std::uint64_t, EntryHook*> entries_;
  std::unordered_map<const EntryHook*, std::uint64_t> keys_;
  std::uint64_t victims_ = 0;
};

Keys loop(std::size_t length, std::size_t requests) {
  Keys keys(requests);
  for (std::size_t i = 0; i < requests; ++i) keys[i] = i % length;
  return keys;
}

Keys zipf(std::size_t universe, std::size_t requests, std::uint64_t seed, std::uint64_t base) {
  std::mt19937_64 random(seed);
  std::vector<double> weights(universe);
  for (std::size_t i = 0; i < universe; ++i) weights[i] = 1.0 / static_cast<double>(i + 1);
  std::discrete_distribution<std::uint64_t> rank(weights.begin(), weights.end());
  Keys keys(requests);
  for (auto& key : keys) key = base + rank(random);
  return keys;
}

// Popularity that moves to other keys again and again.
Keys shifting(std::size_t universe, std::size_t requests, std::uint64_t base) {
  Keys keys;
  for (std::uint64_t part = 0; part < 8; ++part) {
    for (const auto key : zipf(universe, requests / 8, part, base + part * universe)) keys.push_back(key);
  }
  return keys;
}

// Every key comes twice, a short distance apart, and never again.
Keys short_reuse(std::size_t distance, std::size_t requests, std::uint64_t base) {
  std::mt19937_64 random(5);
  std::vector<std::pair<double, std::uint64_t>> events;
  for (std::size_t i = 0; i < requests / 2; ++i) {
    events.emplace_back(i, base + i);
    events.emplace_back(static_cast<double>(i + random() % distance), base + i);
  }
  std::ranges::sort(events);
  Keys keys;
  for (const auto& [at, key] : events) keys.push_back(key);
  return keys;
}

constexpr const char* kCandidates[] = {"lru", "s3-fifo", "w-tinylfu", "lfu"};

struct Size {
  const char* name;
  std::size_t entries;
  std::size_t weight;
};

class AutoAt : public ::testing::TestWithParam<Size> {};

TEST_P(AutoAt, FollowsTheBestCandidateFromOneRegimeToTheNext) {
  const auto [name, entries, weight] = GetParam();
  const std::size_t requests = 40 * entries;
  const std::vector<Keys> regimes = {
      loop(entries * 3 / 2, requests),
      shifting(entries * 10, requests, 1'000'000),
      short_reuse(entries / 2, requests, 2'000'000),
      zipf(entries * 10, requests, 9, 3'000'000),
      loop(entries * 2, requests),
  };
  Cache automatic("auto", entries, weight);
  std::vector<std::unique_ptr<Cache>> fixed;
  for (const char* candidate : kCandidates)
    fixed.push_back(std::make_unique<Cache>(candidate, entries, weight));
  // Within half of each regime it is where the best candidate is, to 4 requests in a hundred.
  for (const auto& regime : regimes) {
    std::size_t best = requests;
    for (auto& each : fixed) best = std::min(best, each->misses(regime, requests / 2));
    const std::size_t mine = automatic.misses(regime, requests / 2);
    EXPECT_LE(mine, best + requests / 2 * 4 / 100) << "regime " << &regime - regimes.data();
  }
}

TEST_P(AutoAt, RepeatsItself) {
  const auto [name, entries, weight] = GetParam();
  const Keys keys = zipf(entries * 10, 5 * entries, 1, 0);
  Cache one("auto", entries, weight, 7), two("auto", entries, weight, 7);
  one.misses(keys);
  two.misses(keys);
  EXPECT_EQ(one.victims(), two.victims());
}

INSTANTIATE_TEST_SUITE_P(Sizes, AutoAt, ::testing::Values(Size{"Full", 300, 1}, Size{"Sampled", 1000, 4000}),
                         [](const auto& size) { return size.param.name; });

TEST(Auto, TakesASmallShareOfWhatIsTracked) {
  constexpr std::size_t kEntries = 20'000, kWeight = 150;
  Cache cache("auto", kEntries, kWeight);
  cache.misses(zipf(kEntries * 3, kEntries, 1, 0));
  cache.misses(loop(kEntries * 2, kEntries * 2));
  Cache alone("s3-fifo", kEntries, kWeight);
  alone.misses(loop(kEntries * 2, kEntries * 2));
  EXPECT_LT(cache.policy().bytes(), alone.policy().bytes() + kEntries * kWeight / 40);
}

}  // namespace
}  // namespace forebay::memory
