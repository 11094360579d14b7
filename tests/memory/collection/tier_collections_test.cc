// Collections as entries of the tier: counted, evicted, expired and freed as all others.

#include <gtest/gtest.h>

#include <string>

#include "base/hash.h"
#include "memory/collection/fields.h"
#include "memory/eviction/registry.h"
#include "memory/shards.h"
#include "support/manual_time.h"

namespace forebay::memory {
namespace {

using namespace std::chrono_literals;

class TierCollections : public ::testing::Test {
 protected:
  void open(std::size_t limit, const std::string& policy = "lru") {
    TierOptions options;
    options.limit = limit;
    options.policy = policy;
    options.shards = 1;
    tier = std::make_unique<Shards>(options, **find_policy(policy), clock.now());
  }
  Instant now() const { return clock.now(); }
  static Stamp expiring(Instant at) {
    Stamp stamp;
    stamp.expires = at;
    return stamp;
  }
  void write(std::string_view key, std::string_view text, const Stamp& stamp) {
    tier->update(key, now(), [&](const EntryView*) { return Change::replace(text, stamp); });
  }
  PutOutcome put(std::string_view key, std::string_view field, std::string_view value,
                 const Stamp& stamp = {}) {
    return tier->edit(hash_bytes(key), key, now(), Tier::edit_room(1, field.size() + value.size()),
                      [&](const EntryView*, Collection& all) -> std::optional<Stamp> {
                        if (!all.exists()) all.begin(CollectionKind::kHash);
                        Fields(all).put(field, value);
                        return stamp;
                      });
  }
  PutOutcome erase(std::string_view key, std::string_view field) {
    return tier->edit(hash_bytes(key), key, now(), 0,
                      [&](const EntryView*, Collection& all) -> std::optional<Stamp> {
                        if (!all.exists() || !Fields(all).erase(field)) return std::nullopt;
                        return Stamp();
                      });
  }
  void fill(std::string_view key, int fields) {
    for (int i = 0; i < fields; ++i) {
      const std::string number = std::to_string(i);
      ASSERT_EQ(put(key, "field:" + number, "a value of some bytes " + number), PutOutcome::kStored);
    }
  }
  std::uint32_t size(std::string_view key) {
    std::uint32_t fields = 0;
    tier->find(
        key, now(),
        [&](const EntryView& entry) {
          EXPECT_EQ(entry.type(), EntryType::kCollection);
          Collection all(entry.bytes());
          fields = all.size();
        },
        Touch::kYes);
    return fields;
  }
  std::string inconsistency() { return tier->inconsistency(); }
  std::size_t bytes() { return tier->stats().bytes; }
  void tick_until_done() {
    while (tier->tick(now(), 10'000)) {
    }
  }

  test::ManualClock clock;
  std::unique_ptr<Shards> tier;
};

TEST_F(TierCollections, CountExactlyWhatTheyTakeAsTheyGrowAndShrink) {
  open(std::size_t{64} << 20);
  const std::size_t empty = bytes();
  for (const int fields : {1, 10, 100, 1'000, 10'000}) {
    fill("h", fields);
    EXPECT_EQ(size("h"), static_cast<std::uint32_t>(fields));
    EXPECT_EQ(inconsistency(), "");
  }
  EXPECT_GT(bytes(), empty + 10'000 * 30);
  for (int i = 0; i < 10'000; ++i) {
    erase("h", "field:" + std::to_string(i));
    if (i % 1000 == 0) {
      EXPECT_EQ(inconsistency(), "");
    }
  }
  EXPECT_EQ(tier->size(), 0u) << "a collection without elements is no entry";
  EXPECT_EQ(inconsistency(), "");
  tick_until_done();
  EXPECT_LE(bytes(), empty + 1024);
}

TEST_F(TierCollections, StayWithinTheLimitUnderEveryPolicy) {
  for (const PolicyRow& policy : policy_rows()) {
    const std::string name(policy.name);
    if (!policy.evicts) continue;
    SCOPED_TRACE(name);
    open(std::size_t{4} << 20, name);
    for (int i = 0; i < 40'000; ++i) {
      const std::string key = "h" + std::to_string(i * 7919 % 64);
      Stamp stamp = expiring(now() + 1h);
      ASSERT_EQ(put(key, "field:" + std::to_string(i), std::string(200, 'v'), stamp), PutOutcome::kStored);
      // Beyond it only what a policy remembers of those that have left.
      ASSERT_LE(bytes(), (std::size_t{4} << 20) * 9 / 8) << i;
      if (i % 100 == 0) write("plain" + std::to_string(i), std::string(3'000, 'v'), stamp);
    }
    EXPECT_GT(tier->stats().evicted, 0u);
    EXPECT_EQ(inconsistency(), "");
  }
}

TEST_F(TierCollections, AreRefusedWhereNothingMayLeave) {
  open(std::size_t{4} << 20, "noeviction");
  PutOutcome outcome = PutOutcome::kStored;
  int fields = 0;
  for (; outcome == PutOutcome::kStored; ++fields) {
    outcome = put("h", "field:" + std::to_string(fields), std::string(200, 'v'));
    ASSERT_LE(bytes(), std::size_t{4} << 20);
  }
  EXPECT_EQ(outcome, PutOutcome::kFull);
  EXPECT_GT(fields, 10'000);
  EXPECT_EQ(size("h"), static_cast<std::uint32_t>(fields - 1)) << "what was refused has changed nothing";
  for (int i = 0; i < 1'000; ++i) EXPECT_EQ(erase("h", "field:" + std::to_string(i)), PutOutcome::kStored);
  EXPECT_EQ(put("h", "field", "value"), PutOutcome::kStored);
  EXPECT_EQ(inconsistency(), "");
}

TEST_F(TierCollections, ExpireAndAreFreedInSteps) {
  open(0);
  for (int i = 0; i < 20'000; ++i)
    put("h", "field:" + std::to_string(i), "a value of some bytes", expiring(now() + 1s));
  const std::size_t full = bytes();
  clock.advance(2s);
  EXPECT_EQ(size("h"), 0u);
  EXPECT_EQ(tier->size(), 0u);
  std::size_t before = bytes();
  EXPECT_GT(before, full / 2) << "it was freed in one step";
  // A step of the tick's budget is a node, or less.
  while (tier->tick(now(), 10)) {
    EXPECT_LE(before - bytes(), 10 * 4 * Tree::kMostLeaf);
    before = bytes();
  }
  EXPECT_LT(bytes(), full / 10);
  EXPECT_EQ(inconsistency(), "");
}

TEST_F(TierCollections, ADeletionFreesABoundedPartAtOnce) {
  open(0);
  fill("h", 20'000);
  const std::size_t full = bytes();
  EXPECT_TRUE(tier->erase("h", now(), Departure::kInvalidated));
  EXPECT_GT(bytes(), full / 2) << "it was freed in one step";
  tick_until_done();
  EXPECT_LT(bytes(), full / 10);
  EXPECT_EQ(inconsistency(), "");
}

TEST_F(TierCollections, GoWithEverythingElse) {
  open(std::size_t{64} << 20);
  fill("h", 20'000);
  fill("small", 3);
  const std::size_t full = bytes();
  tier->clear();
  fill("h", 100);
  tick_until_done();
  EXPECT_LT(bytes(), full / 4);
  EXPECT_EQ(size("h"), 100u);
  EXPECT_EQ(inconsistency(), "");
}

TEST_F(TierCollections, GiveWayToOtherValuesAndKeepTheirNodesWithOtherTimes) {
  open(std::size_t{64} << 20);
  for (const int fields : {3, 5'000}) {
    fill("h", fields);
    const std::size_t full = bytes();
    tier->update("h", now(), [&](const EntryView* entry) {
      Stamp stamp = entry->stamp();
      stamp.expires = now() + 1h;
      return Change::restamp(stamp);
    });
    EXPECT_EQ(size("h"), static_cast<std::uint32_t>(fields));
    EXPECT_LE(bytes(), full + 64);
    EXPECT_EQ(inconsistency(), "");
    write("h", "text", {});
    tick_until_done();
    EXPECT_EQ(inconsistency(), "");
    // And a new one takes the place of an old one, nodes and all.
    fill("other", fields);
    const Stamp fresh;
    tier->edit(hash_bytes("other"), "other", now(), Tier::edit_room(1, 10),
               [&](const EntryView*, Collection& all) -> std::optional<Stamp> {
                 all.forget();
                 all.begin(CollectionKind::kSet);
                 Fields(all).add("member");
                 return fresh;
               });
    EXPECT_EQ(size("other"), 1u);
    tick_until_done();
    EXPECT_EQ(inconsistency(), "");
    tier->erase("h", now(), Departure::kInvalidated);
    tier->erase("other", now(), Departure::kInvalidated);
  }
}

TEST_F(TierCollections, AnEditTakesNoTimeThatGrowsWithTheCollection) {
  open(0);
  fill("h", 50'000);
  // What an edit allocates and frees comes to a leaf and some rounding, whatever the collection has.
  const std::size_t before = bytes();
  put("h", "field:7", "a value of some bytes 8");
  EXPECT_LE(bytes() > before ? bytes() - before : before - bytes(), 2 * Tree::kMostLeaf);
}

}  // namespace
}  // namespace forebay::memory
