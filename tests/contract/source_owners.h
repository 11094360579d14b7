#pragma once

// The contract of sources: who keeps a journal (J8). Included by source_contract.h.

#include "contract/source_under_test.h"

namespace forebay {

class SourceOwners : public SourceContract {
 protected:
  using State = LedgerClaim::State;
  void SetUp() override {
    SourceContract::SetUp();
    for (const char* table : {"forebay_applied", "forebay_dead", "forebay_owner"})
      execute("DROP TABLE IF EXISTS " + std::string(table));
  }
  static LedgerOwner owner(const std::string& home, std::uint64_t epoch, const std::string& process) {
    LedgerOwner made;
    made.journal = "j";
    made.epoch = epoch;
    made.home = home;
    made.process = process;
    made.place = "host:/" + home;
    return made;
  }
  LedgerClaim claim(const LedgerOwner& owner) {
    auto claimed = database_->source().ledger()->claim(owner, patient());
    EXPECT_TRUE(claimed.has_value()) << claimed.error().message;
    return claimed.value_or(LedgerClaim{});
  }
};

TEST_P(SourceOwners, TheFirstAndWhoComesBackToItsPlaceIsTheOwner) {
  LedgerClaim first = claim(owner("a", 0, "p1"));
  EXPECT_EQ(first.state, State::kOwned);
  EXPECT_EQ(first.epoch, 1u);
  EXPECT_FALSE(first.known);
  const LedgerClaim again = claim(owner("a", 1, "p2"));
  EXPECT_EQ(again.state, State::kOwned);
  EXPECT_EQ(again.epoch, 1u);
  EXPECT_TRUE(again.known);
}

TEST_P(SourceOwners, ACopyWaitsForTheLeaseAndTakesOverUnderTheNextEpoch) {
  claim(owner("a", 0, "p1"));
  LedgerClaim copy = claim(owner("b", 1, "q1"));
  EXPECT_EQ(copy.state, State::kWaits);
  EXPECT_EQ(copy.place, "host:/a");
  const std::uint64_t renewals = copy.renewals;
  claim(owner("a", 1, "p1"));
  EXPECT_GT(claim(owner("b", 1, "q1")).renewals, renewals);
  LedgerOwner leaving = owner("a", 1, "p1");
  leaving.lease = std::chrono::milliseconds(0);
  claim(leaving);
  copy = claim(owner("b", 1, "q1"));
  EXPECT_EQ(copy.state, State::kOwned);
  EXPECT_EQ(copy.epoch, 2u);
  // The first is fenced, and so is a copy of it that has not seen the take-over, whoever leaves.
  leaving = owner("b", 2, "q1");
  leaving.lease = std::chrono::milliseconds(0);
  claim(leaving);
  EXPECT_EQ(claim(owner("a", 1, "p2")).state, State::kFenced);
  EXPECT_EQ(claim(owner("c", 1, "r1")).state, State::kFenced);
  EXPECT_EQ(claim(owner("c", 2, "r1")).epoch, 3u);
}

TEST_P(SourceOwners, AnEarlierOwnersBatchIsAConflict) {
  claim(owner("a", 0, "p1"));
  ASSERT_TRUE(database_->source().ledger()->open("j", 1, patient()).has_value());
  WriteBatch batch;
  batch.journal = "j";
  batch.upto = 1;
  batch.process = "p1";
  ASSERT_TRUE(database_->source().ledger()->apply(batch, patient()).has_value());
  claim(owner("a", 1, "p2"));
  batch.after = 1;
  batch.upto = 2;
  const auto late = database_->source().ledger()->apply(batch, patient());
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().code, ErrorCode::kConflict);
  batch.process = "p2";
  EXPECT_TRUE(database_->source().ledger()->apply(batch, patient()).has_value());
}

TEST_P(SourceOwners, ADatabaseThatShouldKnowTheJournalAndDoesNotIsLeftAlone) {
  LedgerOwner mine = owner("a", 1, "p1");
  mine.known = true;
  const LedgerClaim claimed = claim(mine);
  EXPECT_EQ(claimed.state, State::kUnknown);
  EXPECT_EQ(rows("forebay_owner"), "0");
  EXPECT_TRUE(database_->source().ledger()->journals(patient())->empty());
  // An older version's ledger has no owners, and knows it all the same.
  ASSERT_TRUE(database_->source().ledger()->open("j", 1, patient()).has_value());
  execute("INSERT INTO forebay_applied(journal, lane, last_seq) VALUES ('j', 9, 5)");
  EXPECT_EQ(claim(mine).state, State::kOwned);
  const auto known = database_->source().ledger()->journals(patient());
  ASSERT_EQ(known->size(), 1u);
  EXPECT_EQ(known->front().place, "host:/a");
}

}  // namespace forebay
