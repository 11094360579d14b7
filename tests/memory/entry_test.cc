// What an entry says of itself: its type, and what it takes.

#include "memory/entry.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "memory/tier_fixture.h"

namespace forebay::memory {
namespace {

constexpr EntryType kTypes[] = {EntryType::kText, EntryType::kCounter, EntryType::kRow};

class EntryTest : public TierFixture {
 protected:
  EntryTest() { open(0); }

  EntryType type_of(std::string_view key) {
    auto type = EntryType{};
    EXPECT_TRUE(tier->find(key, now(), [&](const EntryView& entry) { type = entry.type(); })) << key;
    return type;
  }
  PutOutcome change(std::string_view key, const Change& to) {
    return tier->update(key, now(), [&](const EntryView*) { return to; });
  }
  // Every combination of what makes an entry need another part, relative to `now`.
  std::vector<Stamp> stamps() const {
    std::vector<Stamp> all;
    for (const Instant expires : {kNever, now() + 1h, now() + 1h + 1ns, now() + 40 * 24h}) {
      for (const Instant fresh_until : {kNever, expires, now() + 30min}) {
        for (unsigned parts = 0; parts < 32; ++parts) {
          Stamp stamp;
          stamp.expires = expires;
          stamp.fresh_until = fresh_until;
          if ((parts & 1) != 0) stamp.loaded_at = now();
          if ((parts & 2) != 0) stamp.load_cost = 3ms;
          if ((parts & 4) != 0) stamp.version = 7;
          if ((parts & 8) != 0) stamp.space = 3;
          stamp.edited = (parts & 16) != 0;
          all.push_back(stamp);
        }
      }
    }
    return all;
  }
};

TEST_F(EntryTest, HasTheTypeItsWriterSaidWhateverElseItHas) {
  for (const Stamp& stamp : stamps()) {
    for (const std::size_t size : {0, 20, 300, 5000}) {
      for (const EntryType type : kTypes) {
        const std::string bytes(size, 'v');
        ASSERT_EQ(change("k", Change::replace(bytes, stamp, type)), PutOutcome::kStored);
        ASSERT_EQ(type_of("k"), type);
        tier->update("k", now(), [&](const EntryView* entry) {
          EXPECT_EQ(entry->type(), type);
          return Change::keep();
        });
      }
      tier->erase("k", now(), Departure::kInvalidated);
    }
  }
}

TEST_F(EntryTest, KeepsItsTypeUntilTheNextValueComes) {
  for (const EntryType type : kTypes) {
    change("k", Change::replace("12", {}, type));
    change("k", Change::revalue("13"));  // in place
    EXPECT_EQ(type_of("k"), type);
    change("k", Change::revalue(std::string(500, 'x')));
    EXPECT_EQ(type_of("k"), type);
    change("k", Change::restamp(expiring(now() + 1h)));
    EXPECT_EQ(type_of("k"), type);
    change("k", Change::restamp(expiring(now() + 2h)));  // in place
    EXPECT_EQ(type_of("k"), type);
    put("k", "14");
    EXPECT_EQ(type_of("k"), EntryType::kText);
  }
}

TEST_F(EntryTest, KeepsItsTypeWhenItIsMoved) {
  constexpr int kEntries = 20'000;
  const auto key_of = [](int i) { return "k" + std::to_string(i); };
  for (int i = 0; i < kEntries; ++i)
    change(key_of(i), Change::replace("some value or other", {}, kTypes[i % std::size(kTypes)]));
  for (int i = 0; i < kEntries; ++i) {
    if (i % 10 != 0) tier->erase(key_of(i), now(), Departure::kInvalidated);
  }
  tick_until_done();
  for (int i = 0; i < kEntries; i += 10) ASSERT_EQ(type_of(key_of(i)), kTypes[i % std::size(kTypes)]);
}

TEST_F(EntryTest, ARevisionIsNewWithEveryWriteWhateverTheType) {
  std::uint64_t last = 0;
  for (int i = 0; i < 1000; ++i) {
    change("k", Change::replace("1", {}, kTypes[i % std::size(kTypes)]));
    const std::uint64_t revision = look("k")->revision;
    ASSERT_NE(revision, 0u);
    ASSERT_NE(revision >> EntryView::kTypeBits, last >> EntryView::kTypeBits);
    last = revision;
  }
}

TEST_F(EntryTest, WhatItWouldTakeIsWhatTheTierCounts) {
  std::size_t compared = 0;
  for (const Stamp& stamp : stamps()) {
    for (const std::size_t key_size : {1, 14, 31, 32, 300, 5'000}) {
      for (const std::size_t value_size : {0, 1, 64, 255, 256, 4'096, 4'097, 70'000}) {
        const std::string key(key_size, 'k');
        const std::size_t before = tier->stats().bytes;
        ASSERT_EQ(put(key, std::string(value_size, 'v'), stamp), PutOutcome::kStored);
        ASSERT_EQ(Entry::charge_of(key_size, value_size, stamp), tier->stats().bytes - before)
            << key_size << " " << value_size << " " << stamp.expires.time_since_epoch().count();
        ASSERT_TRUE(tier->erase(key, now(), Departure::kInvalidated));
        ASSERT_EQ(tier->stats().bytes, before);
        ++compared;
      }
    }
  }
  EXPECT_GT(compared, 10'000u);
}

TEST_F(EntryTest, AnExpiryInAFarFutureTakesEightBytesMore) {
  const Stamp far = expiring(now() + 24h * 365);
  const std::size_t before = tier->stats().bytes;
  put("key of 14 byte", std::string(64, 'v'), far);
  // 8 for the word that says so, 8 for the time: the block grows with what an unexpected expiry needs.
  EXPECT_EQ(tier->stats().bytes - before, Entry::charge_of(14, 64, far) + 16);
}

// The wall clock's flag is in the wide part: entries without it take what they took.
TEST_F(EntryTest, AnExpiryOfTheWallClockCostsOthersNothing) {
  Stamp expiring_by_duration = expiring(now() + 1h);
  expiring_by_duration.fresh_until = expiring_by_duration.expires;
  Stamp by_wall_clock = expiring_by_duration;
  by_wall_clock.by_wall_clock = true;
  EXPECT_EQ(Entry::charge_of(14, 64, {}), 104U);
  EXPECT_EQ(Entry::charge_of(14, 64, expiring_by_duration), 112U);
  EXPECT_EQ(Entry::charge_of(14, 64, by_wall_clock), 120U);
}

}  // namespace
}  // namespace forebay::memory
