#include "memory/eviction/shadow.h"

#include <gtest/gtest.h>

#include <random>

#include "memory/eviction/hook_pool.h"
#include "memory/eviction/lfu.h"
#include "memory/eviction/lru.h"
#include "memory/eviction/s3_fifo.h"
#include "memory/eviction/w_tinylfu.h"

namespace forebay::memory {
namespace {

constexpr std::array<MakePolicy, kShadows> kPolicies = {make_lru, make_s3_fifo, make_w_tinylfu, make_lfu};
constexpr std::size_t kLru = 0;

std::uint64_t hash_of(std::uint64_t key) {
  return std::mt19937_64(key)();
}

class Shadows : public ::testing::Test {
 protected:
  ShadowSet request(std::uint64_t key, std::size_t weight = 1) {
    return shadows.request(hash_of(key), weight, [&](ShadowCaches::Key& left) { gone.push_back(left.hash); })
        .hits;
  }
  bool lru_has(std::uint64_t key) const {
    const auto* const found = shadows.find(hash_of(key));
    return found != nullptr && (found->in >> kLru & 1) != 0;
  }

  std::vector<std::uint64_t> gone;
  ShadowCaches shadows{kPolicies, {}};
};

TEST_F(Shadows, KeepEverythingUntilTheyHaveACapacity) {
  for (std::uint64_t key = 0; key < 1000; ++key) EXPECT_EQ(request(key), 0);
  for (std::uint64_t key = 0; key < 1000; ++key) EXPECT_EQ(request(key), kAllShadows);
}

TEST_F(Shadows, EvictAsTheirPoliciesWould) {
  shadows.set_capacity(3);
  for (const std::uint64_t key : {1, 2, 3, 1, 4}) request(key);
  EXPECT_TRUE(lru_has(1));
  EXPECT_FALSE(lru_has(2));
  for (std::size_t i = 0; i < kShadows; ++i) EXPECT_EQ(shadows.entries(i), 3u);
}

TEST_F(Shadows, CountWeights) {
  shadows.set_capacity(100);
  for (std::uint64_t key = 0; key < 10; ++key) request(key, 10);
  request(10, 25);
  EXPECT_FALSE(lru_has(2));
  EXPECT_TRUE(lru_has(3));
  EXPECT_NE(request(9, 30) & (1 << kLru), 0) << "another weight is the same key still";
  request(11, 10);
  EXPECT_FALSE(lru_has(5)) << "25 + 30 + 10 leave room for three of 10";
  EXPECT_TRUE(lru_has(6));
}

TEST_F(Shadows, CountWhatEachHasThatAnotherHasnt) {
  shadows.set_capacity(100);
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t key = random() % (random() % 2 == 0 ? 50 : 1000);
    random() % 20 == 0 ? shadows.erase(hash_of(key)) : static_cast<void>(request(key, 1 + key % 3));
    if (i == 10'000) shadows.halve();
  }
  bool differ = false;
  for (std::size_t i = 0; i < kShadows; ++i) {
    for (std::size_t j = 0; j < kShadows; ++j) {
      std::size_t missing = 0;
      for (std::uint64_t key = 0; key < 1000; ++key) {
        const auto* const found = shadows.find(hash_of(key));
        missing += found != nullptr && (found->in >> j & 1) != 0 && (found->in >> i & 1) == 0 ? 1 : 0;
      }
      EXPECT_EQ(shadows.missing(i)[j], missing) << i << " " << j;
      differ = differ || missing != 0;
    }
  }
  EXPECT_TRUE(differ);
}

TEST_F(Shadows, ForgetAKeyThatNoneHas) {
  shadows.set_capacity(10);
  for (std::uint64_t key = 0; key < 10'000; ++key) request(key);
  EXPECT_LE(shadows.records(), 10 * kShadows);
  EXPECT_TRUE(gone.empty()) << "none of these was the owner's";
  shadows.erase(hash_of(9'999));
  EXPECT_EQ(request(9'999), 0);
}

TEST_F(Shadows, TellTheOwnerOfKeysThatItHas) {
  HookPool pool;
  EntryHook& hook = pool.make();
  ASSERT_NE(shadows.attach(hash_of(1), 1, hook), nullptr);
  EXPECT_EQ(shadows.attach(hash_of(1), 1, hook), nullptr) << "one hash, one entry";
  shadows.set_capacity(5);
  for (std::uint64_t key = 1; key < 100; ++key) request(key);
  EXPECT_EQ(gone.size(), kShadows) << "each has evicted it once";
  auto* const key = shadows.find(hash_of(1));
  ASSERT_NE(key, nullptr);
  EXPECT_EQ(key->in, 0);
  shadows.detach(*key);
  EXPECT_EQ(shadows.find(hash_of(1)), nullptr);
}

TEST_F(Shadows, SampleAPartOfTheKeysAndOfTheCapacity) {
  shadows.set_capacity(16'000);
  for (int i = 0; i < 4; ++i) shadows.halve();
  std::size_t sampled = 0;
  for (std::uint64_t key = 0; key < 40'000; ++key) {
    if (!shadows.samples(hash_of(key))) continue;
    ++sampled;
    request(key);
  }
  EXPECT_NEAR(static_cast<double>(sampled), 40'000 / 16, 200);
  for (std::size_t i = 0; i < kShadows; ++i) EXPECT_EQ(shadows.entries(i), 1000u);
}

TEST_F(Shadows, KeepWhatIsStillSampledWhenTheRateIsHalved) {
  for (std::uint64_t key = 0; key < 1000; ++key) request(key);
  shadows.halve();
  EXPECT_NEAR(static_cast<double>(shadows.records()), 500, 80);
  for (std::uint64_t key = 0; key < 1000; ++key)
    EXPECT_EQ(shadows.find(hash_of(key)) != nullptr, shadows.samples(hash_of(key)));
}

}  // namespace
}  // namespace forebay::memory
