#pragma once

// The contract of sources: batches of writes with the ledger. Included by source_contract.h.

#include "contract/source_under_test.h"

namespace forebay {

class SourceBatches : public SourceContract {
 protected:
  void SetUp() override {
    SourceContract::SetUp();
    execute("DROP TABLE IF EXISTS forebay_applied");
    execute("DROP TABLE IF EXISTS forebay_dead");
    dataset_ = open(views());
    ASSERT_NE(dataset_, nullptr);
    auto positions = database_->source().open_ledger("j", 2, patient());
    ASSERT_TRUE(positions.has_value()) << positions.error().message;
    ASSERT_EQ(*positions, (std::vector<std::uint64_t>{0, 0}));
  }

  WriteBatch batch(std::uint64_t after, std::uint64_t upto) const {
    WriteBatch made;
    made.journal = "j";
    made.lane = 1;
    made.after = after;
    made.upto = upto;
    return made;
  }
  void add(WriteBatch& to, std::string key, Write write) const {
    to.writes.push_back({dataset_.get(), {std::move(key)}, {std::move(write)}});
  }
  Result<BatchOutcome> apply(const WriteBatch& what) { return database_->source().apply(what, patient()); }
  std::string value(const std::string& name) {
    return ask("SELECT n FROM views WHERE name = '" + name + "'");
  }

  std::unique_ptr<Dataset> dataset_;
};

TEST_P(SourceBatches, AreAppliedInOrderAndMoveTheLedger) {
  WriteBatch first = batch(0, 7);
  add(first, "a", Add{"n", "5"});
  add(first, "b", Upsert{{{"n", "3"}}});
  add(first, "a", Add{"n", "1"});
  add(first, "c", Upsert{{{"n", "9"}}});
  add(first, "c", Remove{});
  const auto outcome = apply(first);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  ASSERT_EQ(outcome->written.size(), 5u);
  EXPECT_EQ(outcome->written[2]->after.value, "6");
  EXPECT_EQ(value("a"), "6");
  EXPECT_EQ(value("b"), "3");
  EXPECT_EQ(rows("views"), "2");
  auto positions = database_->source().open_ledger("j", 2, patient());
  ASSERT_TRUE(positions.has_value());
  EXPECT_EQ(*positions, (std::vector<std::uint64_t>{0, 7}));
  // Another journal has a ledger of its own.
  positions = database_->source().open_ledger("k", 1, patient());
  ASSERT_TRUE(positions.has_value());
  EXPECT_EQ(*positions, (std::vector<std::uint64_t>{0}));
}

TEST_P(SourceBatches, TheSameBatchAgainIsNotAppliedAgain) {  // J4, J5
  WriteBatch first = batch(0, 3);
  add(first, "a", Add{"n", "5"});
  ASSERT_TRUE(apply(first).has_value());
  const auto again = apply(first);
  ASSERT_TRUE(again.has_value());
  EXPECT_TRUE(again->written.empty());
  EXPECT_EQ(value("a"), "5");
}

TEST_P(SourceBatches, ABatchThatDoesNotFollowTheLedgerIsAConflict) {  // J10
  WriteBatch later = batch(3, 5);
  add(later, "a", Add{"n", "5"});
  const auto outcome = apply(later);
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, ErrorCode::kConflict);
  EXPECT_EQ(rows("views"), "0");
}

TEST_P(SourceBatches, ARefusedWriteIsNamedAndNothingHasChanged) {  // J7
  execute("DROP TABLE views");
  execute("CREATE TABLE views(name text PRIMARY KEY, n bigint CHECK (n >= 0), label text)");
  dataset_ = open(views());
  WriteBatch first = batch(0, 3);
  add(first, "a", Add{"n", "5"});
  add(first, "b", Add{"n", "-1"});
  add(first, "c", Add{"n", "2"});
  auto outcome = apply(first);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  ASSERT_EQ(outcome->refused.size(), 1u);
  EXPECT_EQ(outcome->refused.front().write, 1u);
  EXPECT_EQ(outcome->refused.front().error.code, ErrorCode::kRefused);
  EXPECT_EQ(rows("views"), "0");
  EXPECT_EQ(rows("forebay_dead"), "0");

  first.writes.erase(first.writes.begin() + 1);
  first.dead.push_back(
      {{"j", 1, 2}, "views", "views:b", "add -1 to n", outcome->refused.front().error.message, ""});
  outcome = apply(first);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_TRUE(outcome->refused.empty());
  EXPECT_EQ(rows("views"), "2");
  EXPECT_EQ(ask("SELECT key FROM forebay_dead WHERE journal = 'j' AND lane = 1 AND seq = 2"), "views:b");
  EXPECT_EQ(ask("SELECT operation FROM forebay_dead"), "add -1 to n");
  EXPECT_NE(ask("SELECT at FROM forebay_dead"), "");
}

TEST_P(SourceBatches, ADeferredConstraintIsCheckedAtItsWrite) {  // J7
  execute("DROP TABLE views");
  execute("DROP TABLE IF EXISTS pages");
  execute("CREATE TABLE pages(name text PRIMARY KEY)");
  execute("INSERT INTO pages VALUES ('a'), ('c')");
  execute(
      "CREATE TABLE views(name text PRIMARY KEY REFERENCES pages(name) DEFERRABLE INITIALLY DEFERRED, n "
      "bigint)");
  dataset_ = open(views());
  WriteBatch first = batch(0, 3);
  add(first, "a", Add{"n", "5"});
  add(first, "b", Add{"n", "1"});
  add(first, "c", Add{"n", "2"});
  auto outcome = apply(first);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  ASSERT_EQ(outcome->refused.size(), 1u);
  EXPECT_EQ(outcome->refused.front().write, 1u);
  EXPECT_EQ(outcome->refused.front().error.code, ErrorCode::kRefused);
  EXPECT_EQ(rows("views"), "0");

  first.writes.erase(first.writes.begin() + 1);
  first.dead.push_back(
      {{"j", 1, 2}, "views", "views:b", "add 1 to n", outcome->refused.front().error.message, ""});
  outcome = apply(first);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_TRUE(outcome->refused.empty());
  EXPECT_EQ(rows("views"), "2");
}

TEST_P(SourceBatches, ADeadLettersBytesNeedNotBeText) {
  WriteBatch first = batch(0, 1);
  first.dead.push_back({{"j", 1, 1}, "views", std::string("v:\0\xff", 4), "delete", "why", ""});
  const auto outcome = apply(first);
  EXPECT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_EQ(rows("forebay_dead"), "1");
}

}  // namespace forebay
