// Which reads, writes and invalidations reach the miss-ratio curves: all of them are sampled here, and memory
// is as large as it takes to hold everything, so that the prediction must be what happened.

#include <gtest/gtest.h>

#include <string>

#include "layer/key/observers.h"
#include "layer/layer_fixture.h"

namespace forebay::layer::test {
namespace {

class MissRatio : public LayerTest {
 protected:
  MissRatio() {
    model.memory.limit = std::size_t{64} << 20;
    curves.rate_shift = 0;
    for (int i = 0; i < 1'000; ++i) source->rows[std::to_string(i)] = "value";
  }
  static double actual(const NamespaceStats& stats) {
    const std::uint64_t answered = stats.hits + stats.stale + stats.negative;
    return static_cast<double>(answered) / static_cast<double>(answered + stats.misses + stats.errors);
  }
  // That the memory there is hits as often as it did.
  void expect_what_happened(const NamespaceStats& stats) {
    ASSERT_TRUE(stats.predicted_hit_rate);
    for (const double rate : *stats.predicted_hit_rate) EXPECT_NEAR(rate, actual(stats), 0.001);
  }
  NamespaceStats plain() { return core->statistics().collect().namespaces.at(0); }
  void put_plain(const std::string& key, const std::string& value) {
    core->copies().edit(core->at(key), clock.now(), [&](const EntryView*) {
      return Change::replace(value, core->keyspace().stamp_for(core->route(key), clock.now()));
    });
  }
};

TEST_F(MissRatio, LoadsThenHits) {
  policy.ttl = 1h;
  open();
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 50; ++i) get("user:" + std::to_string(i));
  }
  EXPECT_EQ(actual(stats()), 0.75);
  expect_what_happened(stats());
}

TEST_F(MissRatio, AbsentRowsAreRememberedOrNot) {
  policy.negative_ttl = 10s;
  open();
  for (int i = 0; i < 200; ++i) get("user:none");
  EXPECT_GT(actual(stats()), 0.9);
  expect_what_happened(stats());
}

TEST_F(MissRatio, AbsentRowsThatAreNotRememberedAreMissesAtAnySize) {
  open();
  for (int i = 0; i < 200; ++i) get("user:none");
  EXPECT_EQ(actual(stats()), 0);
  expect_what_happened(stats());
}

TEST_F(MissRatio, WhatIsPastItsTimeIsAMiss) {
  open();
  for (int i = 0; i < 200; ++i) {
    get("user:1");
    if (i % 2 == 0) pass(11s);
  }
  EXPECT_NEAR(actual(stats()), 0.5, 0.01);
  expect_what_happened(stats());
}

TEST_F(MissRatio, InvalidationsAreMisses) {
  open();
  for (int i = 0; i < 300; ++i) {
    get("user:1");
    if (i % 3 == 0) invalidate("user:1");
    if (i % 50 == 0) {
      EXPECT_TRUE(core->keyspace().purge_namespace("user"));
    }
    if (i % 70 == 0) core->invalidator().drop_everything();
  }
  EXPECT_LT(actual(stats()), 0.7);
  expect_what_happened(stats());
}

TEST_F(MissRatio, ReadsThatWantTheSourceAreMisses) {
  open();
  for (int i = 0; i < 200; ++i) {
    get("user:1");
    auto pending = read("user:1", {.level = Level::kFresh});
    dispatch();
    if (!pending.answered()) scheduler.advance(1s);
    ASSERT_EQ(pending.text(), "value");
  }
  EXPECT_LT(actual(stats()), 0.51);
  expect_what_happened(stats());
}

TEST_F(MissRatio, PlainKeysCount) {
  open();
  const auto look = [&](const std::string& key) {
    core->reads().look_up(core->at(key), clock.now(), [](const EntryView&) {});
  };
  for (int i = 0; i < 100; ++i) {
    const std::string key = "plain" + std::to_string(i);
    look(key);  // never stored
    put_plain(key, "value");
    look(key);
    look(key);
    core->keyspace().drop(core->at(key), clock.now());
    look(key);
  }
  EXPECT_EQ(actual(plain()), 0.5);
  expect_what_happened(plain());
}

// A loop over 400 kB: no LRU of half that has a hit, and one of twice that has nothing else.
TEST_F(MissRatio, MoreMemoryIsSeenToHelp) {
  model.memory.limit = std::size_t{300} << 10;
  open();
  const std::string value(952, 'x');
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 400; ++i) {
      const std::string key = "plain" + std::to_string(i);
      if (core->reads().look_up(core->at(key), clock.now(), [](const EntryView&) {}) != LookUp::kAnswered)
        put_plain(key, value);
    }
  }
  const NamespaceStats stats = plain();
  ASSERT_TRUE(stats.predicted_hit_rate);
  EXPECT_EQ((*stats.predicted_hit_rate)[0], 0);
  EXPECT_EQ((*stats.predicted_hit_rate)[1], 0);
  EXPECT_NEAR((*stats.predicted_hit_rate)[2], 0.9, 0.001);
  EXPECT_NEAR((*stats.predicted_hit_rate)[3], 0.9, 0.001);
}

// Distances are in the bytes that the limit counts.
TEST_F(MissRatio, EntriesAreTakenForAsLargeAsTheTierCountsThem) {
  struct Size {
    std::size_t value;
    Duration ttl;
  };
  for (const auto& [value, ttl] : {Size{10, 0s}, Size{64, 0s}, Size{64, 1h}, Size{300, 0s}, Size{1'000, 1h},
                                   Size{3'000, 0s}, Size{8'000, 0s}}) {
    model.namespaces.clear();
    open();
    constexpr std::size_t kEntries = 2'000;
    const std::size_t before = core->tier().stats().bytes;
    Stamp stamp;
    for (std::size_t i = 0; i < kEntries; ++i) {
      const std::string key = "plain" + std::to_string(10'000 + i);
      const std::string text(value, 'x');
      core->copies().edit(core->at(key), clock.now(), [&](const EntryView*) {
        stamp = core->keyspace().stamp_for(core->route(key), clock.now());
        if (ttl.count() > 0) stamp.expires = stamp.fresh_until = clock.now() + ttl;
        return Change::replace(Value::bytes(text), stamp);
      });
    }
    const auto counted = static_cast<double>(core->tier().stats().bytes - before);
    EXPECT_NEAR(static_cast<double>(entry_bytes(10, value, stamp) * kEntries) / counted, 1, 0.04)
        << value << ": " << counted / kEntries;
  }
}

TEST_F(MissRatio, UnboundedMemoryPredictsNothing) {
  model.memory.limit = 0;
  open();
  for (int i = 0; i < 200; ++i) get("user:1");
  EXPECT_FALSE(stats().predicted_hit_rate);
  ASSERT_TRUE(core->configuration().set_memory(std::size_t{64} << 20, std::nullopt));
  core->statistics().reset();
  for (int i = 0; i < 200; ++i) get("user:1");
  EXPECT_TRUE(stats().predicted_hit_rate);
}

TEST_F(MissRatio, ResetStatisticsForgetsWhatWas) {
  open();
  for (int i = 0; i < 200; ++i) get("user:none");
  core->statistics().reset();
  EXPECT_FALSE(stats().predicted_hit_rate);
  get("user:1");
  for (int i = 0; i < 200; ++i) get("user:1");
  EXPECT_GT((*stats().predicted_hit_rate)[1], 0.99);
}

}  // namespace
}  // namespace forebay::layer::test
