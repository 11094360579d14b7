// Purging tags: what had them is gone for every way of looking, and its memory comes back.

#include "memory/tag_purges.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/hash.h"
#include "memory/collection/collection.h"
#include "memory/collection/sequence.h"
#include "memory/tier_fixture.h"

namespace forebay::memory {
namespace {

// As an entry has them.
std::string packed(std::uint64_t as_of, const std::vector<std::uint64_t>& tags) {
  std::string bytes(reinterpret_cast<const char*>(&as_of), sizeof(as_of));
  for (const std::uint64_t tag : tags) bytes.append(reinterpret_cast<const char*>(&tag), sizeof(tag));
  return bytes;
}

TEST(TagPurges, EndWhatWasTrueBefore) {
  TagPurges purges;
  const std::string before = packed(purges.now(), {10, 20});
  EXPECT_FALSE(purges.purged(before));
  purges.purge(30);
  EXPECT_FALSE(purges.purged(before)) << "it has another tag";
  purges.purge(20);
  EXPECT_TRUE(purges.purged(before));
  EXPECT_FALSE(purges.purged(packed(purges.now(), {10, 20}))) << "true after the purge";
  EXPECT_FALSE(purges.purged({})) << "no tags at all";
}

TEST(TagPurges, AMarkedTagIsPurgedWithTheSameUnmarked) {
  TagPurges purges;
  const std::string marked = packed(purges.now(), {21});
  purges.purge(20);
  EXPECT_TRUE(purges.purged(marked));
}

// Tags that share a bucket of the quick look are told apart.
TEST(TagPurges, OthersOfTheSameBucketStay) {
  TagPurges purges;
  const std::uint64_t other = std::uint64_t{4096} << 1;
  const std::string before = packed(purges.now(), {other});
  purges.purge(0);
  EXPECT_FALSE(purges.purged(before));
  purges.purge(other);
  EXPECT_TRUE(purges.purged(before));
}

TEST(TagPurges, WhatIsForgottenIsTakenForPurged) {
  TagPurges purges;
  const std::string first = packed(purges.now(), {1'000'000'000});
  for (std::uint64_t tag = 0; tag < TagPurges::kMost; ++tag) purges.purge(tag << 1);
  EXPECT_FALSE(purges.purged(first)) << "all are remembered";
  const std::string late = packed(purges.now(), {1'000'000'000});
  purges.purge(std::uint64_t{1} << 40);
  EXPECT_TRUE(purges.purged(first)) << "the older half is forgotten: its tag might be one of those";
  EXPECT_FALSE(purges.purged(late));
}

TEST(TagPurges, WhileATagIsHeldNothingWithItIsKept) {
  TagPurges purges;
  const std::uint64_t neighbour = 20 + (std::uint64_t{4096} << 1);  // of the same bucket
  ASSERT_TRUE(purges.hold(20));
  ASSERT_TRUE(purges.hold(20));
  const std::string during = packed(purges.now(), {20});
  EXPECT_TRUE(purges.purged(during)) << "true as of now, and gone";
  EXPECT_FALSE(purges.purged(packed(purges.now(), {neighbour})));
  ASSERT_TRUE(purges.hold(neighbour));
  purges.purge(20);
  purges.release(20);
  EXPECT_TRUE(purges.purged(packed(purges.now(), {20}))) << "it is held once more";
  purges.release(20);
  EXPECT_TRUE(purges.purged(during)) << "the release is a purge as well";
  EXPECT_FALSE(purges.purged(packed(purges.now(), {20})));
  EXPECT_TRUE(purges.purged(packed(purges.now(), {neighbour}))) << "the neighbour is held still";
  purges.release(neighbour);
  EXPECT_FALSE(purges.purged(packed(purges.now(), {neighbour})));
  purges.release(neighbour);  // not held: nothing happens
}

TEST(TagPurges, ForgettingDoesNotUndoAPurgeOfAll) {
  TagPurges purges;
  for (std::uint64_t tag = 0; tag < TagPurges::kMost; ++tag) purges.purge(tag << 1);
  const std::string before = packed(purges.now(), {std::uint64_t{1} << 40});
  purges.purge_all();
  purges.purge(std::uint64_t{1} << 41);
  EXPECT_TRUE(purges.purged(before));
}

TEST(TagPurges, AllEndsWhateverHasTags) {
  TagPurges purges;
  const std::string before = packed(purges.now(), {20});
  purges.purge_all();
  EXPECT_TRUE(purges.purged(before));
  EXPECT_FALSE(purges.purged({}));
  EXPECT_FALSE(purges.purged(packed(purges.now(), {20})));
}

class TaggedEntries : public TierFixture {
 protected:
  TaggedEntries() { open(0); }

  void put_tagged(std::string_view key, std::string_view value, const std::vector<std::uint64_t>& tags,
                  const Stamp& stamp = {}) {
    const std::string bytes = packed(tier->tags().now(), tags);
    tier->update(key, now(), [&](const EntryView*) {
      Change change = Change::replace(value, stamp);
      change.tags = bytes;
      return change;
    });
  }
  void retag(std::string_view key, const std::vector<std::uint64_t>& tags) {
    const std::string bytes = tags.empty() ? std::string() : packed(tier->tags().now(), tags);
    tier->update(key, now(), [&](const EntryView*) { return Change::retag(bytes); });
  }
};

TEST_F(TaggedEntries, AreGoneForEveryWayOfLooking) {
  for (const std::size_t size : {3, 300, 5000}) {
    put_tagged("k", std::string(size, 'v'), {2, 4});
    put("other", "stays");
    ASSERT_EQ(get("k"), std::string(size, 'v'));
    tier->tags().purge(4);
    EXPECT_EQ(scan_all(), std::set<std::string>{"other"});
    EXPECT_FALSE(tier->find("k", now(), [](const EntryView&) {}, Touch::kNo));
    EXPECT_EQ(get("k"), std::nullopt) << size;
    EXPECT_EQ(tier->departure("k"), Departure::kInvalidated);
    EXPECT_EQ(get("other"), "stays");
    put_tagged("k", "again", {2, 4});
    EXPECT_EQ(get("k"), "again") << "what comes after the purge is kept";
    tier->erase("k", now(), Departure::kExpired);
  }
}

TEST_F(TaggedEntries, KeepTheirTagsOverTimesAndOtherBytes) {
  put_tagged("k", "1", {2});
  tier->update("k", now(), [&](const EntryView*) { return Change::restamp(expiring(now() + 1h)); });
  tier->update("k", now(), [&](const EntryView*) { return Change::revalue("longer than before"); });
  tier->update("k", now(), [&](const EntryView*) { return Change::revalue("longer than befora"); });
  EXPECT_EQ(get("k"), "longer than befora");
  tier->tags().purge(2);
  EXPECT_EQ(get("k"), std::nullopt);
}

TEST_F(TaggedEntries, MarkedTagsStayWhereTheNewValueSaysSo) {
  put_tagged("k", "1", {2});
  retag("k", {5, 7});
  const std::string bytes = packed(tier->tags().now(), {8});
  tier->update("k", now(), [&](const EntryView*) {
    Change change = Change::replace("2", {});
    change.tags = bytes;
    change.keeps_marked_tags = true;
    return change;
  });
  tier->tags().purge(2);
  EXPECT_EQ(get("k"), "2") << "the unmarked one was the old value's";
  tier->tags().purge(6);
  EXPECT_EQ(get("k"), std::nullopt);
  put_tagged("k", "3", {2});
  tier->update("k", now(), [&](const EntryView*) { return Change::replace("4", {}); });
  tier->tags().purge(2);
  EXPECT_EQ(get("k"), "4") << "a new value has no tags but its own";
}

TEST_F(TaggedEntries, RetaggingLeavesTheUnmarkedOnes) {
  put_tagged("k", "1", {2});
  retag("k", {5});
  retag("k", {7});
  tier->tags().purge(4);
  EXPECT_EQ(get("k"), "1") << "it has that no longer";
  retag("k", {});
  tier->tags().purge(6);
  EXPECT_EQ(get("k"), "1");
  tier->tags().purge(2);
  EXPECT_EQ(get("k"), std::nullopt);
}

TEST_F(TaggedEntries, OfACollectionStayWhileItIsEdited) {
  const auto add = [&](std::string_view element) {
    tier->edit(hash_bytes("list"), "list", now(), Tier::edit_room(1, element.size()),
               [&](const EntryView*, Collection& all) -> std::optional<Stamp> {
                 if (!all.exists()) all.begin(CollectionKind::kList);
                 Sequence list(all);
                 list.insert(list.size(), element);
                 return Stamp{};
               });
  };
  add("a");
  retag("list", {3});
  for (int i = 0; i < 2000; ++i) add("an element that makes it large");
  tier->tags().purge(2);
  EXPECT_EQ(tier->size(), 1u) << "until somebody looks";
  tick_until_done();
  EXPECT_EQ(tier->size(), 0u);
}

TEST_F(TaggedEntries, GiveTheirMemoryBackWithTime) {
  struct Told : DepartureObserver {
    void departed(std::string_view key, std::uint64_t, Departure why) override {
      if (why == Departure::kInvalidated) keys.emplace(key);
    }
    std::set<std::string> keys;
  } told;
  tier->observe(told);
  for (int i = 0; i < 1000; ++i) put_tagged("a" + std::to_string(i), "value", {2});
  for (int i = 0; i < 1000; ++i) put_tagged("b" + std::to_string(i), "value", {4});
  tier->tags().purge(2);
  EXPECT_EQ(tier->stats().entries, 2000u);
  tick_until_done();
  EXPECT_EQ(tier->stats().entries, 1000u);
  EXPECT_EQ(told.keys.size(), 1000u);
  EXPECT_TRUE(told.keys.contains("a7"));
  tier->tags().purge(4);
  tick_until_done();
  EXPECT_EQ(tier->stats().entries, 0u);
}

TEST_F(TaggedEntries, TakeNoMemoryWithoutTags) {
  const auto bytes_with = [&](const std::vector<std::uint64_t>& tags) {
    const std::size_t start = tier->stats().bytes;
    put_tagged("k", std::string(40, 'v'), tags);
    const std::size_t taken = tier->stats().bytes - start;
    tier->erase("k", now(), Departure::kInvalidated);
    return taken;
  };
  const std::string value(40, 'v');
  const std::size_t before = tier->stats().bytes;
  put("k", value);
  const std::size_t plain = tier->stats().bytes - before;
  tier->erase("k", now(), Departure::kInvalidated);
  EXPECT_GT(bytes_with({2}), plain);
  put_tagged("k", std::string(40, 'v'), {2});
  tier->update("k", now(), [&](const EntryView*) { return Change::replace(value, {}); });
  EXPECT_EQ(tier->stats().bytes - before, plain) << "the tags have gone";
}

}  // namespace
}  // namespace forebay::memory
