#include "memory/tier.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <string>

#include "memory/arena/large.h"
#include "memory/tier_fixture.h"

namespace forebay::memory {
namespace {

class TierTest : public TierFixture {
 protected:
  TierTest() { open(0); }
};

TEST_F(TierTest, ReturnsWhatWasPut) {
  EXPECT_EQ(put("a", "1"), PutOutcome::kStored);
  EXPECT_EQ(get("a"), "1");
  EXPECT_EQ(get("b"), std::nullopt);
  put("a", "another and longer value");
  EXPECT_EQ(get("a"), "another and longer value");
  EXPECT_EQ(tier->size(), 1u);
}

TEST_F(TierTest, KeepsKeysAndValuesOfEverySize) {
  for (const std::size_t key_size : {1, 14, 255, 256, 70'000}) {
    for (const std::size_t value_size : {0, 1, 64, 255, 256, 4096, 4097, 100'000}) {
      const std::string key = std::string(key_size, 'k') + std::to_string(value_size);
      const std::string value(value_size, 'v');
      ASSERT_EQ(put(key, value, expiring(now() + 1h)), PutOutcome::kStored);
      EXPECT_EQ(get(key), value) << key_size << " " << value_size;
      EXPECT_EQ(look(key)->shared, value_size > 4096);
    }
  }
}

TEST_F(TierTest, ASharedPayloadIsHeldAndNotCopied) {
  auto object = std::make_shared<const std::string>("an object of the program");
  tier->put("object", Value::object(object, 100), {}, now());
  const Value large = Value::bytes(std::string(10'000, 'x'));
  tier->put("large", large, {}, now());
  EXPECT_TRUE(tier->find("object", now(), [&](const EntryView& entry) {
    ASSERT_NE(entry.shared(), nullptr);
    EXPECT_EQ(entry.value().as<std::string>(), object);
    EXPECT_TRUE(entry.bytes().empty());
  }));
  tier->erase("object", now(), Departure::kInvalidated);
  EXPECT_EQ(object.use_count(), 1);
  // Large bytes are copied once, to where the tier's memory is, and not again for those who read them.
  const auto read = [&] {
    Value value;
    EXPECT_TRUE(tier->find("large", now(), [&](const EntryView& entry) { value = entry.value(); }));
    return value;
  };
  const Value first = read();
  EXPECT_TRUE(Large::holds(first));
  EXPECT_EQ(first.view(), large.view());
  EXPECT_EQ(read().owner(), first.owner());
  tier->put("again", first, {}, now());
  EXPECT_TRUE(tier->find("again", now(),
                         [&](const EntryView& entry) { EXPECT_EQ(entry.value().owner(), first.owner()); }));
  tier->erase("large", now(), Departure::kInvalidated);
  tier->clear();
  EXPECT_EQ(first.view(), large.view()) << "whoever holds it keeps it";
}

TEST_F(TierTest, EveryFieldOfAStampComesBack) {
  Stamp full;
  full.expires = now() + 10min;
  full.fresh_until = now() + 5min + 123ns;
  full.loaded_at = now() - 3ms;
  full.load_cost = 1234us;
  full.version = ~std::uint64_t{0};
  full.evidence = 1u << 31;
  full.space = 7;
  full.epoch = 0xffffffff;
  full.negative = true;
  full.edited = true;
  full.by_wall_clock = true;
  Stamp placed;
  placed.space = 3;
  Stamp fresh_while_alive = expiring(now() + 1s);
  fresh_while_alive.fresh_until = fresh_while_alive.expires;
  Stamp far = expiring(now() + 24h * 365 * 20);
  Stamp stale_at_once;
  stale_at_once.fresh_until = now();
  const std::map<std::string, Stamp> stamps{{"full", full},
                                            {"plain", {}},
                                            {"placed", placed},
                                            {"far", far},
                                            {"alive", fresh_while_alive},
                                            {"expiring", expiring(now() + 5s)},
                                            {"stale", stale_at_once}};
  for (const std::string_view value : {"v", ""}) {
    for (const auto& [key, stamp] : stamps) {
      put(key, value, stamp);
      const auto seen = look(key);
      ASSERT_TRUE(seen.has_value()) << key;
      EXPECT_EQ(seen->stamp.expires, stamp.expires) << key;
      EXPECT_EQ(seen->stamp.fresh_until, stamp.fresh_until) << key;
      EXPECT_EQ(seen->stamp.loaded_at, stamp.loaded_at) << key;
      EXPECT_EQ(seen->stamp.load_cost, stamp.load_cost) << key;
      EXPECT_EQ(seen->stamp.version, stamp.version) << key;
      EXPECT_EQ(seen->stamp.evidence, stamp.evidence) << key;
      EXPECT_EQ(seen->stamp.space, stamp.space) << key;
      EXPECT_EQ(seen->stamp.epoch, stamp.epoch) << key;
      EXPECT_EQ(seen->stamp.negative, stamp.negative) << key;
      EXPECT_EQ(seen->stamp.edited, stamp.edited) << key;
      EXPECT_EQ(seen->stamp.by_wall_clock, stamp.by_wall_clock) << key;
    }
  }
  EXPECT_EQ(tier->stats().by_space.at(7).entries, 1u);
  EXPECT_EQ(tier->stats().by_space.at(7).with_expiry, 1u);
  EXPECT_EQ(tier->stats().with_expiry, 4u);
}

TEST_F(TierTest, OnlyExpiriesOfTheWallClockMoveWithIt) {
  const auto by_wall = [](Instant at) {
    Stamp stamp = expiring(at);
    stamp.fresh_until = at;
    stamp.by_wall_clock = true;
    return stamp;
  };
  Stamp no_expiry;
  no_expiry.by_wall_clock = true;
  put("sooner", "1", by_wall(now() + 1h));
  put("later", "1", by_wall(now() + 24h * 60));  // far by now, and near afterwards
  put("large", std::string(10'000, 'x'), by_wall(now() + 2h));
  put("duration", "1", expiring(now() + 1h));
  put("for ever", "1", no_expiry);
  const Instant before = now();
  const auto is_at = [&](const char* key, Instant at) {
    const auto seen = look(key);
    ASSERT_TRUE(seen.has_value()) << key;
    EXPECT_EQ(seen->stamp.expires, at) << key;
  };
  tier->move_wall_times(now(), -30min);
  is_at("sooner", before + 30min);
  EXPECT_EQ(look("sooner")->stamp.fresh_until, before + 30min);
  EXPECT_TRUE(look("sooner")->stamp.by_wall_clock);
  is_at("later", before + 24h * 60 - 30min);
  is_at("large", before + 90min);
  is_at("duration", before + 1h);
  is_at("for ever", kNever);
  EXPECT_FALSE(look("for ever")->stamp.by_wall_clock) << "there is nothing to move";
  tier->move_wall_times(now(), 24h * -30);
  EXPECT_EQ(get("sooner"), std::nullopt);
  EXPECT_EQ(get("large"), std::nullopt);
  is_at("later", before + 24h * 30 - 30min);
  tick_until_done();
  tier->move_wall_times(now(), 24h * 3650);
  is_at("later", before + 24h * 3680 - 30min);
  clock.advance(1h);
  EXPECT_EQ(get("duration"), std::nullopt);
}

TEST_F(TierTest, AnExpiredEntryIsGoneToTheMillisecond) {
  put("a", "1", expiring(now() + 5ms));
  clock.advance(4ms);
  EXPECT_EQ(get("a"), "1");
  clock.advance(1ms);
  EXPECT_EQ(get("a"), std::nullopt);
  EXPECT_EQ(tier->departure("a"), Departure::kExpired);
  EXPECT_EQ(tier->stats().expired, 1u);
}

TEST_F(TierTest, AnExpiryInThePastOrBeforeTheClockBeganIsGoneAtOnce) {
  put("a", "1", expiring(now() - 1ms));
  put("b", "1", expiring(Instant::min()));
  EXPECT_EQ(get("a"), std::nullopt);
  EXPECT_EQ(get("b"), std::nullopt);
  put("b", "1", expiring(Instant::min()));
  clock.advance(20ms);
  tick_until_done();
  EXPECT_EQ(tier->size(), 0u);
}

TEST_F(TierTest, UpdateSeesTheEntryAndDecides) {
  int calls = 0;
  std::string longer;
  const auto append = [&](const EntryView* entry) {
    ++calls;
    longer = (entry != nullptr ? std::string(entry->bytes()) : std::string()) + "x";
    return Change::replace(longer, {});
  };
  EXPECT_EQ(tier->update("a", now(), append), PutOutcome::kStored);
  EXPECT_EQ(tier->update("a", now(), append), PutOutcome::kStored);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(get("a"), "xx");
  EXPECT_EQ(tier->update("a", now(), [](const EntryView*) { return Change::keep(); }), PutOutcome::kKept);
  EXPECT_EQ(get("a"), "xx");
  EXPECT_EQ(tier->update("a", now(), [](const EntryView*) { return Change::erase(); }), PutOutcome::kKept);
  EXPECT_EQ(get("a"), std::nullopt);
  EXPECT_EQ(tier->update("a", now(), [](const EntryView*) { return Change::restamp({}); }),
            PutOutcome::kKept);
}

TEST_F(TierTest, AWriterMayBorrowTheBytesItReplaces) {
  put("a", "0123456789");
  tier->update("a", now(), [](const EntryView* entry) {
    return Change::replace(entry->bytes().substr(3), entry->stamp());  // overlapping, in place
  });
  EXPECT_EQ(get("a"), "3456789");
  tier->update("a", now(), [&](const EntryView* entry) {
    return Change::replace(entry->bytes().substr(1),
                           expiring(now() + 1h));  // another layout, another allocation
  });
  EXPECT_EQ(get("a"), "456789");
}

TEST_F(TierTest, EveryWriteGivesAKeyANewRevisionAndReadsDoNot) {
  std::set<std::uint64_t> revisions;
  const auto note = [&] {
    const auto seen = look("a");
    EXPECT_TRUE(revisions.insert(seen->revision).second);
    EXPECT_EQ(look("a")->revision, seen->revision);
  };
  put("a", "1");
  note();
  put("a", "1");
  note();
  put("a", std::string(5000, 'x'));
  note();
  tier->update("a", now(), [&](const EntryView*) { return Change::restamp(expiring(now() + 1h)); });
  note();
  tier->update("a", now(), [&](const EntryView*) { return Change::restamp(expiring(now() + 2h)); });
  note();
  tier->erase("a", now(), Departure::kInvalidated);
  put("a", "1");
  note();
  EXPECT_FALSE(revisions.contains(0));
}

TEST_F(TierTest, RestampKeepsThePayload) {
  put("small", "payload");
  const Value large = Value::bytes(std::string(10'000, 'x'));
  tier->put("large", large, {}, now());
  for (const std::string key : {"small", "large"}) {
    const std::string before = *get(key);
    for (const Duration ttl : {Duration(1s), Duration(2s), Duration(24h * 100)}) {
      EXPECT_EQ(
          tier->update(key, now(), [&](const EntryView*) { return Change::restamp(expiring(now() + ttl)); }),
          PutOutcome::kStored);
      EXPECT_EQ(get(key), before);
      EXPECT_EQ(look(key)->stamp.expires, now() + ttl);
    }
    tier->update(key, now(), [](const EntryView*) { return Change::restamp({}); });
    EXPECT_EQ(look(key)->stamp.expires, kNever);
  }
  tier->find("large", now(), [&](const EntryView& entry) { EXPECT_EQ(entry.value().view(), large.view()); });
  clock.advance(24h * 101);
  tick_until_done();
  EXPECT_EQ(tier->size(), 2u);
}

TEST_F(TierTest, RevalueKeepsTheStamp) {
  Stamp stamp = expiring(now() + 1h);
  stamp.loaded_at = now() - 1s;
  stamp.version = 7;
  tier->put("a", "old", stamp, now());
  tier->put("absent", "", {.negative = true}, now());
  std::uint64_t revision = look("a")->revision;
  for (const std::string& value : {std::string("new"), std::string("longer than it was"), std::string(),
                                   std::string(9'000, 'x'), std::string(9'000, 'y'), std::string("new")}) {
    EXPECT_EQ(tier->update("a", now(), [&](const EntryView*) { return Change::revalue(value); }),
              PutOutcome::kStored);
    EXPECT_EQ(get("a"), value);
    EXPECT_EQ(look("a")->stamp.expires, stamp.expires);
    EXPECT_EQ(look("a")->stamp.loaded_at, stamp.loaded_at);
    EXPECT_EQ(look("a")->stamp.version, 7u);
    EXPECT_NE(std::exchange(revision, look("a")->revision), look("a")->revision);
  }
  EXPECT_EQ(tier->update("none", now(), [](const EntryView*) { return Change::revalue("x"); }),
            PutOutcome::kKept);
  EXPECT_EQ(get("none"), std::nullopt);
}

TEST_F(TierTest, AccessedIsTheLastUseBeforeThisOne) {
  put("a", "1");
  const Instant written = now();
  clock.advance(100s);
  EXPECT_LE(look("a", Touch::kNo)->accessed - written, 1s);
  EXPECT_LE(look("a")->accessed - written, 1s);
  clock.advance(24h * 150);
  const Duration idle = now() - look("a")->accessed;
  EXPECT_GE(idle, 24h * 150);
  EXPECT_LE(idle, 24h * 150 + 1s);
}

TEST_F(TierTest, DeparturesSayWhyAKeyLeft) {
  put("erased", "1");
  put("expired", "1", expiring(now() + 1s));
  put("back", "1");
  EXPECT_EQ(tier->departure("erased"), std::nullopt);
  EXPECT_TRUE(tier->erase("erased", now(), Departure::kInvalidated));
  EXPECT_FALSE(tier->erase("erased", now(), Departure::kInvalidated));
  tier->erase("back", now(), Departure::kEvicted);
  put("back", "1");
  clock.advance(2s);
  tick_until_done();
  EXPECT_EQ(tier->departure("erased"), Departure::kInvalidated);
  EXPECT_EQ(tier->departure("expired"), Departure::kExpired);
  EXPECT_EQ(tier->departure("back"), std::nullopt);
  EXPECT_EQ(tier->departure("never here"), std::nullopt);
}

TEST_F(TierTest, ClearRemovesEverythingAtOnceAndGivesMemoryBackInSteps) {
  const std::size_t empty = tier->stats().bytes;
  for (int i = 0; i < 10'000; ++i) put("k" + std::to_string(i), "value", expiring(now() + 1h));
  const std::size_t full = tier->stats().bytes;
  tier->clear();
  EXPECT_EQ(tier->size(), 0u);
  EXPECT_EQ(tier->stats().with_expiry, 0u);
  EXPECT_EQ(get("k1"), std::nullopt);
  EXPECT_TRUE(scan_all().empty());
  put("k1", "new");
  EXPECT_TRUE(tier->tick(now(), 100));
  EXPECT_GT(tier->stats().bytes, full / 2);
  tick_until_done();
  EXPECT_EQ(get("k1"), "new");
  tier->erase("k1", now(), Departure::kInvalidated);
  EXPECT_EQ(tier->stats().bytes, empty);
}

TEST_F(TierTest, RandomFindsALiveEntryAndReachesEachOne) {
  EXPECT_FALSE(tier->random(now(), 1, [](const EntryView&) {}));
  std::set<std::string> seen;
  for (int i = 0; i < 20; ++i) put("k" + std::to_string(i), "v");
  put("gone", "v", expiring(now() + 1ms));
  clock.advance(1ms);
  std::uint64_t chance = 1;
  for (int i = 0; i < 5000; ++i) {
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    EXPECT_TRUE(tier->random(now(), chance, [&](const EntryView& entry) { seen.emplace(entry.key()); }));
  }
  EXPECT_EQ(seen.size(), 20u);
}

TEST_F(TierTest, AnUnknownPolicyIsAnErrorThatNamesThoseThereAre) {
  TierOptions options;
  options.policy = "lur";
  const auto opened = Tier::open(options, clock);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::kConfig);
  EXPECT_NE(opened.error().message.find("lru"), std::string::npos);
  put("a", "1");
  EXPECT_FALSE(tier->reconfigure(options).has_value());
  EXPECT_EQ(tier->options().policy, "lru");
  EXPECT_EQ(get("a"), "1");
}

// ---- Guards.

TEST_F(TierTest, CallsUnderAGuardGoThroughAndNest) {
  open(0, "lru", 4);
  const std::array<std::string_view, 3> keys{"a", "b", "c"};
  const auto guard = tier->lock_shards(keys);
  for (const auto key : keys) put(key, key);
  tier->find("a", now(), [&](const EntryView& a) {
    const std::string_view before = a.bytes();
    tier->update("b", now(), [&](const EntryView* b) {
      EXPECT_EQ(b->bytes(), "b");
      return Change::replace(before, {});
    });
    put("a", "z");  // another value for the entry being looked at
    tier->erase("a", now(), Departure::kInvalidated);
    EXPECT_EQ(before, "a");
  });
  EXPECT_EQ(get("a"), std::nullopt);
  EXPECT_EQ(get("b"), "a");
}

TEST_F(TierTest, AWriterWhoseEntryANestedCallErasedStoresItAfresh) {
  put("a", "1");
  const auto guard = tier->lock_shards({}, true);
  tier->update("a", now(), [&](const EntryView* entry) {
    tier->erase("a", now(), Departure::kInvalidated);
    for (int i = 0; i < 100; ++i) put("other" + std::to_string(i), "x");
    return Change::replace(entry->bytes(), {});
  });
  EXPECT_EQ(get("a"), "1");
  EXPECT_EQ(tier->size(), 101u);
}

TEST_F(TierTest, ClearingInsideAVisitLeavesTheVisitedEntryReadable) {
  put("a", std::string(100, 'x'));
  const auto guard = tier->lock_shards({}, true);
  tier->find("a", now(), [&](const EntryView& entry) {
    tier->clear();
    for (int i = 0; i < 100; ++i) put("other" + std::to_string(i), "x");
    EXPECT_EQ(entry.bytes(), std::string(100, 'x'));
  });
}

// ---- Scans.

TEST_F(TierTest, ScanVisitsEveryEntryThatStaysWhileTheTableGrowsAndShrinks) {
  for (const std::size_t shards : {1, 8}) {
    open(0, "lru", shards);
    std::set<std::string> staying;
    for (int i = 0; i < 500; ++i) staying.insert("stay" + std::to_string(i));
    for (const auto& key : staying) put(key, "v");
    int made = 0;
    int gone = 0;
    for (int round = 0; round < 6; ++round) {
      std::set<std::string> seen;
      std::uint64_t cursor = 0;
      int steps = 0;
      do {
        cursor =
            tier->scan(cursor, 1 + round, now(), [&](const EntryView& entry) { seen.emplace(entry.key()); });
        EXPECT_LT(cursor, std::uint64_t{1} << 53);
        ++steps;
        if (round % 2 == 0) {
          for (int i = 0; i < 40 && steps < 100; ++i) put("more" + std::to_string(made++), "v");
        } else {
          for (int i = 0; i < 80 && gone < made; ++i) {
            tier->erase("more" + std::to_string(gone++), now(), Departure::kInvalidated);
          }
        }
      } while (cursor != 0);
      for (const auto& key : staying) EXPECT_TRUE(seen.contains(key)) << key << " in round " << round;
      EXPECT_GT(steps, 10);
    }
  }
}

// What is counted holds the table, so a table copied as a whole would show as a step of its size.
TEST_F(TierTest, NoWriteGrowsTheTableByMoreThanAFewBuckets) {
  open(0);
  std::size_t most = 0;
  std::size_t before = tier->stats().bytes;
  put("key:000000", "v");
  const std::size_t entry = tier->stats().bytes - before;
  constexpr int kEntries = kSanitized ? 20'000 : 200'000;
  before = tier->stats().bytes;
  for (int i = 1; i < kEntries; ++i) {
    put("key:" + std::to_string(100'000 + i), "v");
    const std::size_t after = tier->stats().bytes;
    most = std::max(most, after - before);
    before = after;
  }
  EXPECT_LE(most, entry + 64);
}

TEST_F(TierTest, AScanStepIsBoundedByItsCount) {
  for (int i = 0; i < 10'000; ++i) put("k" + std::to_string(i), "v");
  std::size_t visited = 0;
  tier->scan(0, 10, now(), [&](const EntryView&) { ++visited; });
  EXPECT_GE(visited, 10u);
  EXPECT_LT(visited, 40u);
  EXPECT_EQ(scan_all(1000).size(), 10'000u);
}

TEST_F(TierTest, AScanPassesExpiredEntriesOver) {
  put("a", "1");
  put("b", "1", expiring(now() + 1ms));
  clock.advance(1ms);
  EXPECT_EQ(scan_all(), std::set<std::string>{"a"});
}

TEST_F(TierTest, FrequencyIsWhatAPolicyCountsThatRanksByIt) {
  open(0, "lfu");
  put("a", "1");
  EXPECT_EQ(tier->frequency("a"), 1u);
  get("a");
  get("a");
  EXPECT_EQ(tier->frequency("a"), 3u) << "hits that were not told to the policy yet count";
  look("a", Touch::kNo);
  EXPECT_EQ(tier->frequency("a"), 3u);
  EXPECT_EQ(tier->frequency("none"), std::nullopt);
  open(0, "volatile-lfu");
  put("a", "1");
  put("b", "1", expiring(now() + 1h));
  get("a");
  get("b");
  EXPECT_EQ(tier->frequency("a"), 2u);
  EXPECT_EQ(tier->frequency("b"), 2u);
  open(0, "lru");
  put("a", "1");
  EXPECT_EQ(tier->frequency("a"), std::nullopt);
}

}  // namespace
}  // namespace forebay::memory
