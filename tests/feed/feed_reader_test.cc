#include "feed/feed_reader.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "support/manual_time.h"

namespace forebay::feed {
namespace {

using namespace std::chrono_literals;

// Delivers what a test puts there.
class Script final : public Feed {
 public:
  Result<void> watch(std::span<const WatchedTable>) override { return {}; }
  Result<Delivery> next(const CallContext&) override {
    if (steps.empty()) return Delivery{};
    auto step = std::move(steps.front());
    steps.pop_front();
    return step;
  }
  Result<std::vector<bool>> shown(std::span<const std::uint64_t> transactions, const CallContext&) override {
    ++asked;
    if (away) return Error{ErrorCode::kUnavailable, "away"};
    std::vector<bool> all;
    for (const std::uint64_t transaction : transactions) all.push_back(transaction <= shown_up_to);
    return all;
  }
  void confirm(std::uint64_t position) override { confirmed = position; }

  std::deque<Result<Delivery>> steps;
  std::uint64_t shown_up_to = 0;
  bool may_lose_commits() const override { return loses; }

  bool loses = false;
  bool away = false;
  std::uint64_t confirmed = 0;
  int asked = 0;
};

// Writes down what it is told.
class Diary final : public ChangeSink {
 public:
  void changed(const std::string& source, const RowChange& change) override {
    text += source + "/" + change.table + " ";
  }
  class Line final : public Unsettled {
   public:
    Line(Diary& diary, std::string table) : diary_(diary), table_(std::move(table)) {}
    void settle() override { diary_.text += "settled " + table_ + " "; }

   private:
    Diary& diary_;
    const std::string table_;
  };
  std::unique_ptr<Unsettled> reported(const std::string&, const RowChange& change,
                                      std::uint64_t transaction) override {
    text += std::to_string(transaction) + ":" + change.table + (change.whole_table ? "(all) " : " ");
    return std::make_unique<Line>(*this, change.table);
  }
  void came_back(const std::string&, Instant since) override {
    text += "since " +
            std::to_string(std::chrono::duration_cast<std::chrono::seconds>(since - begin_).count()) + " ";
  }
  void complete_as_of(const std::string&, Instant) override {}
  void lost(const std::string&) override { text += "lost "; }
  void heard(const std::string&, bool heard) override { text += heard ? "heard " : "deaf "; }

  void begin(Instant now) { begin_ = now; }
  std::string take() { return std::exchange(text, ""); }
  std::string text;

 private:
  Instant begin_{};
};

class Reading : public testing::Test {
 protected:
  static Change change(std::string table, std::uint64_t transaction = 0) {
    Change change;
    change.row.table = std::move(table);
    change.transaction = transaction;
    return change;
  }
  void deliver(std::vector<Change> changes, std::uint64_t position, std::string gap = "") {
    Delivery delivery;
    delivery.gap = std::move(gap);
    delivery.changes = std::move(changes);
    delivery.position = position;
    delivery.complete_as_of = clock_.now();
    feed_->steps.emplace_back(std::move(delivery));
  }

