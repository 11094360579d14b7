// The shards against the plainest thing that does the same: random operations on both, and after every one
// what the tier says must be what the map says. What is counted is checked against what is there.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <string_view>

#include "memory/eviction/registry.h"
#include "memory/shards.h"
#include "memory/tier_fixture.h"

namespace forebay::memory {
namespace {

struct Kept {
  std::string value;
  Stamp stamp;
  std::uint64_t revision = 0;
};

class Model {
 public:
  Model(std::size_t limit, const std::string& policy, std::size_t shards, std::uint32_t seed)
      : random_(seed),
        limit_(limit),
        slack_(policy == "lru" || policy == "noeviction" ? 0 : limit / 8),
        policy_(policy) {
    options_.limit = limit;
    options_.policy = policy;
    options_.shards = shards;
    shards_ = std::make_unique<Shards>(options_, **find_policy(policy), now_);
  }

  void run(int operations, int check_every) {
    for (int i = 0; i < operations && !::testing::Test::HasFailure(); ++i) {
      step();
      if (limit_ != 0) {
        ASSERT_LE(shards_->stats().bytes, limit_ + slack_) << "after operation " << i;
      }
      if (i % check_every == 0) {
        ASSERT_EQ(shards_->inconsistency(), "") << "after operation " << i;
        compare_all();
      }
    }
    ASSERT_EQ(shards_->inconsistency(), "");
    compare_all();
  }

