#include "memory/arena/cage.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "memory/tier_fixture.h"

namespace forebay::memory {
namespace {

constexpr std::size_t kSpan = Cage::kSpan;

bool all_zero(const char* place, std::size_t bytes) {
  return std::all_of(place, place + bytes, [](char each) { return each == 0; });
}

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t pages = 0;
  statm >> pages >> pages;
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

TEST(Cage, AReferenceLeadsBackToItsPlace) {
  void* const place = Cage::take(2 * kSpan);
  ASSERT_NE(place, nullptr);
  EXPECT_TRUE(Cage::contains(place));
  for (std::size_t at = 0; at < 2 * kSpan; at += Cage::kGrain) {
    void* const each = static_cast<char*>(place) + at;
    ASSERT_NE(Cage::ref(each), 0u) << "0 stands for none";
    ASSERT_EQ(Cage::at(Cage::ref(each)), each);
  }
  EXPECT_TRUE(Cage::covers(Cage::ref(place), 2 * kSpan));
  EXPECT_FALSE(Cage::covers(0xffffffff, 9)) << "beyond the last grain";
  int other = 0;
  EXPECT_FALSE(Cage::contains(&other));
  Cage::give(place, 2 * kSpan);
}

TEST(Cage, MemoryIsZeroWhenTakenAgain) {
  for (const std::size_t spans : {1, 3, 16, 17, 300}) {
    for (int round = 0; round < 3; ++round) {
      auto* const place = static_cast<char*>(Cage::take(spans * kSpan));
      ASSERT_NE(place, nullptr);
      ASSERT_TRUE(all_zero(place, spans * kSpan)) << spans << " spans, round " << round;
      std::memset(place, 'x', spans * kSpan);
      Cage::give(place, spans * kSpan);
    }
  }
}

TEST(Cage, WhatIsTooLargeIsRefused) {
  const std::size_t before = Cage::taken();
  EXPECT_EQ(Cage::take(std::size_t{64} << 30), nullptr);
  EXPECT_EQ(Cage::take(std::size_t{32} << 30), nullptr) << "the first page is never given out";
  EXPECT_EQ(Cage::taken(), before);
}

// Takes and gives spans of all lengths, in parts too; each has a pattern of its own that nobody else may
// write over.
TEST(Cage, SpansNeverOverlapAndNothingIsLost) {
  struct Taken {
    std::size_t spans;
    std::uint8_t mark;
  };
  const std::size_t before = Cage::taken();
  std::map<char*, Taken> all;
  std::mt19937 random(1);
  std::size_t total = 0;
  const auto check = [](char* place, const Taken& each) {
    for (std::size_t i = 0; i < each.spans; ++i) {
      ASSERT_EQ(static_cast<std::uint8_t>(place[i * kSpan]), each.mark);
      ASSERT_EQ(static_cast<std::uint8_t>(place[(i + 1) * kSpan - 1]), each.mark);
    }
  };
  const int steps = kSanitized ? 10'000 : 50'000;
  for (int step = 0; step < steps; ++step) {
    if (all.size() < 300 && random() % 2 == 0) {
      const std::size_t spans = random() % 20 == 0 ? 1 + random() % 200 : 1 + random() % 20;
      const bool zeros = random() % 2 == 0;
      auto* const place = static_cast<char*>(
          Cage::take(spans * kSpan, zeros ? Cage::Contents::kZeros : Cage::Contents::kAny));
      ASSERT_NE(place, nullptr);
      const auto mark = static_cast<std::uint8_t>(random() % 255 + 1);
      for (std::size_t i = 0; i < spans; ++i) {
        if (zeros) {
          ASSERT_EQ(place[i * kSpan], 0);
          ASSERT_EQ(place[(i + 1) * kSpan - 1], 0);
        }
        place[i * kSpan] = place[(i + 1) * kSpan - 1] = static_cast<char>(mark);
      }
      const auto at = all.emplace(place, Taken{spans, mark}).first;
      if (at != all.begin()) {
        const auto left = std::prev(at);
        ASSERT_LE(left->first + left->second.spans * kSpan, place);
      }
      if (std::next(at) != all.end()) {
        ASSERT_LE(place + spans * kSpan, std::next(at)->first);
      }
      total += spans;
    } else if (!all.empty()) {
      auto at = all.lower_bound(all.begin()->first + (random() % 4096) * kSpan);
      if (at == all.end()) at = std::prev(at);
      const auto [place, each] = *at;
      check(place, each);
      all.erase(at);
      // A part of it at either end.
      const std::size_t part = random() % 3 == 0 ? 1 + random() % each.spans : each.spans;
      const bool front = random() % 2 == 0;
      Cage::give(front ? place : place + (each.spans - part) * kSpan, part * kSpan);
      if (part < each.spans) {
        all.emplace(front ? place + part * kSpan : place, Taken{each.spans - part, each.mark});
      }
      total -= part;
    }
    ASSERT_EQ(Cage::taken() - before, total * kSpan);
  }
  for (const auto& [place, each] : all) {
    check(place, each);
    Cage::give(place, each.spans * kSpan);
  }
  EXPECT_EQ(Cage::taken(), before);
}

TEST(Cage, NeighboursGivenBackMakeOneRun) {
  // Many times the memory in ever longer spans: without joining, each length would need addresses of its own.
  std::set<std::size_t> pages_seen;
  for (std::size_t spans = 1; spans <= 64; ++spans) {
    std::vector<void*> all;
    for (std::size_t i = 0; i < 4096 / spans; ++i) all.push_back(Cage::take(spans * kSpan));
    for (void* const each : all) pages_seen.insert(Cage::ref(each) / (kSpan / Cage::kGrain));
    std::shuffle(all.begin(), all.end(), std::mt19937(1));
    for (void* const each : all) Cage::give(each, spans * kSpan);
  }
  EXPECT_LT(*pages_seen.rbegin() - *pages_seen.begin(), 3 * 4096u);
}

TEST(Cage, WhatIsGivenBackIsResidentNoMore) {
  if (kSanitized) GTEST_SKIP() << "the sanitizers' own memory follows";
  constexpr std::size_t kBytes = std::size_t{64} << 20;
  const std::size_t before = resident_bytes();
  for (const std::size_t length : {kSpan, 4 * kSpan, kBytes}) {
    std::vector<void*> all;
    for (std::size_t i = 0; i < kBytes / length; ++i) {
      all.push_back(Cage::take(length));
      std::memset(all.back(), 'x', length);
    }
    EXPECT_GE(resident_bytes(), before + kBytes / 16 * 15);
    for (void* const each : all) Cage::give(each, length);
    EXPECT_LE(resident_bytes(), before + Cage::kKept + (std::size_t{1} << 20)) << length;
  }
}

TEST(Cage, ThreadsTakeAndGiveAtOnce) {
  const std::size_t before = Cage::taken();
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      std::mt19937 random(t);
      std::vector<std::pair<char*, std::size_t>> mine;
      for (int step = 0; step < 5'000; ++step) {
        if (mine.size() < 20) {
          const std::size_t bytes = (1 + random() % 30) * kSpan;
          auto* const place = static_cast<char*>(Cage::take(bytes));
          std::memset(place, static_cast<int>(t) + 1, 64);
          Cage::tag(place) = t;
          mine.emplace_back(place, bytes);
        } else {
          std::swap(mine[random() % mine.size()], mine.back());
          const auto [place, bytes] = mine.back();
          mine.pop_back();
          EXPECT_EQ(place[63], static_cast<char>(t + 1));
          EXPECT_EQ(Cage::tag(place), t);
          Cage::give(place, bytes);
        }
      }
      for (const auto& [place, bytes] : mine) Cage::give(place, bytes);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(Cage::taken(), before);
}

}  // namespace
}  // namespace forebay::memory
