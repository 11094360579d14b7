// A policy is told of every change of an entry's weight: one that keeps the weights and compares.

#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>

#include "memory/shards.h"
#include "memory/tier_fixture.h"

namespace forebay::memory {
namespace {

struct Told {
  int resized = 0;
  int wrong = 0;  // events at which an entry's weight was not the one told last
};
Told told;

// First in, first out.
class Bookkeeper final : public EvictionPolicy {
 public:
  explicit Bookkeeper(const EntryFacts& facts) : facts_(facts) {}
  void on_insert(EntryHook& entry) override {
    weights_[&entry] = facts_.weight(entry);
    queue_.push_back(&entry);
  }
  void on_hit(EntryHook& entry) noexcept override { check(entry); }
  void on_erase(EntryHook& entry) noexcept override {
    check(entry);
    weights_.erase(&entry);
    queue_.remove(&entry);
  }
  void on_resize(EntryHook& entry, std::size_t before, std::size_t after) noexcept override {
    ++told.resized;
    if (weights_[&entry] != before) ++told.wrong;
    weights_[&entry] = after;
    check(entry);
  }
  void on_move(EntryHook& from, EntryHook& to) noexcept override {
    weights_[&to] = weights_[&from];
    weights_.erase(&from);
    *std::ranges::find(queue_, &from) = &to;
    check(to);
  }
  EntryHook* pop_victim() noexcept override {
    if (queue_.empty()) return nullptr;
    EntryHook* const victim = queue_.front();
    on_erase(*victim);
    return victim;
  }

 private:
  void check(const EntryHook& entry) {
    const auto at = weights_.find(&entry);
    if (at == weights_.end() || at->second != facts_.weight(entry)) ++told.wrong;
  }
  const EntryFacts& facts_;
  std::unordered_map<const EntryHook*, std::size_t> weights_;
  std::list<EntryHook*> queue_;
};

std::unique_ptr<EvictionPolicy> make_bookkeeper(const EntryFacts& facts, const PolicyOptions&) {
  return std::make_unique<Bookkeeper>(facts);
}

constexpr PolicyRow kBookkeeper{"bookkeeper", make_bookkeeper, true, nullptr};

class Resize : public TierFixture {
 protected:
  Resize() { told = {}; }
};

TEST_F(Resize, EveryEventFindsTheWeightThatThePolicyWasToldLast) {
  TierOptions options;
  options.limit = std::size_t{4} << 20;
  options.max_share = 1;
  options.shards = 1;
  Shards shards(options, kBookkeeper, now());
  std::mt19937 random(5);
  for (int i = 0; i < (kSanitized ? 2'000 : 20'000); ++i) {
    const std::string key = "key:" + std::to_string(random() % 60);
    const auto kind = random() % 8;
    const std::string value(kind < 6 ? 4'097 + random() % 150'000 : random() % 4'000, 'x');
    if (kind == 7) {
      shards.erase(key, now(), Departure::kInvalidated);
    } else {
      shards.update(key, now(), [&](const EntryView* entry) {
        return kind == 5 && entry != nullptr ? Change::restamp(expiring(now() + 1h))
                                             : Change::replace(value, {});
      });
    }
    ASSERT_EQ(told.wrong, 0) << "after " << i;
  }
  EXPECT_GT(told.resized, 100);
  EXPECT_GT(shards.stats().evicted, kSanitized ? 5u : 100u);
}

// Where entries are counted, each counts for one, however large it is.
TEST_F(Resize, WhereEntriesAreCountedNoneChangesItsWeight) {
  TierOptions options;
  options.limit = 10'000;
  options.count = Count::kEntries;
  options.shards = 1;
  Shards shards(options, kBookkeeper, now());
  for (const std::size_t size : {5'000, 50'000, 10'000}) {
    const std::string value(size, 'x');
    shards.update("k", now(), [&](const EntryView*) { return Change::replace(value, {}); });
  }
  EXPECT_EQ(told.resized, 0);
  EXPECT_EQ(told.wrong, 0);
  EXPECT_EQ(shards.inconsistency(), "");
}

}  // namespace
}  // namespace forebay::memory
