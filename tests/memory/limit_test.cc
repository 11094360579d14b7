// What leaves when memory is short, and what is refused.

#include <gtest/gtest.h>

#include <list>
#include <map>
#include <random>
#include <string>

#include "memory/eviction/registry.h"
#include "memory/shards.h"
#include "memory/tier_fixture.h"

namespace forebay::memory {
namespace {

class LimitTest : public TierFixture {};

TEST_F(LimitTest, LruKeepsExactlyTheMostRecentlyUsedOnOneShard) {
  open(std::size_t{256} << 10);
  std::mt19937 random(1);
  std::list<std::string> recent;  // front: used last
  const auto use = [&](const std::string& key) {
    recent.remove(key);
    recent.push_front(key);
  };
  for (int i = 0; i < 20'000; ++i) {
    const std::string key = "key:" + std::to_string(random() % 4000);
    if (random() % 2 == 0) {
      ASSERT_EQ(put(key, std::string(64, 'x')), PutOutcome::kStored);
      use(key);
    } else if (get(key)) {
      use(key);
    }
    if (i % 1000 != 999) continue;
    const std::size_t held = tier->size();
    std::size_t rank = 0;
    for (const auto& each : recent) {
      EXPECT_EQ(look(each, Touch::kNo).has_value(), rank < held)
          << each << " at rank " << rank << " of " << held;
      ++rank;
    }
  }
  EXPECT_GT(tier->stats().evicted, 1000u);
}

TEST_F(LimitTest, AnEvictedKeyIsKnownAsSuch) {
  open(std::size_t{256} << 10);
  put("first", std::string(64, 'x'));
  int i = 0;
  while (tier->stats().evicted == 0) put("k" + std::to_string(i++), std::string(64, 'x'));
  EXPECT_EQ(get("first"), std::nullopt);
  EXPECT_EQ(tier->departure("first"), Departure::kEvicted);
}

TEST_F(LimitTest, TheLimitIsNeverExceeded) {
  for (const std::size_t shards : {1, 4, 64}) {
    const std::size_t limit = std::size_t{2} << 20;
    open(limit, "lru", shards);
    std::mt19937 random(2);
    for (int i = 0; i < (kSanitized ? 5'000 : 50'000); ++i) {
      const std::size_t size = std::size_t{10} << (random() % 13);  // 10 bytes to 80 kB
      ASSERT_EQ(put("key:" + std::to_string(random() % 20'000), std::string(size, 'x'), expiring(now() + 1h)),
                PutOutcome::kStored);
      ASSERT_LE(tier->stats().bytes, limit);
    }
    EXPECT_GT(tier->stats().bytes, limit - limit / 8) << "room is left unused with " << shards << " shards";
  }
}

TEST_F(LimitTest, ASmallLimitWorksWithManyShards) {
  open(std::size_t{1} << 20, "lru", 64);
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_EQ(put("k" + std::to_string(i), std::string(64, 'x')), PutOutcome::kStored);
    ASSERT_LE(tier->stats().bytes, std::size_t{1} << 20);
  }
  EXPECT_GT(tier->size(), 4000u);
}

TEST_F(LimitTest, AValueAboveTheLargestIsNotKeptAndTheOldOneIsGone) {
  open(std::size_t{1} << 20);
  put("a", "old");
  EXPECT_EQ(put("a", std::string((1 << 16) + 1, 'x')), PutOutcome::kTooLarge);
  EXPECT_EQ(get("a"), std::nullopt);
  EXPECT_EQ(put("a", std::string(1 << 16, 'x')), PutOutcome::kStored);
  EXPECT_EQ(tier->stats().too_large, 1u);
  open(0, "lru", 1, 100);
  EXPECT_EQ(put("a", std::string(101, 'x')), PutOutcome::kTooLarge);
  EXPECT_EQ(put("a", std::string(100, 'x')), PutOutcome::kStored);
  EXPECT_EQ(tier->put("a", Value::object(std::make_shared<const int>(1), 101), {}, now()),
            PutOutcome::kTooLarge);
}

TEST_F(LimitTest, TheLargestValueIsTheLesserOfMaxValueAndMaxShare) {
  struct Case {
    std::size_t limit;
    std::size_t max_value;
    double max_share;
    std::size_t most;
  };
  constexpr std::size_t kLimit = std::size_t{1} << 20;
  for (const Case& of : {Case{kLimit, 0, 0, kLimit / 16}, Case{kLimit, 0, 0.01, kLimit / 100},
                         Case{kLimit, 0, 0.25, kLimit / 4}, Case{kLimit, kLimit / 2, 0, kLimit / 2},
                         Case{kLimit, kLimit / 2, 0.25, kLimit / 4}, Case{kLimit, 1000, 0.25, 1000},
                         Case{0, 1000, 0.25, 1000}, Case{kLimit, 0, 1e-9, 1}}) {
    TierOptions options;
    options.limit = of.limit;
    options.max_value = of.max_value;
    options.max_share = of.max_share;
    options.shards = 1;
    tier = *Tier::open(options, clock);
    EXPECT_EQ(put("a", std::string(of.most, 'x')), PutOutcome::kStored)
        << of.max_value << ' ' << of.max_share;
    EXPECT_EQ(put("a", std::string(of.most + 1, 'x')), PutOutcome::kTooLarge)
        << of.max_value << ' ' << of.max_share;
  }
}

TEST_F(LimitTest, WhatCouldNeverFitIsTooLargeAndPushesNothingOut) {
  open(std::size_t{1} << 20, "lru", 1, std::size_t{1} << 30);
  put("small", "1");
  EXPECT_EQ(put("a", std::string(2 << 20, 'x')), PutOutcome::kTooLarge);
  EXPECT_EQ(get("small"), "1");
}

// A value that is held by reference gives way to another where its entry is: the entry's weight changes.
TEST_F(LimitTest, WhatGrowsOrShrinksInPlaceIsCountedExactly) {
  for (const std::string policy : {"lru", "s3-fifo", "w-tinylfu", "auto", "noeviction"}) {
    TierOptions options;
    options.limit = std::size_t{4} << 20;
    options.policy = policy;
    options.shards = 1;
    options.max_share = 1;
    Shards shards(options, **find_policy(policy), now());
    std::mt19937 random(3);
    for (int i = 0; i < (kSanitized ? 500 : 5'000); ++i) {
      const std::string key = "key:" + std::to_string(random() % 40);
      const std::string value(4'097 + random() % 200'000, 'x');
      const PutOutcome outcome =
          shards.update(key, now(), [&](const EntryView*) { return Change::replace(value, {}); });
      ASSERT_TRUE(outcome == PutOutcome::kStored || policy == "noeviction") << policy;
      bool same = false;
      const bool found = shards.find(
          key, now(), [&](const EntryView& entry) { same = entry.bytes() == value; }, Touch::kYes);
      ASSERT_TRUE(same || outcome == PutOutcome::kFull || !found) << policy;
      // Beyond it only what a policy remembers of those that have left.
      const bool remembers = policy != "lru" && policy != "noeviction";
      ASSERT_LE(shards.stats().bytes, options.limit + (remembers ? options.limit / 8 : 0)) << policy;
      if (i % 50 == 0) {
        ASSERT_EQ(shards.inconsistency(), "") << policy << " after " << i;
      }
    }
    ASSERT_EQ(shards.inconsistency(), "") << policy;
  }
}

TEST_F(LimitTest, AWriterMayReplaceALargeValueByAPartOfIt) {
  open(0);
  put("k", std::string(10'000, 'a') + std::string(10'000, 'b'));
  tier->update("k", now(),
               [](const EntryView* entry) { return Change::replace(entry->bytes().substr(9'000), {}); });
  EXPECT_EQ(get("k"), std::string(1'000, 'a') + std::string(10'000, 'b'));
  const auto object = std::make_shared<const std::string>("an object");
  tier->put("k", Value::object(object, 100), {}, now());
  put("k", std::string(5'000, 'c'));
  EXPECT_EQ(object.use_count(), 1);
  EXPECT_EQ(get("k"), std::string(5'000, 'c'));
}

TEST_F(LimitTest, WithoutEvictionAFullTierRefusesAndChangesNothing) {
  open(std::size_t{256} << 10, "noeviction");
  int stored = 0;
  while (put("k" + std::to_string(stored), std::string(64, 'x')) == PutOutcome::kStored) ++stored;
  ASSERT_GT(stored, 500);
  const std::size_t bytes = tier->stats().bytes;
  EXPECT_EQ(put("new", std::string(64, 'x')), PutOutcome::kFull);
  EXPECT_EQ(put("k0", std::string(3000, 'y')), PutOutcome::kFull);
  EXPECT_EQ(tier->stats().bytes, bytes);
  EXPECT_EQ(tier->stats().evicted, 0u);
  EXPECT_EQ(tier->stats().refused_full, 3u);
  for (int i = 0; i < stored; ++i) ASSERT_EQ(get("k" + std::to_string(i)), std::string(64, 'x'));
  EXPECT_EQ(put("k0", std::string(60, 'z')), PutOutcome::kStored) << "no more room than before is needed";
  EXPECT_TRUE(tier->erase("k1", now(), Departure::kInvalidated));
  EXPECT_TRUE(tier->erase("k2", now(), Departure::kInvalidated));
  EXPECT_EQ(put("new", std::string(64, 'x')), PutOutcome::kStored);
}

TEST_F(LimitTest, WithoutEvictionClearedMemoryIsRoomAgainBeforeTheNextTick) {
  open(std::size_t{256} << 10, "noeviction");
  int stored = 0;
  while (put("k" + std::to_string(stored), std::string(64, 'x')) == PutOutcome::kStored) ++stored;
  tier->clear();
  for (int i = 0; i < stored; ++i)
    ASSERT_EQ(put("k" + std::to_string(i), std::string(64, 'x')), PutOutcome::kStored);
}

TEST_F(LimitTest, RoomIsTakenFromOtherShardsWhenTheOwnOneIsEmpty) {
  open(std::size_t{2} << 20, "lru", 8, std::size_t{1} << 20);
  for (int i = 0; i < 20'000; ++i) put("k" + std::to_string(i), std::string(64, 'x'));
  EXPECT_EQ(put("large", std::string(std::size_t{1} << 20, 'x')), PutOutcome::kStored);
  EXPECT_LE(tier->stats().bytes, std::size_t{2} << 20);
  EXPECT_EQ(get("large")->size(), std::size_t{1} << 20);
}

// ---- Changing a running tier.

TEST_F(LimitTest, APolicyIsSwitchedWithoutLosingAnEntry) {
  open(std::size_t{1} << 20, "lru", 2);
  for (int i = 0; i < 1000; ++i) {
    put("k" + std::to_string(i), "v");
    clock.advance(1s);
  }
  TierOptions options = tier->options();
  for (const auto policy : {"noeviction", "lru", "noeviction", "lru"}) {
    options.policy = policy;
    ASSERT_TRUE(tier->reconfigure(options).has_value());
    EXPECT_EQ(tier->options().policy, policy);
    EXPECT_EQ(tier->size(), 1000u);
  }
  look("k0");
  int i = 0;
  while (tier->stats().evicted < 100) put("more" + std::to_string(i++), std::string(64, 'x'));
  EXPECT_NE(look("k0", Touch::kNo), std::nullopt) << "used since";
  EXPECT_NE(look("k999", Touch::kNo), std::nullopt) << "the order of use went over to the new policy";
  EXPECT_EQ(look("k1", Touch::kNo), std::nullopt);
}

TEST_F(LimitTest, ALoweredLimitIsReachedOverTheNextTicks) {
  open(std::size_t{4} << 20, "lru", 2);
  for (int i = 0; i < 15'000; ++i) put("k" + std::to_string(i), std::string(100, 'x'));
  TierOptions options = tier->options();
  options.limit = std::size_t{1} << 20;
  ASSERT_TRUE(tier->reconfigure(options).has_value());
  EXPECT_EQ(tier->size(), 15'000u);
  EXPECT_EQ(put("new", "v"), PutOutcome::kStored) << "a write goes on meanwhile, and pays its own way only";
  EXPECT_GT(tier->size(), 14'000u);
  EXPECT_TRUE(tier->tick(now(), 100));
  tick_until_done();
  EXPECT_LE(tier->stats().bytes, std::size_t{1} << 20);
  EXPECT_EQ(get("new"), "v");
}

TEST_F(LimitTest, ALimitBelowWhatTheShardsThemselvesTakeIsAnError) {
  open(std::size_t{64} << 20, "lru", 16);
  put("a", "1");
  TierOptions options = tier->options();
  options.limit = 100'000;
  EXPECT_FALSE(tier->reconfigure(options).has_value());
  EXPECT_EQ(tier->options().limit, std::size_t{64} << 20);
  EXPECT_EQ(get("a"), "1");
}

// ---- Expiry.

TEST_F(LimitTest, TickFreesWhatIsDueWithoutReadsAndSteadily) {
  const int entries = kSanitized ? 50'000 : 1'000'000;
  for (const std::size_t shards : {1, 16}) {
    open(0, "lru", shards);
    const std::size_t empty = tier->stats().bytes;
    for (int i = 0; i < entries; ++i) put("key:" + std::to_string(i), "v", expiring(now() + 10min));
    put("stays", "v");
    clock.advance(9min);
    tick_until_done();
    EXPECT_EQ(tier->size(), static_cast<std::size_t>(entries) + 1) << "not due yet";
    clock.advance(61s);
    std::size_t before = tier->size();
    int calls = 0;
    bool more = true;
    while (more) {
      more = tier->tick(now(), 1000);
      EXPECT_LE(before - tier->size(), 1000u);
      before = tier->size();
      ++calls;
    }
    EXPECT_GE(calls, entries / 1000);
    EXPECT_EQ(tier->size(), 1u);
    EXPECT_EQ(tier->stats().expired, static_cast<std::uint64_t>(entries));
    EXPECT_EQ(tier->stats().with_expiry, 0u);
    EXPECT_EQ(get("stays"), "v");
    tier->erase("stays", now(), Departure::kInvalidated);
    tick_until_done();
    EXPECT_EQ(tier->stats().bytes, empty) << "the table has shrunk again";
  }
}

TEST_F(LimitTest, TickFreesWithinTwentyMillisecondsOfTheExpiry) {
  open(0);
  std::mt19937 random(3);
  std::map<Instant, std::size_t> due;
  for (int i = 0; i < 2000; ++i) {
    const Instant at = now() + std::chrono::milliseconds(random() % 300'000);
    put("k" + std::to_string(i), "v", expiring(at));
    ++due[at];
  }
  while (!due.empty()) {
    clock.advance(std::chrono::milliseconds(random() % 5'000));
    tick_until_done();
    std::size_t alive = 0;
    std::size_t late = 0;
    due.erase(due.begin(), due.lower_bound(now() - 20ms));
    for (const auto& [at, count] : due) (at > now() ? alive : late) += count;
    EXPECT_GE(tier->size(), alive);
    EXPECT_LE(tier->size(), alive + late);
  }
  EXPECT_EQ(tier->size(), 0u);
}

}  // namespace
}  // namespace forebay::memory
