#include "memory/arena/large.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "memory/arena/cage.h"
#include "memory/tier_fixture.h"

namespace forebay::memory {
namespace {

std::string pattern(std::mt19937& random, std::size_t bytes) {
  std::string text(bytes, static_cast<char>(random()));
  for (std::size_t i = 0; i < bytes; i += 512) text[i] = static_cast<char>(random());
  return text;
}

TEST(Large, AValueKeepsItsBytesAsLongAsSomeoneHoldsIt) {
  const auto before = Large::usage();
  std::mt19937 random(1);
  for (const std::size_t bytes : {0, 1, 4097, 5000, 32768, 32769, 100'000, 3'000'000}) {
    const std::string text = pattern(random, bytes);
    Value second;
    {
      const Value first = Large::copy(text);
      EXPECT_TRUE(Large::holds(first));
      EXPECT_FALSE(first.is_object());
      EXPECT_EQ(first.view(), text);
      second = first;
    }
    EXPECT_EQ(second.view(), text);
    EXPECT_EQ(Large::usage().allocated - before.allocated, Large::rounded(bytes));
  }
  EXPECT_EQ(Large::usage().allocated, before.allocated);
  EXPECT_FALSE(Large::holds(Value::bytes(std::string(5000, 'x'))));
  EXPECT_FALSE(Large::holds(Value()));
}

TEST(Large, RoundingCostsAtMostAnEighth) {
  for (std::size_t bytes = 4097; bytes < 200'000; bytes += 13) {
    ASSERT_GE(Large::rounded(bytes), bytes);
    ASSERT_LE(Large::rounded(bytes), bytes + bytes / 8);
  }
}

TEST(Large, WhatIsTooLargeForTheCageIsTheAllocators) {
  if (kSanitized) GTEST_SKIP() << "the sanitizers' shadow of the whole range is gigabytes";
  // As much as the range has left: hold it all, so that the next value finds none.
  std::vector<std::pair<void*, std::size_t>> taken;
  for (std::size_t bytes = std::size_t{16} << 30; bytes >= Cage::kSpan;) {
    if (void* const place = Cage::take(bytes, Cage::Contents::kAny)) {
      taken.emplace_back(place, bytes);
    } else {
      bytes /= 2;
    }
  }
  const std::string text(100'000, 'x');
  const Value value = Large::copy(text);
  EXPECT_FALSE(Large::holds(value));
  EXPECT_EQ(value.view(), text);
  for (const auto& [place, bytes] : taken) Cage::give(place, bytes);
}

TEST(Large, MixedSizesThatComeAndGoStayDense) {
  const auto before = Large::usage();
  const std::size_t cage = Cage::taken() - before.held;
  std::mt19937 random(2);
  std::vector<std::pair<Value, std::string>> all;
  for (int step = 0; step < (kSanitized ? 3'000 : 30'000); ++step) {
    if (all.size() < 300) {
      const std::size_t size = std::size_t{4096} << (random() % 5);
      all.emplace_back(Value(), pattern(random, size + random() % size));
      all.back().first = Large::copy(all.back().second);
    } else {
      std::swap(all[random() % all.size()], all.back());
      ASSERT_EQ(all.back().first.view(), all.back().second);
      all.pop_back();
    }
    const auto usage = Large::usage();
    ASSERT_GE(usage.held, usage.allocated);
    ASSERT_EQ(usage.held + cage, Cage::taken());
  }
  EXPECT_LT(Large::usage().held - Large::usage().allocated, Large::usage().allocated / 6);
  all.clear();
  EXPECT_EQ(Large::usage().held, before.held);
}

TEST(Large, AnyThreadMayBeTheLastToLetGo) {
  const auto before = Large::usage();
  {
    std::vector<std::thread> threads;
    std::mt19937 random(3);
    std::vector<Value> values;
    for (int i = 0; i < 100; ++i) values.push_back(Large::copy(pattern(random, 4097 + random() % 50'000)));
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([mine = values, t] mutable {
        std::mt19937 own(static_cast<unsigned>(t));
        while (!mine.empty()) {
          std::swap(mine[own() % mine.size()], mine.back());
          const Value copied = Large::copy(mine.back().view());
          EXPECT_EQ(copied.view(), mine.back().view());
          mine.pop_back();
        }
      });
    }
    values.clear();
    for (auto& thread : threads) thread.join();
  }
  EXPECT_EQ(Large::usage().allocated, before.allocated);
}

}  // namespace
}  // namespace forebay::memory