  test::ManualClock clock_;
  Diary diary_;
  std::unique_ptr<Script> made_ = std::make_unique<Script>();
  Script* feed_ = made_.get();
  FeedReader reader_{{"db", 50ms, 1s}, std::move(made_), diary_, clock_, FeedReader::Run::kSteps};
};

TEST_F(Reading, WhatTheSourceShowsIsPassedOnAndConfirmed) {
  deliver({change("a"), change("b")}, 7);
  reader_.step();
  EXPECT_EQ(diary_.take(), "heard db/a db/b ");
  EXPECT_EQ(feed_->confirmed, 7u);
  EXPECT_EQ(feed_->asked, 0);
}

TEST_F(Reading, AChangeIsReportedAtOnceAndSettledOnceTheSourceShowsIt) {
  deliver({change("a", 5)}, 7);
  reader_.step();
  EXPECT_EQ(diary_.take(), "heard 5:a ");
  EXPECT_EQ(reader_.stats().unsettled, 1u);
  EXPECT_EQ(feed_->confirmed, 0u) << "what follows from it is not done";
  feed_->shown_up_to = 5;
  reader_.step();
  EXPECT_EQ(diary_.take(), "settled a ");
  EXPECT_EQ(feed_->confirmed, 7u);
}

TEST_F(Reading, APositionWaitsForAllBeforeIt) {
  deliver({change("a", 9)}, 7);
  reader_.step();
  clock_.advance(5s);
  deliver({change("b", 4)}, 8);
  feed_->shown_up_to = 4;
  reader_.step();
  EXPECT_EQ(diary_.take(), "heard 9:a 4:b settled b ");
  EXPECT_EQ(feed_->confirmed, 0u);
  EXPECT_GE(reader_.stats().lag_seconds, 5.0);
  feed_->shown_up_to = 9;
  reader_.step();
  EXPECT_EQ(feed_->confirmed, 8u);
  EXPECT_LT(reader_.stats().lag_seconds, 1.0);
}

TEST_F(Reading, AGapComesBeforeTheChangesAfterIt) {
  deliver({change("a")}, 7, "torn");
  reader_.step();
  EXPECT_EQ(diary_.take(), "heard lost db/a ");
  EXPECT_EQ(reader_.stats().gaps, 0u) << "nothing had been heard of before";
  deliver({change("b")}, 8, "torn");
  reader_.step();
  EXPECT_EQ(diary_.take(), "lost db/b ");
  EXPECT_EQ(reader_.stats().gaps, 1u);
}

TEST_F(Reading, AFeedThatFailsIsSaidToBeDeafOnceAndThenHeardAgain) {
  deliver({}, 1);
  reader_.step();
  for (int i = 0; i < 3; ++i) feed_->steps.emplace_back(Error{ErrorCode::kUnavailable, "gone"});
  EXPECT_EQ(reader_.step(), 50ms);
  EXPECT_EQ(reader_.step(), 100ms) << "attempts become rarer";
  reader_.step();
  EXPECT_EQ(reader_.stats().failure, "gone");
  EXPECT_FALSE(reader_.stats().heard);
  deliver({change("a")}, 2);
  reader_.step();
  EXPECT_EQ(diary_.take(), "heard deaf heard db/a ");
  EXPECT_TRUE(reader_.stats().heard);
}

TEST_F(Reading, ASourceThatComesBackMayHaveLostWhatWasLoadedSinceTheLastProof) {
  diary_.begin(clock_.now());
  feed_->loses = true;
  clock_.advance(3s);
  deliver({}, 1);
  reader_.step();
  clock_.advance(5s);
  feed_->steps.emplace_back(Error{ErrorCode::kUnavailable, "gone"});
  reader_.step();
  deliver({}, 2);
  reader_.step();
  EXPECT_EQ(diary_.take(), "heard deaf since 3 heard ");
}

TEST_F(Reading, WhatWasReportedStaysUnsettledWhileTheSourceCannotBeAsked) {
  deliver({change("a", 5)}, 7);
  feed_->away = true;
  reader_.step();
  EXPECT_EQ(diary_.take(), "heard 5:a deaf ");
  feed_->away = false;
  feed_->shown_up_to = 5;
  reader_.step();
  EXPECT_EQ(diary_.take(), "heard settled a ");
}

TEST_F(Reading, BeyondABoundATransactionCountsAsChangesOfItsTables) {
  std::vector<Change> many;
  for (std::size_t i = 0; i < FeedReader::kMostUnsettled; ++i) many.push_back(change("a", 5));
  deliver(std::move(many), 1);
  reader_.step();
  diary_.take();
  deliver({change("a", 5), change("a", 5), change("b", 5)}, 2);
  reader_.step();
  EXPECT_EQ(diary_.take(), "5:a(all) 5:b(all) ");
}

TEST_F(Reading, TheEndSettlesWhatIsUnsettled) {
  {
    auto feed = std::make_unique<Script>();
    Delivery delivery;
    delivery.changes.push_back(change("a", 5));
    feed->steps.emplace_back(std::move(delivery));
    FeedReader reader({"db", 50ms, 1s}, std::move(feed), diary_, clock_, FeedReader::Run::kSteps);
    reader.step();
    diary_.take();
  }
  EXPECT_EQ(diary_.take(), "settled a ");
}

}  // namespace
}  // namespace forebay::feed
