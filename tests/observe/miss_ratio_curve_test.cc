// Predicted hit rates against exact LRU stack distances, and what the prediction takes for a miss at any
// size.

#include "observe/miss_ratio_curve.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/hash.h"
#include "observe/reuse_stack.h"

namespace forebay::observe {
namespace {

constexpr Instant kNow{std::chrono::hours(1)};

struct Read {
  std::uint64_t key;
  std::uint64_t bytes;
};

// The same key has the same hash in every run: the error measured is this stream's, not this process's.
std::uint64_t hash_of(std::uint64_t key) {
  std::uint64_t x = key + 0x9E3779B97F4A7C15u;  // splitmix64
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

// Keys by Zipf's law with this exponent; sizes from 64 to 1087 bytes, the same for a key each time.
std::vector<Read> zipf(std::size_t reads, std::size_t keys, double exponent, std::uint64_t seed) {
  std::vector<double> weights;
  for (std::size_t i = 0; i < keys; ++i) weights.push_back(std::pow(static_cast<double>(i + 1), -exponent));
  std::discrete_distribution<std::uint64_t> draw(weights.begin(), weights.end());
  std::mt19937_64 random(seed);
  std::vector<Read> stream;
  for (std::size_t i = 0; i < reads; ++i) {
    const std::uint64_t key = draw(random);
    stream.push_back({key, 64 + hash_of(key) % 1024});
  }
  return stream;
}

std::vector<Read> loop(std::size_t reads, std::size_t keys) {
  std::vector<Read> stream;
  for (std::size_t i = 0; i < reads; ++i) stream.push_back({i % keys, 100});
  return stream;
}

// What an LRU cache hits that takes in every miss: each read's distance is computed, none is estimated.
std::vector<double> exact_hit_ratios(const std::vector<Read>& stream,
                                     const std::vector<std::uint64_t>& memory) {
  ReuseStack stack;
  std::vector<double> ratios(memory.size());
  for (const Read& read : stream) {
    if (const auto* entry = stack.find(read.key); entry != nullptr) {
      const std::uint64_t distance = stack.bytes_after(read.key) + entry->bytes;
      for (std::size_t i = 0; i < memory.size(); ++i) ratios[i] += distance <= memory[i] ? 1 : 0;
    }
    stack.put({read.key, read.bytes, 0, 0, kNever});
  }
  for (double& ratio : ratios) ratio /= static_cast<double>(stream.size());
  return ratios;
}

void feed(MissRatioCurves& curves, const std::vector<Read>& stream) {
  for (const Read& read : stream) {
    const std::uint64_t hash = hash_of(read.key);
    if (!curves.sampled(hash)) continue;
    curves.read(hash, 1, 1, kNow);
    curves.stored(hash, 1, 1, read.bytes, kNever);
  }
}

double worst_error(const std::vector<Read>& stream, const MissRatioCurves::Options& options,
                   std::uint64_t memory) {
  MissRatioCurves curves(options);
  curves.set_memory(memory);
  feed(curves, stream);
  double worst = 0;
  const std::vector<std::uint64_t> sizes{memory / 2, memory, memory * 2, memory * 4};
  const std::vector<double> exact = exact_hit_ratios(stream, sizes);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const auto predicted = curves.hit_ratio(1, stream.size(), sizes[i]);
    EXPECT_TRUE(predicted);
    if (predicted) worst = std::max(worst, std::abs(*predicted - exact[i]));
  }
  return worst;
}

TEST(ReuseStack, DistancesAreTheBytesUsedSince) {
  ReuseStack stack;
  std::vector<ReuseStack::Entry> simple;  // the last one used at the end
  std::mt19937_64 random(1);
  const auto place = [&](std::uint64_t hash) {
    return std::ranges::find(simple, hash, &ReuseStack::Entry::hash);
  };
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t hash = random() % 300;
    const auto at = place(hash);
    switch (random() % 8) {
      case 0:
        if (at != simple.end()) simple.erase(at);
        stack.erase(hash);
        break;
      case 1:
      case 2: {
        if (at != simple.end()) simple.erase(at);
        simple.push_back({.hash = hash, .bytes = random() % 1000});
        stack.put(simple.back());
        break;
      }
      case 3:
        if (simple.empty()) break;
        ASSERT_EQ(stack.oldest().hash, simple.front().hash);
        break;
      default:
        ASSERT_EQ(stack.find(hash) != nullptr, at != simple.end());
        if (at == simple.end()) break;
        std::uint64_t after = 0;
        for (auto later = at + 1; later != simple.end(); ++later) after += later->bytes;
        ASSERT_EQ(stack.bytes_after(hash), after);
        stack.use(hash);
        std::rotate(at, at + 1, simple.end());
    }
    ASSERT_EQ(stack.size(), simple.size());
  }
  stack.erase_if([](const ReuseStack::Entry& entry) { return entry.hash % 2 == 0; });
  std::erase_if(simple, [](const ReuseStack::Entry& entry) { return entry.hash % 2 == 0; });
  ASSERT_EQ(stack.size(), simple.size());
  std::uint64_t bytes = 0;
  for (const auto& entry : simple) {
    ASSERT_NE(stack.find(entry.hash), nullptr);
    bytes += entry.bytes;
  }
  EXPECT_EQ(stack.bytes(), bytes);
}

// Without sampling nothing is estimated but a distance's place within a sixteenth of an octave.
TEST(MissRatioCurve, EveryKeySampledIsExactUpToItsBuckets) {
  const auto stream = zipf(100'000, 5'000, 0.9, 1);
  EXPECT_LT(worst_error(stream, {.rate_shift = 0, .most_keys = 100'000}, 500'000), 0.003);
}

// The bounds stated in docs/what-if.md. Measured: 0.002 to 0.009 for these streams.
TEST(MissRatioCurve, ASampleIsOffByLittleOnZipf) {
  for (const double exponent : {0.6, 0.8, 0.99, 1.2}) {
    const auto stream = zipf(300'000, 100'000, exponent, 2);
    const double error = worst_error(stream, {}, 8'000'000);
    RecordProperty("error at " + std::to_string(exponent), std::to_string(error));
    EXPECT_LT(error, 0.03) << exponent;
  }
}

TEST(MissRatioCurve, ALoopHasItsCliffWhereItsBytesAre) {
  const auto stream = loop(500'000, 50'000);  // 5 MB
  MissRatioCurves curves({});
  curves.set_memory(4'000'000);
  feed(curves, stream);
  EXPECT_LT(*curves.hit_ratio(1, stream.size(), 4'000'000), 0.03);
  EXPECT_NEAR(*curves.hit_ratio(1, stream.size(), 6'000'000), 0.9, 0.03);
}

TEST(MissRatioCurve, TheSampleKeepsItsSize) {
  MissRatioCurves curves({.rate_shift = 0, .most_keys = 1'000});
  curves.set_memory(std::uint64_t{1} << 40);
  const auto stream = zipf(300'000, 100'000, 0.7, 3);
  std::size_t most = 0;
  for (std::size_t i = 0; i < stream.size(); i += 1'000) {
    feed(curves, {stream.begin() + static_cast<std::ptrdiff_t>(i),
                  stream.begin() + static_cast<std::ptrdiff_t>(i + 1'000)});
    most = std::max(most, curves.keys());
  }
  EXPECT_LE(most, 1'000U);
  EXPECT_GE(curves.keys(), 400U);
  EXPECT_LE(curves.rate(), 1.0 / 64);
}

TEST(MissRatioCurve, WhatIsDeeperThanFourTimesTheMemoryIsForgotten) {
  MissRatioCurves curves({.rate_shift = 0, .most_keys = 100'000});
  curves.set_memory(100'000);
  feed(curves, loop(50'000, 50'000));
  EXPECT_EQ(curves.keys(), 4'000U);
  EXPECT_EQ(curves.rate(), 1);
}

// A cache whose reads are all for three keys: the sample has none of them, or each many times too often.
TEST(MissRatioCurve, FewHotKeysAreCorrectedFor) {
  for (std::uint64_t first = 0; first < 10; ++first) {
    std::vector<Read> stream;
    std::mt19937_64 random(first);
    for (int i = 0; i < 100'000; ++i) {
      const bool hot = random() % 10 != 0;
      stream.push_back(
          {hot ? first * 1'000'000 + random() % 3 : first * 1'000'000 + 10 + random() % 20'000, 100});
    }
    EXPECT_LT(worst_error(stream, {}, 500'000), 0.03) << first;
  }
}

class OneKey : public testing::Test {
 protected:
  OneKey() : curves_({.rate_shift = 0, .most_keys = 1000}) { curves_.set_memory(1'000'000); }
  // The share of this many reads of the key that hit.
  double after(int reads, const std::function<void(int)>& before_each, Instant now = kNow,
               std::uint32_t epoch = 1) {
    curves_.restart(1);
    for (int i = 0; i < reads; ++i) {
      before_each(i);
      curves_.read(7, 1, epoch, now);
    }
    return curves_.hit_ratio(1, static_cast<std::uint64_t>(reads), 1'000'000).value_or(-1);
  }
  MissRatioCurves curves_;
};

TEST_F(OneKey, WhatWasNeverStoredNeverHits) {
  EXPECT_EQ(after(200, [](int) {}), 0);
}
TEST_F(OneKey, WhatIsStoredHits) {
  curves_.stored(7, 1, 1, 100, kNever);
  EXPECT_EQ(after(200, [](int) {}), 1);
}
TEST_F(OneKey, AReadPastTheMemoryIsAMiss) {
  curves_.stored(7, 1, 1, 100, kNever);
  curves_.restart(1);
  for (int i = 0; i < 100; ++i) {
    curves_.read(7, 1, 1, kNow);
    curves_.read_past_memory(7, 1);
  }
  EXPECT_EQ(*curves_.hit_ratio(1, 200, 1'000'000), 0.5);
}
TEST_F(OneKey, InvalidationIsAMissAtAnySize) {
  EXPECT_EQ(
      after(200, [&](int i) { i % 2 == 0 ? curves_.stored(7, 1, 1, 100, kNever) : curves_.dropped(7); }),
      0.5);
  EXPECT_EQ(after(200, [&](int i) { i % 2 == 0 ? curves_.stored(7, 1, 1, 100, kNever) : curves_.clear(); }),
            0.5);
}
TEST_F(OneKey, ItsTimeOrItsEpochEndsIt) {
  curves_.stored(7, 1, 1, 100, kNow);
  EXPECT_EQ(after(200, [](int) {}), 0);
  curves_.stored(7, 1, 1, 100, kNow + std::chrono::seconds(1));
  EXPECT_EQ(after(200, [](int) {}), 1);
  EXPECT_EQ(after(200, [](int) {}, kNow, 2), 0);
  curves_.stored(7, 2, 1, 100, kNever);
  EXPECT_EQ(after(200, [](int) {}), 0);
}
TEST_F(OneKey, FewReadsSayNothing) {
  curves_.stored(7, 1, 1, 100, kNever);
  EXPECT_EQ(after(99, [](int) {}), -1);
  EXPECT_EQ(after(100, [](int) {}), 1);
}

TEST(MissRatioCurve, UnboundedMemorySamplesNothing) {
  MissRatioCurves curves({.rate_shift = 0, .most_keys = 1000});
  for (std::uint64_t key = 0; key < 1000; ++key) EXPECT_FALSE(curves.sampled(hash_of(key)));
  curves.set_memory(1'000);
  EXPECT_TRUE(curves.sampled(hash_of(1)));
  curves.set_memory(0);
  EXPECT_FALSE(curves.sampled(hash_of(1)));
}

TEST(MissRatioCurve, TheRateIsTheShareOfKeysThatAreSampled) {
  MissRatioCurves curves({});
  curves.set_memory(1'000'000);
  int sampled = 0;
  for (std::uint64_t key = 0; key < 320'000; ++key)
    sampled += curves.sampled(hash_bytes(std::to_string(key))) ? 1 : 0;
  EXPECT_NEAR(sampled, 20'000, 830);  // 6 standard deviations
}

TEST(MissRatioCurve, OldReadsCountLess) {
  MissRatioCurves curves({.rate_shift = 0, .most_keys = 1000});
  curves.set_memory(1'000'000);
  std::uint64_t reads = 0;
  const auto read = [&](int count) {
    for (int i = 0; i < count; ++i, ++reads) curves.read(7, 1, 1, kNow);
  };
  read(1'000);  // misses: never stored
  curves.age(1, reads, kNow);
  EXPECT_EQ(*curves.hit_ratio(1, reads, 1'000'000), 0);
  curves.stored(7, 1, 1, 100, kNever);
  curves.age(1, reads, kNow + MissRatioCurves::kHalfLife);
  read(500);
  EXPECT_NEAR(*curves.hit_ratio(1, reads, 1'000'000), 0.5, 1e-9);  // half of the 1,000 are left
  curves.age(1, reads, kNow + 2 * MissRatioCurves::kHalfLife);
  read(500);
  EXPECT_NEAR(*curves.hit_ratio(1, reads, 1'000'000), 0.75, 1e-9);
}

// Readers, writers and questions at the same time, for ThreadSanitizer; reads are lost only where threads
// meet.
TEST(MissRatioCurve, ThreadsMayMeet) {
  MissRatioCurves curves({.rate_shift = 0, .most_keys = 500});
  curves.set_memory(100'000);
  std::vector<std::jthread> threads;
  for (std::uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&curves, thread] {
      for (std::uint64_t i = 0; i < 5'000; ++i) {
        const std::uint64_t hash = hash_of((i * (thread + 1)) % 1'000);
        if (!curves.sampled(hash)) continue;
        curves.read(hash, 1, 1, kNow);
        if (i % 3 == 0) curves.stored(hash, 1, 1, 100, kNever);
        if (i % 64 == 0) curves.dropped(hash);
        if (i % 512 == 0) (void)curves.hit_ratio(1, 5'000, 50'000);
      }
    });
  }
  threads.clear();
  EXPECT_LE(curves.keys(), 500U);
}

}  // namespace
}  // namespace forebay::observe