 private:
  std::uint32_t draw(std::uint32_t below) { return random_() % below; }
  std::string draw_key() {
    // Few keys are used often, so that entries are replaced, many rarely, so that the table grows and
    // shrinks.
    const std::uint32_t number = draw(2) == 0 ? draw(50) : draw(5000);
    return number % 37 == 0 ? std::string(300, 'K') + std::to_string(number)
                            : "key:" + std::to_string(number);
  }
  std::string draw_value() {
    switch (draw(20)) {
      case 0:
        return {};
      case 1:
        return std::string(draw(9000), 'l');
      case 2:
        return std::string(draw(600), 'm');
      default:
        return std::string(draw(100), 's');
    }
  }
  Stamp draw_stamp() {
    Stamp stamp;
    const std::uint32_t kind = draw(10);
    if (kind < 5) stamp.expires = now_ + std::chrono::milliseconds(draw(draw(3) == 0 ? 100'000'000 : 5'000));
    if (kind == 0) stamp.expires = now_ + std::chrono::hours(24 * 365);
    if (kind == 1 || kind == 7) {
      stamp.fresh_until = now_ + std::chrono::milliseconds(draw(1000));
      stamp.version = random_();
      stamp.loaded_at = now_;
    }
    if (kind == 2 || kind == 8) stamp.space = 1 + draw(5);
    return stamp;
  }

  // The model's entry if it is not expired, which is what the tier must show.
  Kept* live(const std::string& key) {
    const auto at = model_.find(key);
    if (at == model_.end()) return nullptr;
    if (at->second.stamp.expires > now_) return &at->second;
    model_.erase(at);
    return nullptr;
  }
  // An entry that the tier evicted is gone from the model too, if the tier says so.
  Kept* expected(const std::string& key, bool tier_has_it) {
    Kept* kept = live(key);
    if (kept == nullptr || tier_has_it || limit_ == 0 || policy_ == "noeviction") return kept;
    model_.erase(key);
    return nullptr;
  }

  void expect_same(const EntryView& entry, const Kept& kept) {
    EXPECT_EQ(entry.value().view(), kept.value);
    EXPECT_EQ(entry.stamp().expires, kept.stamp.expires);
    EXPECT_EQ(entry.stamp().fresh_until, kept.stamp.fresh_until);
    EXPECT_EQ(entry.stamp().version, kept.stamp.version);
    EXPECT_EQ(entry.stamp().space, kept.stamp.space);
    EXPECT_EQ(entry.revision(), kept.revision);
  }

  void find(const std::string& key, Touch touch) {
    int visits = 0;
    const bool found = shards_->find(
        key, now_,
        [&](const EntryView& entry) {
          ++visits;
          const Kept* const kept = live(key);
          ASSERT_NE(kept, nullptr) << key;
          expect_same(entry, *kept);
        },
        touch);
    EXPECT_EQ(visits, found ? 1 : 0);
    EXPECT_EQ(expected(key, found) != nullptr, found) << key;
  }

  void update(const std::string& key) {
    int calls = 0;
    std::string value = draw_value();
    Stamp stamp = draw_stamp();
    const std::uint32_t kind = draw(10);
    const PutOutcome outcome = shards_->update(key, now_, [&](const EntryView* entry) {
      ++calls;
      const Kept* const kept = expected(key, entry != nullptr);
      EXPECT_EQ(kept != nullptr, entry != nullptr) << key;
      if (kept != nullptr && entry != nullptr) expect_same(*entry, *kept);
      if (kind == 0) return Change::keep();
      if (kind == 1) return Change::erase();
      if (kind == 2) return Change::restamp(stamp);
      if (kind == 3) return Change::replace(Value::bytes(value), stamp);
      if (kind == 4) {
        if (kept != nullptr) stamp = kept->stamp;
        // Most often as long as the one before.
        if (kept != nullptr && draw(4) != 0)
          value.assign(kept->value.size(), static_cast<char>('a' + draw(26)));
        return Change::revalue(value);
      }
      return Change::replace(value, stamp);
    });
    EXPECT_EQ(calls, 1);
    switch (outcome) {
      case PutOutcome::kStored: {
        Kept& kept = model_[key];
        if (kind != 2) kept.value = value;
        kept.stamp = stamp;
        const std::uint64_t before = kept.revision;
        shards_->find(
            key, now_, [&](const EntryView& entry) { kept.revision = entry.revision(); }, Touch::kNo);
        if (stamp.expires > now_) {
          EXPECT_NE(kept.revision, before);
        }
        break;
      }
      case PutOutcome::kKept:
        EXPECT_TRUE(kind <= 2 || kind == 4);
        EXPECT_TRUE(kind != 4 || live(key) == nullptr);
        if (kind == 1) model_.erase(key);
        break;
      case PutOutcome::kTooLarge:
        EXPECT_NE(limit_, 0u);
        model_.erase(key);
        break;
      case PutOutcome::kFull:
        EXPECT_TRUE(policy_ == "noeviction" || policy_.starts_with("volatile-")) << policy_;
        break;
    }
  }

  void scan() {
    std::map<std::string, int> seen;
    std::uint64_t cursor = 0;
    do {
      cursor = shards_->scan(cursor, 1 + draw(50), now_,
                             [&](const EntryView& entry) { ++seen[std::string(entry.key())]; });
    } while (cursor != 0);
    for (const auto& [key, kept] : model_) {
      if (kept.stamp.expires <= now_ || seen.contains(key)) continue;
      // Why the longest gone ones left is forgotten.
      EXPECT_EQ(shards_->departure(key).value_or(Departure::kEvicted), Departure::kEvicted) << key;
    }
    for (const auto& [key, times] : seen) EXPECT_NE(live(key), nullptr) << key;
  }

  void step() {
    const std::string key = draw_key();
    switch (draw(100)) {
      case 0:
        now_ += std::chrono::milliseconds(draw(3000));
        break;
      case 1:
        now_ += std::chrono::milliseconds(draw(20));
        break;
      case 2:
        shards_->tick(now_, 1 + draw(200));
        break;
      case 3:
        if (draw(100) == 0) {
          scan();
        } else {
          shards_->random(now_, random_(), [&](const EntryView& entry) {
            const Kept* const kept = live(std::string(entry.key()));
            ASSERT_NE(kept, nullptr);
            expect_same(entry, *kept);
          });
        }
        break;
      case 4:
        if (draw(400) == 0) {
          shards_->clear();
          model_.clear();
        } else if (draw(400) == 0) {
          now_ += std::chrono::hours(draw(48));
        }
        break;
      case 5:
      case 6:
      case 7:
      case 8:
      case 9:
      case 10:
      case 11:
      case 12: {
        const bool erased = shards_->erase(key, now_, Departure::kInvalidated);
        EXPECT_EQ(expected(key, erased) != nullptr, erased) << key;
        model_.erase(key);
        if (erased) {
          EXPECT_EQ(shards_->departure(key), Departure::kInvalidated);
        }
        break;
      }
      default:
        if (draw(2) == 0) {
          update(key);
        } else {
          find(key, draw(2) == 0 ? Touch::kYes : Touch::kNo);
        }
    }
  }

  void compare_all() {
    for (auto at = model_.begin(); at != model_.end();) {
      const std::string key = (at++)->first;
      find(key, Touch::kNo);
    }
  }

  std::mt19937 random_;
  Instant now_{std::chrono::hours(10)};
  std::size_t limit_;
  // By how much others than `lru` and `noeviction` may be above the limit within one write: what a policy
  // remembers of keys that left, and the shadows of `auto`, some tens of kilobytes, grow while room is made.
  // Of `volatile-ttl` (seen once, 0.2 %) the cause is not known.
  std::size_t slack_;
  std::string policy_;
  TierOptions options_;
  std::unique_ptr<Shards> shards_;
  std::map<std::string, Kept> model_;
};

// Every policy there is, a million operations among them; AddressSanitizer sees all of these.
#ifdef __SANITIZE_THREAD__
constexpr int kOperationsOfPolicies = 60'000;
#else
constexpr int kOperationsOfPolicies = 1'000'000;
#endif
class ShardsModelOfPolicy : public ::testing::TestWithParam<std::string_view> {};

TEST_P(ShardsModelOfPolicy, OnlyEvictedEntriesAreMissingAndTheLimitHolds) {
  const int operations = kOperationsOfPolicies / static_cast<int>(policy_rows().size()) + 1;
  Model(std::size_t{600} << 10, std::string(GetParam()), 2, 5).run(operations, operations / 5);
}

INSTANTIATE_TEST_SUITE_P(Registry, ShardsModelOfPolicy, ::testing::ValuesIn(policy_names()),
                         [](const auto& policy) {
                           std::string name(policy.param);
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

constexpr int kOperations = kSanitized ? 15'000 : 250'000;
constexpr int kCheckEvery = kSanitized ? 1'000 : 5'000;

TEST(ShardsModel, OneShardAgreesWithAMapThroughEveryOperation) {
  Model(0, "lru", 1, 1).run(kOperations, kCheckEvery);
}

TEST(ShardsModel, ManyShardsAgreeWithAMapThroughEveryOperation) {
  Model(0, "lru", 8, 2).run(kOperations, kCheckEvery);
}

TEST(ShardsModel, UnderALimitOnlyEvictedEntriesAreMissingAndTheLimitHolds) {
  Model(std::size_t{1} << 20, "lru", 4, 3).run(kOperations, kCheckEvery);
}

TEST(ShardsModel, WithoutEvictionNothingIsMissingAndTheLimitHolds) {
  Model(std::size_t{600} << 10, "noeviction", 2, 4).run(kOperations, kCheckEvery);
}

}  // namespace
}  // namespace forebay::memory
