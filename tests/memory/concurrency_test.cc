// Many threads on one tier, for the thread sanitizer's eyes and for what must still hold afterwards.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "memory/shards.h"
#include "memory/tier_fixture.h"

namespace forebay::memory {
namespace {

constexpr int kThreads = 8;
constexpr int kRounds = kSanitized ? 4'000 : 40'000;
constexpr Instant kNow{std::chrono::hours(1)};

template <class Work>
void on_threads(Work work) {
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(work, i);
  for (auto& thread : threads) thread.join();
}

TEST(Concurrency, EveryOperationAtOnceKeepsValuesWholeAndCountsRight) {
  TierOptions options;
  options.limit = std::size_t{4} << 20;
  options.shards = 16;
  Shards shards(options, **find_policy("lru"), kNow);
  std::atomic<int> wrong{0};
  on_threads([&](int id) {
    std::mt19937 random(static_cast<unsigned>(id));
    for (int i = 0; i < kRounds; ++i) {
      const std::string key = "key:" + std::to_string(random() % 5000);
      const Instant now = kNow + std::chrono::milliseconds(i);
      const auto whole = [&](const EntryView& entry) {
        if (!entry.value().view().starts_with(entry.key())) ++wrong;
      };
      switch (random() % 32) {
        case 0:
          shards.tick(now, 500);
          break;
        case 1:
          shards.scan(random(), 20, now, whole);
          break;
        case 2:
          shards.erase(key, now, Departure::kInvalidated);
          break;
        case 3:
          shards.random(now, random(), whole);
          break;
        case 4:
          (void)shards.departure(key);
          break;
        case 5:
          if (i % 500 == 0) shards.clear();
          break;
        case 6:
          (void)shards.stats();
          break;
        case 7:
          if (i % 500 == 0) {
            TierOptions other = shards.options();
            other.policy = policy_names()[random() % policy_names().size()];
            if (!shards.reconfigure(other, **find_policy(other.policy))) ++wrong;
          }
          break;
        case 8:
        case 9:
        case 10:
        case 11:
        case 12:
        case 13: {
          std::string value = key;
          value.resize(key.size() + (random() % 8 == 0 ? 20'000 : random() % 300), 'x');
          Stamp stamp;
          if (random() % 2 == 0) stamp.expires = now + std::chrono::milliseconds(random() % 1000);
          shards.update(key, now, [&](const EntryView* entry) {
            if (entry != nullptr) whole(*entry);
            return Change::replace(value, stamp);
          });
          break;
        }
        default:
          shards.find(key, now, whole, Touch::kYes);
      }
    }
  });
  EXPECT_EQ(wrong, 0);
  TierOptions lru = shards.options();
  lru.policy = "lru";
  ASSERT_TRUE(shards.reconfigure(lru, **find_policy("lru")).has_value());
  while (shards.tick(kNow + std::chrono::hours(1), 10'000)) {
  }
  EXPECT_EQ(shards.inconsistency(), "");
  EXPECT_LE(shards.stats().bytes, options.limit);
}

TEST(Concurrency, AGuardMakesSeveralKeysOneToEveryoneElse) {
  test::ManualClock clock;
  TierOptions options;
  options.shards = 16;
  auto opened = Tier::open(options, clock);
  ASSERT_TRUE(opened.has_value());
  Tier& tier = **opened;
  const Instant now = clock.now();
  constexpr int kAccounts = 10;
  constexpr int kTotal = 1000 * kAccounts;
  std::vector<std::string> accounts;
  for (int i = 0; i < kAccounts; ++i) accounts.push_back("account:" + std::to_string(i));
  for (const auto& account : accounts) tier.put(account, "1000", {}, now);
  const auto read = [&](std::string_view key) {
    int amount = 0;
    tier.find(key, now, [&](const EntryView& entry) { amount = std::stoi(std::string(entry.bytes())); });
    return amount;
  };
  std::atomic<int> wrong{0};
  on_threads([&](int id) {
    std::mt19937 random(static_cast<unsigned>(id));
    for (int i = 0; i < kRounds / 10; ++i) {
      if (random() % 8 == 0) {
        const auto guard = tier.lock_shards({}, true);
        int total = 0;
        for (const auto& account : accounts) total += read(account);
        if (total != kTotal) ++wrong;
        continue;
      }
      const std::array<std::string_view, 2> keys{accounts[random() % kAccounts],
                                                 accounts[random() % kAccounts]};
      if (keys[0] == keys[1]) continue;
      const auto guard = tier.lock_shards(keys);
      const int amount = static_cast<int>(random() % 50);
      tier.put(keys[0], std::to_string(read(keys[0]) - amount), {}, now);
      tier.put(keys[1], std::to_string(read(keys[1]) + amount), {}, now);
    }
  });
  EXPECT_EQ(wrong, 0);
}

TEST(Concurrency, WhatAGuardChangesIsOneStepForReadersOfSingleKeys) {
  test::ManualClock clock;
  TierOptions options;
  options.shards = 16;
  auto opened = Tier::open(options, clock);
  ASSERT_TRUE(opened.has_value());
  Tier& tier = **opened;
  const Instant now = clock.now();
  const std::array<std::string_view, 2> keys{"first", "second"};
  const auto read = [&](std::string_view key) {
    int number = 0;
    tier.find(key, now, [&](const EntryView& entry) { number = std::stoi(std::string(entry.bytes())); });
    return number;
  };
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  on_threads([&](int id) {
    if (id == 0) {
      for (int i = 1; i <= kRounds / 4; ++i) {
        const auto guard = tier.lock_shards(keys);
        for (const auto key : keys) tier.put(key, std::to_string(i), {}, now);
      }
      done = true;
    }
    while (!done) {
      const int first = read(keys[0]);
      if (read(keys[1]) < first) ++wrong;
    }
  });
  EXPECT_EQ(wrong, 0);
}

// In place, by another block, by moving what lies apart together, and by memory that is used again for
// others.
TEST(Concurrency, AReaderWithoutTheLockNeverSeesAnEntryHalfWritten) {
  TierOptions options;
  options.limit = std::size_t{1} << 20;
  options.shards = 2;
  Shards shards(options, **find_policy("lru"), kNow);
  std::atomic<int> wrong{0};
  on_threads([&](int id) {
    std::mt19937 random(static_cast<unsigned>(id));
    for (int i = 0; i < kRounds; ++i) {
      const std::string key = "key:" + std::to_string(random() % 64 == 0 ? random() % 4000 : random() % 40);
      if (id % 2 == 0 && random() % 4 != 0) {
        // The letter says what every other part must be.
        const int letter = static_cast<int>(random() % 26);
        Stamp stamp;
        stamp.version = static_cast<std::uint64_t>(letter) + 1;
        if (random() % 2 == 0) stamp.expires = kNow + std::chrono::hours(letter + 1);
        const std::string value(random() % 2 == 0 ? 64 : random() % 3000, static_cast<char>('a' + letter));
        shards.update(key, kNow, [&](const EntryView*) { return Change::replace(value, stamp); });
        if (random() % 8 == 0) shards.erase(key, kNow, Departure::kInvalidated);
        if (random() % 64 == 0) shards.tick(kNow, 100);
        continue;
      }
      shards.find(
          key, kNow,
          [&](const EntryView& entry) {
            const std::uint64_t letter = entry.stamp().version - 1;
            if (entry.key() != key || letter >= 26) ++wrong;
            if (entry.stamp().expires != kNever &&
                entry.stamp().expires != kNow + std::chrono::hours(letter + 1))
              ++wrong;
            for (const char each : entry.bytes()) {
              if (each != static_cast<char>('a' + letter)) ++wrong;
            }
          },
          Touch::kYes);
    }
  });
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(shards.inconsistency(), "");
}

TEST(Concurrency, ASharedPayloadOutlivesItsEntry) {
  test::ManualClock clock;
  TierOptions options;
  options.limit = std::size_t{2} << 20;
  auto opened = Tier::open(options, clock);
  ASSERT_TRUE(opened.has_value());
  Tier& tier = **opened;
  const Instant now = clock.now();
  std::atomic<int> wrong{0};
  on_threads([&](int id) {
    std::mt19937 random(static_cast<unsigned>(id));
    for (int i = 0; i < kRounds / 4; ++i) {
      const std::string key = "key:" + std::to_string(random() % 50);
      if (random() % 4 == 0) {
        tier.put(key, std::string(8'000 + random() % 8'000, key.back()), {}, now);
        continue;
      }
      Value held;
      if (!tier.find(key, now, [&](const EntryView& entry) { held = entry.value(); })) continue;
      if (held.view().front() != key.back() || held.view().back() != key.back()) ++wrong;
    }
  });
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace forebay::memory
