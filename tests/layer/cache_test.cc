#include "forebay/cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "layer/cache_clock.h"

namespace forebay {
namespace {

using namespace std::chrono_literals;

TEST(Cache, LoadsOnceAndHandsOutTheSameObject) {
  std::atomic<int> loads = 0;
  auto cache =
      Cache<int, std::vector<int>>::open({}, [&](const int& key) -> Result<std::optional<std::vector<int>>> {
        ++loads;
        return std::optional(std::vector{key, key});
      });
  ASSERT_TRUE(cache);
  const auto first = (*cache)->get(7);
  const auto second = (*cache)->get(7);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(**first, (std::vector{7, 7}));
  EXPECT_EQ(first->get(), second->get());
  EXPECT_EQ(loads, 1);
}

TEST(Cache, AThousandThreadsShareOneLoad) {
  std::atomic<int> loads = 0;
  std::latch all_ask(200);
  CacheOptions options;
  options.timeout = std::chrono::minutes(1);  // until all threads have begun
  auto cache = Cache<std::string, int>::open(options, [&](const std::string&) -> Result<std::optional<int>> {
    ++loads;
    all_ask.wait();
    return std::optional(42);
  });
  ASSERT_TRUE(cache);
  std::atomic<int> right = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 200; ++i) {
    threads.emplace_back([&] {
      all_ask.count_down();
      const auto value = (*cache)->get("answer");
      if (value && *value && **value == 42) ++right;
    });
  }
  threads.clear();
  EXPECT_EQ(right, 200);
  // A thread that was slow to ask finds the value stored: still one load.
  EXPECT_EQ(loads, 1);
}

TEST(Cache, TakesMoveOnlyAndLargeValuesWithoutCopies) {
  struct Big {
    explicit Big(std::size_t n) : data(n, 'x') {}
    Big(Big&&) = default;
    Big(const Big&) = delete;
    std::vector<char> data;
  };
  const char* loaded_at = nullptr;
  auto cache = Cache<int, Big>::open(
      {},
      [&](const int&) -> Result<std::optional<Big>> {
        Big big(1 << 20);
        loaded_at = big.data.data();
        return std::optional<Big>(std::move(big));
      },
      [](const Big& big) { return big.data.size(); });
  ASSERT_TRUE(cache);
  const auto value = (*cache)->get(1);
  ASSERT_TRUE(value && *value);
  EXPECT_EQ((*value)->data.data(), loaded_at);
  EXPECT_GE((*cache)->stats().bytes, std::size_t{1} << 20);
}

TEST(Cache, ManyMissesAreOneBatch) {
  std::atomic<int> calls = 0;
  auto cache = Cache<int, int>::open_batched(
      {}, [&](std::span<const int> keys) -> Result<std::vector<std::optional<int>>> {
        ++calls;
        std::vector<std::optional<int>> values;
        for (const int key : keys) values.push_back(key % 2 ? std::optional(key * 10) : std::nullopt);
        return values;
      });
  ASSERT_TRUE(cache);
  std::vector<int> keys(300);
  for (int i = 0; i < 300; ++i) keys[static_cast<std::size_t>(i)] = i;
  const auto values = (*cache)->get_many(keys);
  ASSERT_EQ(values.size(), 300u);
  ASSERT_TRUE(values[7] && *values[7]);
  EXPECT_EQ(**values[7], 70);
  ASSERT_TRUE(values[8].has_value());
  EXPECT_EQ(*values[8], nullptr);
  EXPECT_EQ(calls, 1);
}

TEST(Cache, ALoadThatBeganBeforeInvalidateIsNotStored) {
  std::atomic<int> version = 1;
  std::latch reading(1), invalidated(1);
  std::atomic<bool> first = true;
  auto cache = Cache<int, int>::open({}, [&](const int&) -> Result<std::optional<int>> {
    const int read = version;
    if (first.exchange(false)) {
      reading.count_down();
      invalidated.wait();
    }
    return std::optional(read);
  });
  ASSERT_TRUE(cache);
  std::jthread reader([&] { EXPECT_EQ(**(*cache)->get(1), 1); });
  reading.wait();
  version = 2;
  (*cache)->invalidate(1);
  invalidated.count_down();
  reader.join();
  EXPECT_EQ(**(*cache)->get(1), 2);
  EXPECT_EQ((*cache)->stats().fenced, 1u);
}

TEST(Cache, ALoadThatBeganBeforeClearIsNotStored) {
  std::atomic<int> version = 1;
  std::latch reading(1), cleared(1);
  std::atomic<bool> first = true;
  auto cache = Cache<int, int>::open({}, [&](const int&) -> Result<std::optional<int>> {
    const int read = version;
    if (first.exchange(false)) {
      reading.count_down();
      cleared.wait();
    }
    return std::optional(read);
  });
  ASSERT_TRUE(cache);
  (*cache)->put(2, 2);
  std::jthread reader([&] { EXPECT_EQ(**(*cache)->get(1), 1); });
  reading.wait();
  version = 2;
  (*cache)->clear();
  EXPECT_FALSE((*cache)->peek(2));
  cleared.count_down();
  reader.join();
  EXPECT_FALSE((*cache)->peek(1));
  EXPECT_EQ(**(*cache)->get(1), 2);
}

TEST(Cache, ExceptionsOfTheLoaderAreErrorsThatNameTheCache) {
  CacheOptions options;
  options.name = "people";
  auto cache = Cache<int, int>::open(options, [](const int&) -> Result<std::optional<int>> {
    throw std::runtime_error("no route to host");
  });
  ASSERT_TRUE(cache);
  const auto value = (*cache)->get(1);
  ASSERT_FALSE(value);
  EXPECT_NE(value.error().message.find("people"), std::string::npos);
  EXPECT_NE(value.error().message.find("no route to host"), std::string::npos);
}

TEST(Cache, ServesStaleWhenTheLoaderFails) {
  test::CacheClock clock;
  CacheOptions options;
  options.ttl = 1s;
  options.stale_if_error = 60s;
  options.clock = &clock;
  std::atomic<bool> failing = false;
  auto cache = Cache<int, int>::open(options, [&](const int&) -> Result<std::optional<int>> {
    if (failing) return Error{ErrorCode::kUnavailable, "down"};
    return std::optional(1);
  });
  ASSERT_TRUE(cache);
  EXPECT_EQ(**(*cache)->get(1), 1);
  failing = true;
  clock.advance(2s);
  const auto stale = (*cache)->get(1);
  ASSERT_TRUE(stale && *stale);
  EXPECT_EQ((*cache)->stats().stale, 1u);
}

TEST(Cache, PutReplacesAndPeekNeverLoads) {
  std::atomic<int> loads = 0;
  auto cache = Cache<std::string, std::string>::open(
      {}, [&](const std::string&) -> Result<std::optional<std::string>> {
        ++loads;
        return std::optional<std::string>();
      });
  ASSERT_TRUE(cache);
  EXPECT_EQ((*cache)->peek(""), nullptr);
  (*cache)->put("", "empty key");
  EXPECT_EQ(*(*cache)->peek(""), "empty key");
  (*cache)->clear();
  EXPECT_EQ((*cache)->peek(""), nullptr);
  EXPECT_EQ(loads, 0);
  EXPECT_EQ(*(*cache)->get("gone"), nullptr);
}

TEST(Cache, MaxEntriesCountsEntriesWhateverTheirSize) {
  CacheOptions options;
  options.max_entries = 10;
  options.limit = 1;  // not what counts
  auto cache = Cache<int, std::string>::open(
      options, [](const int&) -> Result<std::optional<std::string>> { return std::optional<std::string>(); });
  ASSERT_TRUE(cache);
  for (int i = 0; i < 100; ++i) (*cache)->put(i, std::string(static_cast<std::size_t>(i) * 1000, 'x'));
  EXPECT_EQ((*cache)->stats().entries, 10u);
  EXPECT_EQ((*cache)->stats().evicted, 90u);
  EXPECT_TRUE((*cache)->peek(99));
}

TEST(Cache, WhatWasDearToLoadStaysLonger) {
  test::CacheClock clock;
  CacheOptions options;
  options.max_entries = 10;
  options.clock = &clock;
  options.weigh = CacheOptions::Weigh::kCost;
  auto cache = Cache<int, int>::open(options, [&](const int& key) -> Result<std::optional<int>> {
    clock.advance(key == 0 ? 1000ms : 1ms);
    return std::optional(key);
  });
  ASSERT_TRUE(cache);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(**(*cache)->get(i), i);
  EXPECT_TRUE((*cache)->peek(0));
  EXPECT_FALSE((*cache)->peek(1));
}

TEST(Cache, PoliciesAreChosenByName) {
  const auto loader = [](const int& key) -> Result<std::optional<int>> { return std::optional(key); };
  CacheOptions options;
  options.max_entries = 10;
  for (const char* const policy : {"lru", "lfu", "fifo", "random", "ttl", "sieve", "s3-fifo", "w-tinylfu"}) {
    options.policy = policy;
    auto cache = Cache<int, int>::open(options, loader);
    ASSERT_TRUE(cache) << policy;
    for (int i = 0; i < 100; ++i) EXPECT_EQ(**(*cache)->get(i), i) << policy;
    EXPECT_LE((*cache)->stats().entries, 10u) << policy;
  }
  options.policy = "best";
  const auto unknown = Cache<int, int>::open(options, loader);
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().message.find("sieve"), std::string::npos);
  options.policy = "sieve";
  options.weigh = CacheOptions::Weigh::kBytes;
  EXPECT_FALSE((Cache<int, int>::open(options, loader)));
}

TEST(Cache, WrongOptionsAreRefusedWithTheReason) {
  CacheOptions options;
  options.stale_if_error = 1s;
  auto cache = Cache<int, int>::open(
      options, [](const int&) -> Result<std::optional<int>> { return std::optional(1); });
  ASSERT_FALSE(cache);
  EXPECT_NE(cache.error().message.find("ttl"), std::string::npos);
}

}  // namespace
}  // namespace forebay
