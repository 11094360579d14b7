// What becomes of writes that the database refuses.

#include "journal/flusher_fixture.h"

namespace forebay::journal {
namespace {

TEST_F(JournalFlusher, ARefusedWriteIsPutAsideWithItsReasonAndTheOthersArrive) {
  refuse_bad();
  start();
  put("a", add("n", 1));
  put("b", set("v", "bad"));
  put("c", add("n", 3));
  flush();
  EXPECT_THAT(seen(), ElementsAre("applying 0-3", "apply 0-3 a b c", "apply 0-3 a c dead 2", "settled 0-3"));
  EXPECT_EQ(database_.rows.size(), 2u);
  const auto& letter = database_.dead.at({"journal-1", 0, 2});
  EXPECT_EQ(letter.error, "v is bad");
  EXPECT_EQ(letter.operation, encode(set("v", "bad")));
  EXPECT_TRUE(target_->written[0][0].has_value());
  EXPECT_FALSE(target_->written[0][1].has_value());
  EXPECT_EQ(stats().dead, 1u);
  EXPECT_EQ(stats().dead_letters, 1u);
  EXPECT_EQ(stats().applied_ops, 2u);
  EXPECT_EQ(journal_->reads, 0u);
}

TEST_F(JournalFlusher, ARefusedStepIsTriedAgainWriteByWrite) {
  refuse_bad();
  start();
  put("a", add("n", 60));  // 1
  put("b", add("n", 1));
  put("a", add("n", 60));  // 3: too much
  put("a", add("n", 30));  // 4
  flush();
  EXPECT_THAT(seen(), ElementsAre("applying 0-4", "apply 0-4 a b", "apply 0-4 a a a b",
                                  "apply 0-4 a a b dead 3", "settled 0-4"));
  EXPECT_EQ(database_.rows["a"]["n"], "90");
  EXPECT_EQ(database_.dead.at({"journal-1", 0, 3}).operation, encode(add("n", 60)));
  EXPECT_EQ(target_->written[0][0]->after.value, "n=90 ");
  EXPECT_EQ(stats().applied_ops, 3u);
  EXPECT_EQ(stats().dead, 1u);
}

TEST_F(JournalFlusher, AJournalThatCantBeReadIsAskedAgain) {
  refuse_bad();
  journal_->fail_read = Error{ErrorCode::kUnavailable, "busy"};
  start();
  put("a", add("n", 60));
  put("a", add("n", 60));
  flush();
  EXPECT_EQ(database_.positions[0], 0u);
  journal_->fail_read.reset();
  scheduler_.advance(milliseconds(25));
  EXPECT_EQ(database_.rows["a"]["n"], "60");
  EXPECT_EQ(stats().dead, 1u);
}

TEST_F(JournalFlusher, AfterADeadLetterLaterWritesGoOn) {
  refuse_bad();
  start();
  put("a", set("v", "bad"));
  flush();
  put("a", set("v", "good"));
  flush();
  EXPECT_EQ(database_.rows["a"]["v"], "good");
  EXPECT_EQ(database_.dead.size(), 1u);
}

TEST_F(JournalFlusher, OrTheyFollowItInOrderUntilItIsRetried) {
  refuse_bad();
  target_->holding = {"s"};
  start();
  put("a", set("v", "bad"));  // 1
  flush();
  put("a", add("n", 1));  // 2, 3: as one
  put("a", add("n", 1));
  put("b", add("n", 5));
  put("a", add("n", 7), "other");  // another namespace's rule
  flush();
  EXPECT_EQ(database_.rows["b"]["n"], "5");
  EXPECT_FALSE(database_.rows["a"].contains("v"));
  ASSERT_EQ(database_.dead.size(), 2u);
  const auto& held = database_.dead.at({"journal-1", 0, 5});
  EXPECT_THAT(held.error, HasSubstr("held: an earlier write of its key is a dead letter"));
  EXPECT_EQ(stats().dead, 4u);
}

TEST_F(JournalFlusher, WithinABatchTooWhatFollowsAHeldWriteIsHeld) {
  refuse_bad();
  target_->holding = {"s"};
  start();
  put("a", add("n", 60));  // 1
  put("a", add("n", 60));  // 2: too much
  put("a", add("n", 30));  // 3: would fit
  flush();
  EXPECT_EQ(database_.rows["a"]["n"], "60");
  EXPECT_EQ(database_.dead.size(), 2u);
  EXPECT_THAT(seen().back(), "settled 0-3");
}

TEST_F(JournalFlusher, ARetriedDeadLetterEndsTheHoldOnceNoOtherIsLeft) {
  refuse_bad();
  target_->holding = {"s"};
  start();
  put("a", set("v", "bad"));  // 1
  flush();
  put("a", add("n", 1));  // 2: held
  flush();
  put("a", revive(set("v", "good"), 1));  // 3
  put("a", add("n", 10));                 // 4: still behind 2
  flush();
  EXPECT_EQ(database_.rows["a"]["v"], "good");
  EXPECT_FALSE(database_.rows["a"].contains("n"));
  EXPECT_EQ(stats().dead_letters, 2u);
  put("a", revive(add("n", 1), 2));
  put("a", revive(add("n", 10), 4));
  put("a", add("n", 40));
  flush();
  EXPECT_EQ(database_.rows["a"]["n"], "51");
  EXPECT_TRUE(database_.dead.empty());
  EXPECT_EQ(stats().dead_letters, 0u);
}

TEST_F(JournalFlusher, ARetryThatIsRefusedAgainLeavesItsDeadLetterAsItWas) {
  refuse_bad();
  target_->holding = {"s"};
  start();
  put("a", set("v", "bad"));
  flush();
  put("a", revive(set("v", "bad"), 1));
  put("a", add("n", 1));
  flush();
  EXPECT_EQ(database_.dead.size(), 2u);  // and what followed
  EXPECT_TRUE(database_.dead.contains({"journal-1", 0, 1}));
  EXPECT_TRUE(database_.dead.contains({"journal-1", 0, 3}));
  EXPECT_EQ(stats().passed_over, 1u);
  EXPECT_EQ(stats().dead, 2u);
  EXPECT_TRUE(database_.rows.empty());
}

TEST_F(JournalFlusher, ADeadLetterThatIsRetriedTwiceCountsOnce) {
  refuse_bad();
  start();
  put("a", set("v", "bad"));
  flush();
  put("a", revive(add("n", 5), 1));
  put("a", revive(add("n", 5), 1));
  flush();
  EXPECT_EQ(database_.rows["a"]["n"], "5");
  EXPECT_EQ(target_->written.back()[0]->after.value, "n=5 ");
}

TEST_F(JournalFlusher, HoldsOutliveTheProcessAndEndWhenTheLetterIsDropped) {
  refuse_bad();
  target_->holding = {"s"};
  start();
  put("a", set("v", "bad"));
  flush();
  restart();
  target_->holding = {"s"};
  start();
  EXPECT_EQ(stats().dead_letters, 1u);
  put("a", add("n", 1));
  flush();
  EXPECT_EQ(database_.dead.size(), 2u);
  database_.dead.clear();
  database_.dead_keys.clear();
  flusher_->dead_changed("db");
  flusher_->dead_changed("unheard of");
  scheduler_.run_due();
  EXPECT_EQ(stats().dead_letters, 0u);
  put("a", add("n", 1));
  flush();
  EXPECT_EQ(database_.rows["a"]["n"], "1");
}

TEST_F(JournalFlusher, DeadLettersThatABatchMakesWhileTheyAreReadAreNotForgotten) {
  refuse_bad();
  target_->holding = {"s"};
  start();
  target_->late_ledger = true;
  flusher_->dead_changed("db");
  const Ledger before = database_.ledger(1);
  put("a", set("v", "bad"));
  flush();
  target_->ledgers.front()(before);
  put("a", add("n", 1));
  flush();
  EXPECT_EQ(database_.dead.size(), 2u);
}

}  // namespace
}  // namespace forebay::journal
