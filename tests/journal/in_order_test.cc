// Writes that a database refuses for what other writes bring or take away: all lanes in the journal's order.

#include "journal/flusher_fixture.h"

namespace forebay::journal {
namespace {

class JournalInOrder : public JournalFlusher {
 protected:
  JournalInOrder() {
    open(4);
    target_->asks_judge = true;
  }
  // No two rows may have the same `u`; a row's `parent` must be there.
  void relate() {
    database_.check = [](const FakeDatabase& database, const Item& item,
                         const test::FakeRow& row) -> std::optional<FakeDatabase::No> {
      if (const auto parent = row.find("parent");
          parent != row.end() && !database.rows.contains(parent->second))
        return FakeDatabase::No{"no parent " + parent->second, true};
      const auto mine = row.find("u");
      if (mine == row.end()) return std::nullopt;
      for (const auto& [key, other] : database.rows) {
        const auto theirs = other.find("u");
        if (key != item.key && theirs != other.end() && theirs->second == mine->second)
          return FakeDatabase::No{"u is " + key + "'s", true};
      }
      return std::nullopt;
    };
  }
  // Time passes until nothing is pending; in ms.
  std::int64_t settle() {
    const Instant begin = clock_.now();
    while (!queue_->empty() && clock_.now() - begin < seconds(60)) scheduler_.advance(milliseconds(10));
    EXPECT_TRUE(queue_->empty());
    return std::chrono::duration_cast<milliseconds>(clock_.now() - begin).count();
  }
};

TEST_F(JournalInOrder, ChildrenAndParentsOfAllLanesArriveAtOnce) {  // J6
  relate();
  start();
  for (int i = 0; i < 40; ++i) {
    put("p" + std::to_string(i), set("v", "x"));
    put("c" + std::to_string(7 * i), set("parent", "p" + std::to_string(i)));
  }
  EXPECT_LE(settle(), 1500);
  EXPECT_EQ(database_.rows.size(), 80u);
  EXPECT_TRUE(database_.dead.empty());
  EXPECT_EQ(journal_->trimmed(), 80u);
}

TEST_F(JournalInOrder, AUniqueValueMovesByWayOfAThirdWhateverTheLanes) {  // J6
  for (std::uint32_t lanes : {1u, 4u}) {
    open(lanes);
    target_->asks_judge = true;
    relate();
    database_.rows.clear();
    database_.positions.clear();
    for (int i = 0; i < 6; ++i) database_.rows["k" + std::to_string(i)]["u"] = "m" + std::to_string(i);
    start();
    for (int i = 0; i < 6; i += 2) {
      const std::string a = "k" + std::to_string(i);
      const std::string b = "k" + std::to_string(i + 1);
      put(a, set("u", "tmp" + a));
      put(b, set("u", "m" + std::to_string(i)));
      put(a, set("u", "m" + std::to_string(i + 1)));
    }
    settle();
    for (int i = 0; i < 6; ++i)
      EXPECT_EQ(database_.rows["k" + std::to_string(i)]["u"], "m" + std::to_string(i ^ 1)) << lanes;
    EXPECT_TRUE(database_.dead.empty());
  }
}

TEST_F(JournalInOrder, ARemovedChildLetsItsParentGo) {
  relate();
  database_.rows["p"]["v"] = "x";
  start();
  put("c", set("parent", "p"));
  put("q", set("v", "y"));
  Effect gone;
  gone.remove = true;
  put("c", gone);
  put("p", gone);
  put("c", set("parent", "q"));
  settle();
  EXPECT_FALSE(database_.rows.contains("p"));
  EXPECT_EQ(database_.rows["c"]["parent"], "q");
  EXPECT_TRUE(database_.dead.empty());
}

TEST_F(JournalInOrder, WhatIsWrongInAnyOrderIsPutAsideAndCostsOneTransaction) {  // J7
  relate();
  start();
  for (int i = 0; i < 40; ++i) put("good" + std::to_string(i), add("n", 1));
  put("bad", set("parent", "nobody"));
  for (int i = 0; i < 40; ++i) put("good" + std::to_string(i), add("n", 1));
  settle();
  EXPECT_EQ(database_.rows.size(), 40u);
  ASSERT_EQ(database_.dead.size(), 1u);
  EXPECT_EQ(database_.dead.begin()->second.error, "no parent nobody");
  EXPECT_EQ(database_.dead.begin()->first.lane, lane_of("bad", 4));
  // While such writes keep coming nobody tries without the order first, and additions go as one.
  seen();
  target_->applies = 0;
  rule_.every = milliseconds(10);
  put("bad2", set("parent", "nobody"));
  for (int i = 0; i < 101; ++i) put("good", add("n", 1));
  scheduler_.advance(milliseconds(10));
  EXPECT_LE(target_->applies, 2u);  // a lane each
  EXPECT_EQ(database_.rows["good"]["n"], "101");
  EXPECT_EQ(database_.dead.size(), 2u);
}

TEST_F(JournalInOrder, OneThatIsWrongByItselfIsPutAsideAtOnce) {
  relate();
  start();
  put("bad", set("parent", "nobody"));
  flush();
  EXPECT_EQ(database_.dead.size(), 1u);
  EXPECT_EQ(target_->applies, 2u);
}

TEST_F(JournalInOrder, WhatWasOnlyWrongOnTheWayIsNoDeadLetter) {
  relate();
  database_.rows["other"]["u"] = "taken";
  start();
  // Another program's row makes the first of them impossible, the second takes it back.
  put("k", set("u", "taken"));
  put("x", set("parent", "nobody"));
  put("k", set("u", "free"));
  settle();
  EXPECT_EQ(database_.rows["k"]["u"], "free");
  ASSERT_EQ(database_.dead.size(), 1u);
  EXPECT_EQ(database_.dead.begin()->first.lane, lane_of("x", 4));
}

TEST_F(JournalInOrder, AHeldKeyIsHeldThereToo) {
  relate();
  target_->holding = {"s"};
  start();
  put("k", set("parent", "nobody"));
  put("good", add("n", 1));
  settle();
  put("k", add("n", 1));
  put("good", add("n", 1));
  settle();
  EXPECT_EQ(database_.rows["good"]["n"], "2");
  EXPECT_EQ(database_.dead.size(), 2u);
}

TEST_F(JournalInOrder, TooManyForOneTransactionGoInSeveral) {
  relate();
  target_->too_many = 10;
  start();
  for (int i = 0; i < 60; ++i) {
    put("p" + std::to_string(i), set("v", "x"));
    put("c" + std::to_string(i), set("parent", "p" + std::to_string(i)));
  }
  settle();
  EXPECT_EQ(database_.rows.size(), 120u);
  EXPECT_TRUE(database_.dead.empty());
}

TEST_F(JournalInOrder, ATransactionWhoseEndIsUnknownCountsOnce) {  // J5
  relate();
  target_->automatic = false;
  start();
  put("p", set("v", "x"));
  put("c", set("parent", "p"));
  put("p", add("n", 1));
  flush();
  // The child's lane is refused; whichever lane goes first, all go in order then.
  for (int i = 0; i < 10 && !queue_->empty(); ++i) {
    if (target_->pending.empty()) {
      scheduler_.advance(milliseconds(100));
    } else if (!target_->pending.front().call.batch.also.empty()) {
      target_->fail({ErrorCode::kUnknownOutcome, "broke off"}, true);
      target_->automatic = true;
    } else {
      target_->answer();
      scheduler_.run_due();
    }
  }
  settle();
  EXPECT_EQ(database_.rows["p"]["n"], "1");
  EXPECT_EQ(database_.rows.size(), 2u);
}

TEST_F(JournalFlusher, ABatchThatTakesTooLongIsMadeSmallerUntilItDoesNot) {  // J5
  target_->too_many = 13;
  start();
  for (int i = 0; i < 500; ++i) put("k" + std::to_string(i), add("n", 1));
  for (int i = 0; i < 500; ++i) put("k" + std::to_string(i), add("n", 1));
  for (int i = 0; i < 600 && !queue_->empty(); ++i) scheduler_.advance(milliseconds(100));
  EXPECT_TRUE(queue_->empty());
  EXPECT_EQ(database_.rows.size(), 500u);
  for (const auto& [key, row] : database_.rows) EXPECT_EQ(row.at("n"), "2") << key;
  EXPECT_THAT(flusher_->health(), IsEmpty());
}

TEST_F(JournalFlusher, OneKeysWritesAreDividedAsWell) {
  database_.check = nullptr;
  target_->too_many = 1;
  start();
  Effect append = set("v", "x");
  append.insert = true;
  Effect gone;
  gone.remove = true;
  for (int i = 0; i < 3; ++i) {
    put("k", append);
    put("k", gone);
  }
  put("k", append);
  for (int i = 0; i < 600 && !queue_->empty(); ++i) scheduler_.advance(milliseconds(100));
  EXPECT_TRUE(queue_->empty());
  EXPECT_EQ(database_.rows["k"]["v"], "x");
}

TEST_F(JournalFlusher, TheLogSaysWithinASecondWhichWriteHoldsALaneAndWhenItGoesOn) {
  target_->too_many = 0;
  start();
  put("row\n17", add("n", 1));
  flush();
  EXPECT_THAT(target_->notes, IsEmpty());
  scheduler_.advance(milliseconds(600));
  EXPECT_THAT(
      target_->notes,
      ElementsAre("! source db: lane 0 of write-behind is held up at row?17, and tries again: no answer "
                  "within 1000 ms"));
  EXPECT_THAT(flusher_->health(), ElementsAre(HasSubstr("held up at row?17")));
  target_->too_many.reset();
  scheduler_.advance(seconds(60));
  EXPECT_EQ(target_->notes.back(), "source db: lane 0 of write-behind goes on");
  EXPECT_THAT(flusher_->health(), IsEmpty());
}

TEST_F(JournalFlusher, AStoppedLaneTakesNoWritesAndIsStoppedAfterARestart) {  // J8, J10
  start();
  put("a", add("n", 1));
  target_->fenced = "taken over";
  database_.positions[0] = 7;
  flush();
  EXPECT_THAT(target_->stops, ElementsAre(std::pair(std::string("db"), 0u)));
  EXPECT_THAT(flusher_->health(), ElementsAre(HasSubstr("has stopped in lane 0: taken over")));
  auto refused = queue_->append(write_of(*queue_, "b", clock_.now(), rule_), add("n", 1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(refused.error().message, HasSubstr("takes no writes: taken over"));

  restart();
  flusher_->stopped_before("db", 0, "taken over");
  database_.positions[0] = 0;
  start();
  flush();
  EXPECT_EQ(target_->applies, 0u);
  EXPECT_THAT(flusher_->health(), ElementsAre(HasSubstr("has stopped in lane 0: taken over")));
  EXPECT_FALSE(queue_->append(write_of(*queue_, "b", clock_.now(), rule_), add("n", 1)));
  EXPECT_EQ(queue_->of("a")->ops, 1u);
}

}  // namespace
}  // namespace forebay::journal
