// The policies that leave nothing to chance, beside the simplest program that does the same: a million random
// steps, and every victim must be the model's. Replacement, erasure, moves and changes of weight are mixed
// in.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "memory/eviction/ghosts.h"
#include "memory/eviction/hook_pool.h"
#include "memory/eviction/registry.h"

namespace forebay::memory {
namespace {

// Sanitizers make a step about twenty times as dear.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kSteps = 50'000;
#else
constexpr int kSteps = 1'000'000;
#endif

struct Item {
  std::uint64_t id;
  std::uint64_t hash;
  std::uint64_t expires;
  std::uint64_t uses = 0;
  bool main = false;
  std::size_t weight = 1;
};

// Plain vectors, searched from end to end.
class Model {
 public:
  virtual ~Model() = default;
  virtual void insert(const Item& item) { items.push_back(item); }
  virtual void hit(std::uint64_t id) = 0;
  virtual void erase(std::uint64_t id) { items.erase(find(id)); }
  virtual void set_expiry(std::uint64_t id, std::uint64_t expires) {
    find(id)->expires = expires;
    hit(id);
  }
  void resize(std::uint64_t id, std::size_t weight) { find(id)->weight = weight; }
  // The id of what leaves; requires that there is something.
  virtual std::uint64_t pop() = 0;

 protected:
  std::vector<Item>::iterator find(std::uint64_t id) { return std::ranges::find(items, id, &Item::id); }
  std::uint64_t take(std::vector<Item>::iterator at) {
    const std::uint64_t id = at->id;
    items.erase(at);
    return id;
  }
  std::vector<Item> items;  // the oldest first
};

class FifoModel : public Model {
 public:
  void hit(std::uint64_t) override {}
  std::uint64_t pop() override { return take(items.begin()); }
};

class LruModel : public FifoModel {
 public:
  void hit(std::uint64_t id) override { std::rotate(find(id), find(id) + 1, items.end()); }
};

class SieveModel : public Model {
 public:
  void hit(std::uint64_t id) override { find(id)->uses = 1; }
  void erase(std::uint64_t id) override {
    const auto at = static_cast<std::size_t>(find(id) - items.begin());
    Model::erase(id);
    if (at < hand_) --hand_;
    if (hand_ == items.size()) hand_ = 0;
  }
  std::uint64_t pop() override {
    for (; items[hand_].uses != 0; hand_ = (hand_ + 1) % items.size()) items[hand_].uses = 0;
    const std::uint64_t id = take(items.begin() + static_cast<std::ptrdiff_t>(hand_));
    if (hand_ == items.size()) hand_ = 0;  // and not at the next newcomer
    return id;
  }

 private:
  std::size_t hand_ = 0;
};

class LfuModel : public Model {
 public:
  void insert(const Item& item) override {
    Model::insert(item);
    use(items.back());
  }
  void hit(std::uint64_t id) override { use(*find(id)); }
  std::uint64_t pop() override {
    const auto lowest = std::ranges::min_element(items, {}, [](const Item& item) {
      return std::pair(item.expires, item.hash);  // here: the rank, and the time of the last use
    });
    age_ = lowest->expires;
    return take(lowest);
  }
  void set_expiry(std::uint64_t id, std::uint64_t) override { hit(id); }

 private:
  void use(Item& item) {
    item.uses = std::min<std::uint64_t>(item.uses + 1, 127);
    item.expires = age_ + item.uses;
    item.hash = ++clock_;
  }
  std::uint64_t age_ = 0;
  std::uint64_t clock_ = 0;
};

class TtlModel : public FifoModel {
 public:
  void set_expiry(std::uint64_t id, std::uint64_t expires) override {
    Item item = *find(id);
    if (item.expires == expires) return;
    erase(id);
    item.expires = expires;
    insert(item);
  }
  std::uint64_t pop() override {
    return take(std::ranges::min_element(items, {}, &Item::expires));  // expiries differ, but for "none"
  }
};

class S3FifoModel : public Model {
 public:
  void insert(const Item& item) override {
    Model::insert(item);
    items.back().main = ghosts_.take(item.hash);
  }
  void hit(std::uint64_t id) override { find(id)->uses = std::min<std::uint64_t>(find(id)->uses + 1, 3); }
  std::uint64_t pop() override {
    const std::size_t capacity = items.size() - items.size() / 10;
    std::size_t small = 0;
    std::size_t all = 0;
    for (const Item& item : items) {
      all += item.weight;
      if (!item.main) small += item.weight;
    }
    if (small >= all / 10 || small == all) {
      for (;;) {
        const auto oldest = std::ranges::find(items, false, &Item::main);
        if (oldest == items.end()) break;
        if (oldest->uses >= 2) {
          oldest->main = true;
          oldest->uses = 0;
          std::rotate(oldest, oldest + 1, items.end());
          continue;
        }
        ghosts_.insert(oldest->hash, capacity);
        return take(oldest);
      }
    }
    for (;;) {
      const auto oldest = std::ranges::find(items, true, &Item::main);
      if (oldest->uses == 0) return take(oldest);
      --oldest->uses;
      std::rotate(oldest, oldest + 1, items.end());
    }
  }

