#include "layer/write/behind/op_ids.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>

#include "support/manual_time.h"

namespace forebay::layer {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class Ids : public testing::Test {
 protected:
  static constexpr Fingerprint kOne{1, 2}, kOther{1, 3};

  // "new", what the first answer said, or the error's code.
  static std::string text(const Result<std::optional<OpIds::First>>& found) {
    if (!found) return std::string(to_string(found.error().code));
    if (!*found) return "new";
    return std::to_string((*found)->seq) + ((*found)->existed ? " existed " : " ") +
           (*found)->added.value_or("(none)");
  }
  std::string begin(const std::string& id, const Fingerprint& write = kOne) {
    return text(ids_->begin(id, write, clock_.now()));
  }
  std::string find(const std::string& id, const Fingerprint& write = kOne) {
    return text(ids_->find(id, write, clock_.now()));
  }
  // Takes an id.
  void take(const std::string& id, std::uint64_t seq, const Fingerprint& write = kOne) {
    ASSERT_EQ(begin(id, write), "new");
    const OpIds::First first{true, "5", seq};
    ids_->end(id, &first);
  }
  void open(const OpIds::Options& options) { ids_.emplace(options); }

  test::ManualClock clock_;
  std::optional<OpIds> ids_{std::in_place, OpIds::Options{1h, 100}};
};

TEST_F(Ids, AnIdIsFreeUntilItsWriteWasTaken) {
  EXPECT_EQ(find("a"), "new");
  EXPECT_EQ(begin("a"), "new");
  EXPECT_EQ(begin("a"), "conflict");
  EXPECT_EQ(find("a"), "new");
  EXPECT_EQ(find("a", kOther), "conflict");
  ids_->end("a", nullptr);
  EXPECT_EQ(ids_->size(), 0u);
  take("a", 7);
  EXPECT_EQ(find("a"), "7 existed 5");
  EXPECT_EQ(begin("a"), "7 existed 5");
  EXPECT_EQ(ids_->size(), 1u);
}

TEST_F(Ids, AnotherWriteWithTheSameIdIsRefused) {
  take("a", 7);
  EXPECT_EQ(find("a", kOther), "conflict");
  EXPECT_EQ(begin("a", kOther), "conflict");
  EXPECT_EQ(find("a"), "7 existed 5");
  EXPECT_EQ(begin("b", kOther), "new");
}

TEST_F(Ids, AnyBytesWillDoOneTo128) {
  take(std::string("\0\xff\r\n", 4), 1);
  take(std::string(128, 'x'), 2);
  EXPECT_EQ(find(std::string("\0\xff\r\n", 4)), "1 existed 5");
  EXPECT_EQ(find(std::string("\0", 1)), "new");
  EXPECT_EQ(begin(""), "invalid_argument");
  EXPECT_EQ(begin(std::string(129, 'x')), "invalid_argument");
}

TEST_F(Ids, AnIdIsRememberedForItsTimeAndThenFree) {
  take("a", 1);
  clock_.advance(59min);
  take("b", 2);
  EXPECT_EQ(find("a", kOther), "conflict");
  clock_.advance(1min);
  EXPECT_EQ(find("a", kOther), "new");
  take("a", 3, kOther);
  EXPECT_EQ(find("a", kOther), "3 existed 5");
  EXPECT_EQ(find("b"), "2 existed 5");
}

TEST_F(Ids, BeyondTheMostNewOnesAreRefusedAndNoneIsForgotten) {
  open({1h, 3});
  for (std::uint64_t i = 1; i <= 3; ++i) take(std::to_string(i), i);
  EXPECT_EQ(begin("4"), "overloaded");
  EXPECT_THAT(ids_->begin("4", kOne, clock_.now()).error().message,
              AllOf(HasSubstr("3 op-ids are remembered"), HasSubstr("max_ids"), HasSubstr("not taken")));
  EXPECT_EQ(find("1"), "1 existed 5");
  EXPECT_EQ(begin("2"), "2 existed 5");
  clock_.advance(1h);
  take("4", 4);
  EXPECT_EQ(ids_->size(), 1u);
}

TEST_F(Ids, OldOnesGoFasterThanNewOnesCome) {
  open({1h, 10'000});
  std::uint64_t seq = 0;
  for (int i = 0; i < 1'000; ++i) take("old" + std::to_string(i), ++seq);
  clock_.advance(1h);
  for (int i = 0; i < 200; ++i) take("new" + std::to_string(i), ++seq);
  EXPECT_EQ(ids_->size(), 200u);
}

TEST_F(Ids, WhereTheTimeIsZeroNoneIsTaken) {
  open({0ms, 100});
  EXPECT_EQ(begin("a"), "unsupported");
  EXPECT_EQ(find("a"), "unsupported");
}

TEST_F(Ids, WhatTheJournalHasLostIsFreeAgain) {
  for (std::uint64_t i = 1; i <= 5; ++i) take(std::to_string(i), i);
  EXPECT_EQ(begin("pending"), "new");
  ids_->lose(3);
  EXPECT_EQ(find("3"), "3 existed 5");
  EXPECT_EQ(find("4"), "new");
  EXPECT_EQ(find("5"), "new");
  take("4", 9);
  EXPECT_EQ(find("4"), "9 existed 5");
  EXPECT_EQ(begin("pending"), "conflict");
}

std::string receipt(const std::string& id, const Fingerprint& write, const OpIds::First& first) {
  std::string bytes;
  OpIds::encode(bytes, id, write, first);
  return bytes;
}

TEST_F(Ids, ComeBackFromTheJournal) {
  const std::int64_t now = clock_.to_wall_ms(clock_.now());
  ASSERT_TRUE(ids_->restore({{3, now - 59 * 60'000, receipt("a", kOne, {true, "17", 0})},
                             {4, now, receipt(std::string(128, '\0'), kOther, {false, std::nullopt, 0})},
                             {5, now, receipt("again", kOne, {false, "", 0})},
                             {6, now, receipt("again", kOther, {true, std::nullopt, 0})},
                             {7, now - 61 * 60'000, receipt("old", kOne, {true, "17", 0})},
                             {8, 0, receipt("ancient", kOne, {true, "17", 0})},
                             {9, now + 60'000, receipt("ahead", kOne, {true, "17", 0})}},
                            clock_));
  EXPECT_EQ(find("a"), "3 existed 17");
  EXPECT_EQ(find(std::string(128, '\0'), kOther), "4 (none)");
  EXPECT_EQ(find("again", kOther), "6 existed (none)");
  EXPECT_EQ(find("old"), "new");
  EXPECT_EQ(find("ancient"), "new");
  clock_.advance(1min);
  EXPECT_EQ(find("a"), "new");
  clock_.advance(59min);
  EXPECT_EQ(find("ahead"), "new");
}

TEST_F(Ids, DamagedReceiptsAreReadOrRefused) {
  const std::string good = receipt("id", kOne, {true, "17", 0});
  const auto restores = [&](const std::string& bytes) {
    open({1h, 100});
    const auto done = ids_->restore({{42, clock_.to_wall_ms(clock_.now()), bytes}}, clock_);
    if (!done) {
      EXPECT_THAT(done.error().message, HasSubstr("op 42"));
    }
    return done.has_value();
  };
  EXPECT_TRUE(restores(good));
  for (std::size_t size = 0; size < good.size() - 2; ++size)
    EXPECT_FALSE(restores(good.substr(0, size))) << size;
  EXPECT_FALSE(restores(receipt("id", kOne, {true, std::nullopt, 0}) + "x"));
  EXPECT_FALSE(restores("\x04" + good.substr(1)));
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good;
    for (int n = 0; n < 2; ++n) bytes[random() % bytes.size()] = static_cast<char>(random());
    bytes.resize(random() % (bytes.size() + 1));
    (void)restores(bytes);
  }
}

TEST(Fingerprints, TellWritesApart) {
  const std::vector<std::pair<std::string, Write>> all = {
      {"k", Upsert{{{"n", "1"}}}},
      {"kn", Upsert{{{"", "1"}}}},
      {"k", Upsert{{{"n", "2"}}}},
      {"k", Upsert{{{"n", std::nullopt}}}},
      {"k", Upsert{{{"m", "1"}}}},
      {"k", Update{{{"n", "1"}}}},
      {"k", Update{{{"n", "1"}}, true}},
      {"k", Update{{{"n", "1"}, {"m", "1"}}, true}},
      {"k", Add{"n", "1", false}},
      {"k", Add{"n", "1", true}},
      {"k", Add{"n", "-1", false}},
      {"l", Add{"n", "1", false}},
      {"k", Remove{}},
  };
  std::set<std::pair<std::uint64_t, std::uint64_t>> seen;
  for (const auto& [key, write] : all) {
    const Fingerprint one = fingerprint_of(key, write);
    EXPECT_EQ(one, fingerprint_of(key, write));
    EXPECT_TRUE(seen.emplace(one.low, one.high).second) << key << write.index();
  }
  // For ever the same: it is in journals.
  EXPECT_EQ(fingerprint_of("k", Remove{}).low, 16537810458584673923U);
}

}  // namespace
}  // namespace forebay::layer