 private:
  Ghosts ghosts_;  // the policy's, as it is not exact: see ghosts_test.cc
};

struct Pair {
  std::string_view name;
  std::function<std::unique_ptr<Model>()> model;
};

class PolicyModel : public ::testing::TestWithParam<Pair> {};

TEST_P(PolicyModel, EveryVictimIsTheModels) {
  std::mt19937_64 random(7);
  HookPool pool;
  const auto policy = (*find_policy(GetParam().name))->make(pool, {});
  const auto model = GetParam().model();
  struct Tracked {
    EntryHook* hook;
    std::uint64_t id;
  };
  std::vector<Tracked> tracked;
  std::uint64_t last_id = 0;
  std::uint64_t last_expiry = 0;
  // Expiries are all different; every fourth entry has none.
  const auto expiry = [&] {
    return random() % 4 == 0 ? EntryFacts::kNoExpiry : random() % 1000 * 10'000'000 + ++last_expiry;
  };
  const auto pop = [&] {
    EntryHook* const victim = policy->pop_victim();
    ASSERT_NE(victim, nullptr);
    const auto at = std::ranges::find(tracked, victim, &Tracked::hook);
    ASSERT_NE(at, tracked.end());
    ASSERT_EQ(at->id, model->pop());
    pool.free(*victim);
    tracked.erase(at);
  };
  for (int step = 0; step < kSteps; ++step) {
    // Now a few, now more: policies that measure their queues by what is tracked see all proportions.
    const std::size_t most = (step / 10'000) % 4 == 3 ? 3 : 60;
    const auto action = random() % 68;
    if (tracked.empty() || action < 24) {
      while (tracked.size() >= most) {
        pop();
        if (HasFatalFailure()) FAIL() << "in step " << step;
      }
      // Of few keys, so that some come back while they are remembered; never one that is there.
      std::uint64_t hash = 0;
      do {
        hash = (random() % 150 + 1) * 0x9e37'79b9'7f4a'7c15;
      } while (
          std::ranges::any_of(tracked, [&](const Tracked& one) { return pool.hash(*one.hook) == hash; }));
      const Item item{.id = ++last_id, .hash = hash, .expires = expiry()};
      EntryHook& hook = pool.make({.hash = hash, .expires_ms = item.expires});
      policy->on_insert(hook);
      model->insert(item);
      tracked.push_back({&hook, item.id});
      continue;
    }
    const std::size_t at = random() % (random() % tracked.size() + 1);  // some are more popular
    Tracked& one = tracked[at];
    if (action < 52) {
      policy->on_hit(*one.hook);
      model->hit(one.id);
    } else if (action < 55) {
      policy->on_erase(*one.hook);
      model->erase(one.id);
      pool.free(*one.hook);
      tracked.erase(tracked.begin() + static_cast<std::ptrdiff_t>(at));
    } else if (action < 58) {
      one.hook = &pool.move(*one.hook, *policy);
    } else if (action >= 64) {
      const std::size_t weight = random() % 4 == 0 ? 1000 : 1 + random() % 50;
      pool.resize(*one.hook, weight, *policy);
      model->resize(one.id, weight);
    } else {
      const std::uint64_t expires = expiry();
      if (action < 61) {
        pool.set_expires_ms(*one.hook, expires);
        policy->on_replace(*one.hook, *one.hook);
      } else {
        EntryHook& fresh = pool.make(
            {.hash = pool.hash(*one.hook), .weight = pool.weight(*one.hook), .expires_ms = expires});
        policy->on_replace(*one.hook, fresh);
        pool.free(*one.hook);
        one.hook = &fresh;
      }
      model->set_expiry(one.id, expires);
    }
  }
}

template <class M>
std::unique_ptr<Model> make_model() {
  return std::make_unique<M>();
}

INSTANTIATE_TEST_SUITE_P(
    Deterministic, PolicyModel,
    ::testing::Values(Pair{"lru", make_model<LruModel>}, Pair{"fifo", make_model<FifoModel>},
                      Pair{"sieve", make_model<SieveModel>}, Pair{"s3-fifo", make_model<S3FifoModel>},
                      Pair{"ttl", make_model<TtlModel>}, Pair{"lfu", make_model<LfuModel>}),
    [](const auto& pair) {
      std::string name(pair.param.name);
      std::erase(name, '-');
      return name;
    });

// GreedyDual: ranks are sums of fractions, so that the victim's is compared and not the victim. Of entries of
// nearly one rank any may leave.
struct Weighed {
  std::string_view name;
  Weigh weigh;
};

class WeighedPolicy : public ::testing::TestWithParam<Weighed> {};

TEST_P(WeighedPolicy, WhoLeavesHasTheLowestRankWhateverGrewOrShrank) {
  struct Ranked {
    EntryHook* hook;
    double age;
    unsigned uses = 1;
  };
  std::mt19937_64 random(11);
  HookPool pool;
  const auto policy = (*find_policy(GetParam().name))->make(pool, {.weigh = GetParam().weigh});
  const bool counts = GetParam().name.ends_with("lfu");
  double age = 0;
  std::vector<Ranked> tracked;
  const auto weight = [&] { return random() % 4 == 0 ? 1 + random() % 100'000 : 1 + random() % 100; };
  const auto rank = [&](const Ranked& one) {
    double value = one.uses;
    if (GetParam().weigh == Weigh::kCostPerByte)
      value *= std::chrono::duration<double>(pool.load_cost(*one.hook)).count() + 1e-4;
    return one.age + value / static_cast<double>(pool.weight(*one.hook));
  };
  for (int step = 0; step < kSteps / 10; ++step) {
    const auto action = random() % 16;
    if (tracked.size() < 2 || (tracked.size() < 50 && action < 5)) {
      EntryHook& hook = pool.make({.hash = random(),
                                   .weight = weight(),
                                   .expires_ms = 1,
                                   .load_cost = std::chrono::microseconds(random() % 100'000)});
      policy->on_insert(hook);
      tracked.push_back({&hook, age});
      continue;
    }
    Ranked& one = tracked[random() % tracked.size()];
    if (action < 8) {
      policy->on_hit(*one.hook);
      one.age = age;
      if (counts && one.uses < 127) ++one.uses;
    } else if (action < 12) {
      pool.resize(*one.hook, weight(), *policy);
    } else {
      EntryHook* const victim = policy->pop_victim();
      const auto at = std::ranges::find(tracked, victim, &Ranked::hook);
      ASSERT_NE(at, tracked.end());
      const double left = rank(*at);
      for (const Ranked& each : tracked) ASSERT_LE(left, rank(each) + 1e-9) << "in step " << step;
      age = std::max(age, left);
      tracked.erase(at);
      pool.free(*victim);
    }
  }
}

// Who waits at the door is not in the policy within, and who is there leaves by its weight of now.
TEST_P(WeighedPolicy, BehindADoorToo) {
  HookPool pool;
  const auto policy = (*find_policy(GetParam().name))
                          ->make(pool, {.weigh = GetParam().weigh, .admission = Admission::kFrequent});
  std::vector<EntryHook*> hooks;
  for (std::uint64_t i = 1; i <= 5; ++i) {
    hooks.push_back(&pool.make({.hash = i * 0x9e37'79b9'7f4a'7c15, .weight = 100, .expires_ms = 1}));
    policy->on_insert(*hooks.back());
  }
  for (int i = 0; i < 5; ++i) policy->on_hit(*hooks.back());  // so that it gets in
  pool.resize(*hooks.back(), 50, *policy);
  pool.resize(*hooks[2], 1000, *policy);
  EXPECT_EQ(policy->pop_victim(), hooks[2]);
  pool.resize(*hooks.back(), 100'000, *policy);
  EXPECT_EQ(policy->pop_victim(), hooks.back());
}

INSTANTIATE_TEST_SUITE_P(ByBytes, WeighedPolicy,
                         ::testing::Values(Weighed{"lru", Weigh::kBytes}, Weighed{"lfu", Weigh::kBytes},
                                           Weighed{"volatile-lru", Weigh::kBytes},
                                           Weighed{"volatile-lfu", Weigh::kCostPerByte},
                                           Weighed{"lru", Weigh::kCostPerByte}),
                         [](const auto& of) {
                           std::string name(of.param.name);
                           std::erase(name, '-');
                           return name + (of.param.weigh == Weigh::kBytes ? "" : "_by_cost");
                         });

}  // namespace
}  // namespace forebay::memory
