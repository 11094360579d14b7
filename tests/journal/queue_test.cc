#include "journal/queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "journal/fakes.h"

namespace forebay::journal {
namespace {

using forebay::test::ManualClock;
using forebay::test::ManualScheduler;
using forebay::test::SeededRandom;
using std::chrono::milliseconds;
using test::add;
using test::FakeDatabase;
using test::FakeJournal;
using test::FakeTarget;
using test::set;
using test::write_of;
using testing::ElementsAre;

class JournalQueue : public testing::Test {
 protected:
  // Makes the queue anew, as another process finds it.
  void restart() {
    flusher_.reset();
    queue_.reset();
    journal_ = std::make_unique<FakeJournal>(*journal_, nullptr);
    queue_ = std::make_unique<Queue>(*journal_, clock_);
    target_ = std::make_unique<FakeTarget>(database_, *queue_, journal_->lanes());
    flusher_ = std::make_unique<Flusher>(queue_->outbox(), *journal_, *target_, clock_, scheduler_, random_);
  }
  Result<void> restore() { return queue_->restore(journal_->ops(), journal_->applied()); }
  void start() {
    flusher_->start({"db"});
    scheduler_.run_due();
  }

  std::uint64_t put(const std::string& key, Effect effect, const std::string& space = "s") {
    auto seq = queue_->append(write_of(*queue_, key, clock_.now(), rule_, space), std::move(effect));
    EXPECT_TRUE(seq) << seq.error().message;
    return seq ? *seq : 0;
  }
  // "n:+3 [1-2]; v=x [3-3]" with its numbers.
  static std::string shown(const std::vector<Step>& steps) {
    std::string text;
    for (const Step& step : steps) {
      if (!text.empty()) text += "; ";
      if (step.effect.remove) text += "remove ";
      for (const auto& part : step.effect.sets) text += part.column + "=" + part.text.value_or("NULL") + " ";
      for (const auto& part : step.effect.sums) text += part.column + ":" + part.amount + " ";
      text += "[" + std::to_string(step.first) + "-" + std::to_string(step.last) + " " +
              std::to_string(step.ops) + "]";
    }
    return text;
  }
  std::string pending(const std::string& key) const {
    const auto of = queue_->of(key);
    return of ? shown(of->steps) + (of->applying ? " applying" : "") : "none";
  }
  // A key in the same lane as another, or not.
  std::string key_beside(const std::string& other, bool same = true) const {
    for (int i = 0;; ++i) {
      std::string key = "k" + std::to_string(i);
      if (key != other && (lane_of(key, 4) == lane_of(other, 4)) == same) return key;
    }
  }

  ManualClock clock_;
  ManualScheduler scheduler_{clock_};
  SeededRandom random_{1};
  FakeDatabase database_;
  FlushRule rule_{.every = milliseconds(1000), .batch = 500};
  std::unique_ptr<FakeJournal> journal_ = std::make_unique<FakeJournal>();
  std::unique_ptr<Queue> queue_ = std::make_unique<Queue>(*journal_, clock_);
  std::unique_ptr<FakeTarget> target_ = std::make_unique<FakeTarget>(database_, *queue_, journal_->lanes());
  std::unique_ptr<Flusher> flusher_ =
      std::make_unique<Flusher>(queue_->outbox(), *journal_, *target_, clock_, scheduler_, random_);
};

TEST_F(JournalQueue, AKeysWritesArePendingAsOneStepAndInTheJournalOneByOne) {
  EXPECT_TRUE(queue_->empty());
  EXPECT_EQ(pending("a"), "none");
  put("a", add("n", 1));
  clock_.advance(milliseconds(5));
  put("b", set("v", "x"));
  put("a", add("n", 2));
  EXPECT_FALSE(queue_->empty());
  EXPECT_EQ(pending("a"), "n:3 [1-3 2]");
  EXPECT_EQ(pending("b"), "v=x [2-2 1]");
  const auto of = queue_->of("a");
  EXPECT_EQ(of->ops, 2u);
  EXPECT_EQ(of->last, 3u);
  EXPECT_EQ(clock_.now() - of->since, milliseconds(5));
  const auto ops = journal_->ops();
  ASSERT_EQ(ops.size(), 3u);
  EXPECT_EQ(ops[2].key, "a");
  EXPECT_EQ(ops[2].space, "s");
  EXPECT_EQ(ops[2].source, "db");
  EXPECT_EQ(ops[2].payload, encode(add("n", 2)));
  EXPECT_EQ(ops[2].lane, lane_of("a", 4));
}

TEST_F(JournalQueue, APlaceIsMadeOnceForTheSameSettings) {
  FlushRule other = rule_;
  other.batch = 7;
  const Place& first = queue_->place("db", "s", rule_, Durability::kFsync);
  EXPECT_EQ(&queue_->place("db", "s", rule_, Durability::kFsync), &first);
  EXPECT_NE(&queue_->place("db", "s", other, Durability::kFsync), &first);
  EXPECT_NE(&queue_->place("db", "s", rule_, Durability::kOs), &first);
  EXPECT_NE(&queue_->place("db", "t", rule_, Durability::kFsync), &first);
  EXPECT_NE(&queue_->place("other", "s", rule_, Durability::kFsync), &first);
  EXPECT_TRUE(queue_->empty());
}

TEST_F(JournalQueue, ANamespaceWhoseSettingsChangeGoesOnInTheSameGeneration) {
  put("a", add("n", 1));
  rule_.batch = 7;
  put("a", add("n", 2));
  EXPECT_EQ(pending("a"), "n:3 [1-2 2]");
  EXPECT_EQ(queue_->stats().size(), 1u);
  start();
  scheduler_.advance(milliseconds(1000));
  EXPECT_EQ(target_->applies, 1u);
}

TEST_F(JournalQueue, LanesAreTheSameForEver) {
  // The journal has them: another value here means that older journals can't be taken back.
  EXPECT_EQ(lane_of("a", 4), 3u);
  EXPECT_EQ(lane_of("order:eu:8", 4), 3u);
  EXPECT_EQ(lane_of("", 4), 2u);
}

TEST_F(JournalQueue, WhatTheJournalDoesNotTakeIsNotPending) {
  journal_->refuse = Error{ErrorCode::kOverloaded, "full"};
  const auto seq = queue_->append(write_of(*queue_, "a", clock_.now(), rule_), add("n", 1));
  ASSERT_FALSE(seq);
  EXPECT_EQ(seq.error().code, ErrorCode::kOverloaded);
  EXPECT_EQ(pending("a"), "none");
  EXPECT_TRUE(queue_->empty());
  EXPECT_TRUE(queue_->stats().empty());
}

TEST_F(JournalQueue, KeptIsSaidWhenTheJournalSaysSo) {
  int kept = 0;
  const auto seq = queue_->append(write_of(*queue_, "a", clock_.now(), rule_), add("n", 1));
  ASSERT_TRUE(seq);
  queue_->when_committed(*seq, *seq, [&](Result<void> good) { kept += good ? 1 : 100; });
  EXPECT_EQ(kept, 0);
  journal_->sync();
  EXPECT_EQ(kept, 1);
}

TEST_F(JournalQueue, WhatCountsAsPendingIsToldByNamespace) {
  put("a", add("n", 1), "one");
  clock_.advance(milliseconds(10));
  put("a", add("n", 1), "one");
  put("b", add("n", 1), "two");
  auto stats = queue_->stats();
  ASSERT_EQ(stats.size(), 2u);
  EXPECT_EQ(stats[0].space, "one");
  EXPECT_EQ(stats[0].records, 2u);
  EXPECT_EQ(stats[0].bytes, 2 * (1 + encode(add("n", 1)).size()));
  EXPECT_EQ(clock_.now() - *stats[0].oldest, milliseconds(10));
  EXPECT_EQ(stats[1].records, 1u);
  EXPECT_THAT(queue_->spaces("db"), ElementsAre("one", "two"));
  EXPECT_THAT(queue_->spaces(""), ElementsAre("one", "two"));
  EXPECT_TRUE(queue_->spaces("other").empty());
  start();
  scheduler_.advance(milliseconds(1000));
  EXPECT_TRUE(queue_->stats().empty());
  EXPECT_TRUE(queue_->empty());
}

TEST_F(JournalQueue, AWriteAfterAGenerationWasTakenIsMergedWithItAndStays) {
  target_->automatic = false;
  start();
  put("a", add("n", 1));
  EXPECT_EQ(pending("a"), "n:1 [1-1 1]");
  scheduler_.advance(milliseconds(1000));
  EXPECT_EQ(pending("a"), "n:1 [1-1 1] applying");
  put("a", add("n", 2));
  EXPECT_EQ(pending("a"), "n:3 [1-2 2] applying");
  EXPECT_EQ(queue_->of("a")->ops, 2u);
  target_->answer();
  EXPECT_EQ(pending("a"), "n:2 [2-2 1]");
  scheduler_.advance(milliseconds(1000));
  target_->answer();
  EXPECT_EQ(pending("a"), "none");
  EXPECT_EQ(database_.rows["a"]["n"], "3");
}

TEST_F(JournalQueue, AHotCountersWritesTakeNoMoreMemoryTheMoreTheyAre) {
  for (int i = 0; i < 1000; ++i) put("a", add("n", 1));
  EXPECT_EQ(pending("a"), "n:1000 [1-1000 1000]");
}

// Whatever was read in between, and merged for that.
TEST_F(JournalQueue, AKeyInManyGenerationsIsReadAsWhatTheyComeTo) {
  rule_.batch = 2;
  target_->automatic = false;
  start();
  const std::string beside = key_beside("a");
  int sum = 0;
  std::uint64_t first = 1;
  const auto expect = [&](bool applying) {
    const auto of = queue_->of("a");
    ASSERT_TRUE(of);
    EXPECT_EQ(shown(of->steps), "n:" + std::to_string(sum) + " [" + std::to_string(first) + "-" +
                                    std::to_string(of->last) + " " + std::to_string(of->ops) + "]");
    EXPECT_EQ(of->applying, applying);
  };
  for (int i = 1; i <= 40; ++i) {
    put("a", add("n", i));
    sum += i;
    expect(false);
    put("a", add("n", 1));
    ++sum;
    expect(false);
    put(beside, add("n", 1));  // closes it
    expect(false);
  }
  scheduler_.run_due();
  expect(true);
  for (int i = 1; i <= 40; ++i) {
    expect(true);
    target_->answer();
    sum -= i + 1;
    first += 3;
    if (i < 40) expect(false);
    scheduler_.run_due();
  }
  EXPECT_EQ(pending("a"), "none");
  EXPECT_EQ(database_.rows["a"]["n"], std::to_string(40 * 41 / 2 + 40));
}

TEST_F(JournalQueue, AFullGenerationGoesAtOnceAndTheNextOneWaits) {
  rule_.batch = 2;
  start();
  const std::string b = key_beside("a");
  put("a", add("n", 1));
  put("a", add("n", 1));
  scheduler_.run_due();
  EXPECT_EQ(pending("a"), "n:2 [1-2 2]");
  put(b, add("n", 1));
  put("a", add("n", 5));
  scheduler_.run_due();
  EXPECT_EQ(pending(b), "none");
  EXPECT_EQ(pending("a"), "n:5 [4-4 1]");
}

TEST_F(JournalQueue, AGenerationIsFullWhenItsWritesComeToItsBytes) {
  rule_.bytes = 1000;
  start();
  const std::string b = key_beside("a");
  const std::string large(600, 'x');
  // What is written once counts once, however often it changed, and what was removed not at all.
  for (int i = 0; i < 100; ++i) put("a", set("v", large));
  Effect removal;
  removal.remove = true;
  put(b, set("v", large.substr(0, 300)));
  put(b, removal);
  put(b, set("v", large.substr(0, 300)));
  for (int i = 0; i < 100; ++i) put(b, add("n", 1));
  scheduler_.run_due();
  EXPECT_EQ(target_->applies, 0u);
  put(b, set("w", large.substr(0, 100)));
  scheduler_.run_due();
  EXPECT_EQ(target_->applies, 1u);
  EXPECT_EQ(pending("a") + pending(b), "nonenone");
  // One write may be larger than a generation.
  put("a", set("v", large + large));
  scheduler_.run_due();
  EXPECT_EQ(target_->applies, 2u);
}

TEST_F(JournalQueue, ARestoredJournalGoesInTransactionsOfBoundedSize) {
  rule_.batch = 10'000;
  const std::string large(300 << 10, 'x');
  std::vector<std::string> keys = {"a"};
  for (int i = 0; keys.size() < 10; ++i) {
    if (lane_of("k" + std::to_string(i), 4) == lane_of("a", 4)) keys.push_back("k" + std::to_string(i));
  }
  for (const std::string& key : keys) put(key, set("v", large));
  journal_->sync();
  restart();
  ASSERT_TRUE(restore());
  start();
  EXPECT_EQ(database_.rows.size(), 10u);
  EXPECT_EQ(target_->applies, 3u);  // of 1 MiB: 4, 4 and 2 rows
}

TEST_F(JournalQueue, ANamespacesKeysAloneFillItsBatch) {
  rule_.batch = 2;
  start();
  put("a", add("n", 1), "one");
  put(key_beside("a"), add("n", 1), "two");
  scheduler_.run_due();
  EXPECT_EQ(target_->applies, 0u);
}

TEST_F(JournalQueue, TheFirstNamespaceThatIsDueTakesItsLaneAlong) {
  start();
  put("a", add("n", 1));
  scheduler_.advance(milliseconds(10));
  rule_.every = milliseconds(100);
  put(key_beside("a"), add("n", 1), "fast");
  scheduler_.advance(milliseconds(99));
  EXPECT_EQ(target_->applies, 0u);
  scheduler_.advance(milliseconds(1));
  EXPECT_EQ(target_->applies, 1u);
  EXPECT_TRUE(queue_->empty());
}

TEST_F(JournalQueue, WhenFlushedIsCalledOnceTheDatabaseHasIt) {
  target_->automatic = false;
  start();
  int through = 0;
  EXPECT_EQ(queue_->when_flushed("a", hash_bytes("a"), [&](bool good) { through += good ? 1 : 100; }), 0u);
  EXPECT_EQ(through, 1);
  put("a", add("n", 1));
  EXPECT_NE(queue_->when_flushed("a", hash_bytes("a"), [&](bool good) { through += good ? 1 : 100; }), 0u);
  put("a", add("n", 1));  // in time for the same generation, or not: not waited for
  scheduler_.run_due();   // the lane is hurried
  ASSERT_EQ(target_->pending.size(), 1u);
  EXPECT_EQ(through, 1);
  target_->answer();
  EXPECT_EQ(through, 2);
}

TEST_F(JournalQueue, WhatTheJournalLostIsTakenOutAndTheRestStays) {
  put("a", add("n", 1));
  put("b", add("n", 2));
  rule_.batch = 1;  // what follows in their lanes is in other generations
  put("a", add("n", 3));
  put("a", set("v", "x"));
  put("b", add("n", 4));
  const std::string before = pending("a");
  EXPECT_THAT(*queue_->lose(journal_->ops(), 5), testing::IsEmpty());
  EXPECT_EQ(pending("a"), before);
  std::vector<bool> flushed;
  queue_->when_flushed("a", hash_bytes("a"), [&](bool good) { flushed.push_back(good); });
  std::vector<Op> kept = journal_->ops();
  kept.resize(3);
  EXPECT_THAT(*queue_->lose(kept, 3), ElementsAre("a", "b"));
  EXPECT_EQ(pending("a"), "n:4 [1-3 2]");
  EXPECT_EQ(pending("b"), "n:2 [2-2 1]");
  EXPECT_EQ(queue_->stats().front().records, 3u);
  EXPECT_THAT(flushed, ElementsAre());
  EXPECT_THAT(*queue_->lose({}, 0), ElementsAre("a", "b"));
  EXPECT_EQ(pending("a"), "none");
  EXPECT_TRUE(queue_->empty());
  EXPECT_TRUE(queue_->stats().empty());
  EXPECT_THAT(flushed, ElementsAre(true));
  kept.back().payload = "?";
  put("a", add("n", 1));
  EXPECT_FALSE(queue_->lose(kept, 3));
  EXPECT_EQ(pending("a"), "n:1 [6-6 1]");
}

TEST_F(JournalQueue, WhatWasForgottenIsNotCalledAndTheQueuesEndAnswersTheOthers) {
  put("a", add("n", 1));
  std::string called;
  const auto first = queue_->when_flushed("a", hash_bytes("a"), [&](bool) { called += "first "; });
  const auto second =
      queue_->when_flushed("a", hash_bytes("a"), [&](bool good) { called += good ? "good " : "ended "; });
  EXPECT_NE(first, second);
  queue_->forget(first);
  queue_->forget(first);
  queue_->forget(0);
  flusher_.reset();
  queue_.reset();
  EXPECT_EQ(called, "ended ");
}

TEST_F(JournalQueue, TheJournalIsTrimmedUpToTheFirstWriteThatNoDatabaseHas) {
  const std::string b = key_beside("a", false);
  target_->automatic = false;
  start();
  put("a", add("n", 1));  // 1
  put(b, add("n", 1));    // 2
  put("a", add("n", 1));  // 3
  queue_->when_flushed(b, hash_bytes(b), [](bool) {});
  scheduler_.run_due();
  target_->answer();
  EXPECT_EQ(journal_->trimmed(), 0u);  // 1 is not there yet
  scheduler_.advance(milliseconds(1000));
  put(b, add("n", 1));  // 4
  target_->answer();
  EXPECT_EQ(journal_->trimmed(), 3u);
  std::map<std::uint32_t, std::uint64_t> positions;
  for (const auto& at : journal_->applied()) {
    EXPECT_EQ(at.source, "db");
    positions[at.lane] = at.seq;
  }
  EXPECT_EQ(positions[lane_of("a", 4)], 3u);
  EXPECT_EQ(positions[lane_of(b, 4)], 2u);
}

TEST_F(JournalQueue, AnotherSourcesWritesHoldTheTrimBack) {
  start();
  ASSERT_TRUE(queue_->append(write_of(*queue_, "a", clock_.now(), rule_, "t", "other"), add("n", 1)));
  put("a", add("n", 1));
  EXPECT_EQ(queue_->of("a")->ops, 2u);
  scheduler_.advance(milliseconds(1000));
  EXPECT_EQ(queue_->of("a")->ops, 1u);
  EXPECT_EQ(journal_->trimmed(), 0u);
  EXPECT_THAT(flusher_->health(),
              ElementsAre("the journal holds writes for source other, which has no write-behind now"));
}

TEST_F(JournalQueue, WhatAProcessLeftIsPendingInTheNextAndCountsAsApplyingUntilABatchIsThrough) {
  put("a", add("n", 1));
  put("a", add("n", 2));
  put("b", set("v", "x"));
  journal_->sync();
  restart();
  ASSERT_TRUE(restore());
  EXPECT_EQ(pending("a"), "n:3 [1-2 2] applying");
  EXPECT_EQ(queue_->stats().front().records, 3u);
  target_->late_ledger = true;
  start();
  EXPECT_EQ(put("a", add("n", 4)), 4u);
  EXPECT_EQ(pending("a"), "n:7 [1-4 3] applying");
  EXPECT_EQ(target_->applies, 0u);
  target_->automatic = false;
  target_->tell(std::move(target_->ledgers.front()));
  EXPECT_EQ(pending("b"), "v=x [3-3 1] applying");
  scheduler_.run_due();
  while (!target_->pending.empty()) target_->answer();
  EXPECT_EQ(pending("a"), "n:4 [4-4 1]");
  EXPECT_EQ(database_.rows["a"]["n"], "3");
}

TEST_F(JournalQueue, OpsThatTheDatabaseHasAreDroppedAndAGenerationThatItHasInPartIsCut) {
  const std::string b = key_beside("a");
  put("a", add("n", 1));
  put(b, add("n", 10));
  put("a", add("n", 2));
  put(b, add("n", 20));
  journal_->sync();
  restart();
  ASSERT_TRUE(restore());
  database_.positions[lane_of("a", 4)] = 2;
  target_->automatic = false;
  start();
  scheduler_.run_due();
  EXPECT_EQ(pending("a"), "n:2 [3-3 1] applying");
  ASSERT_EQ(target_->pending.size(), 1u);
  EXPECT_EQ(target_->pending[0].call.batch.after, 2u);
  EXPECT_EQ(target_->pending[0].call.batch.upto, 4u);
  target_->answer();
  EXPECT_EQ(database_.rows["a"]["n"], "2");
  EXPECT_EQ(database_.rows[b]["n"], "20");
  EXPECT_TRUE(queue_->empty());
  EXPECT_EQ(journal_->trimmed(), 4u);
}

TEST_F(JournalQueue, WhatTheDatabaseHasAllOfIsGoneOnceItSaysSo) {
  put("a", add("n", 1));
  journal_->sync();
  restart();
  ASSERT_TRUE(restore());
  bool through = false;
  queue_->when_flushed("a", hash_bytes("a"), [&](bool good) { through = good; });
  database_.positions[lane_of("a", 4)] = 1;
  start();
  EXPECT_TRUE(through);
  EXPECT_TRUE(queue_->empty());
  EXPECT_EQ(target_->applies, 0u);
  EXPECT_EQ(journal_->trimmed(), 1u);
}

TEST_F(JournalQueue, OpsThatTheJournalRemembersAsAppliedAreSkipped) {
  put("a", add("n", 1));
  put("a", add("n", 2));
  journal_->sync();
  restart();
  ASSERT_TRUE(queue_->restore(journal_->ops(), {{"db", lane_of("a", 4), 1}}));
  EXPECT_EQ(pending("a"), "n:2 [2-2 1] applying");
}

TEST_F(JournalQueue, WhatAnEarlierProcessAppendedIsAsOldAsItIs) {
  const std::int64_t now = clock_.to_wall_ms(clock_.now());
  std::vector<Op> ops;
  const auto wrote = [&](const std::string& key, std::int64_t wall_ms) {
    ops.push_back({ops.size() + 1, lane_of(key, 4), "db", key, key, encode(add("n", 1)), wall_ms});
  };
  wrote("old", now - 90'000);
  wrote("new", now - 5);
  wrote("later", now + 1000);  // by a wall clock that was set back since
  wrote("unknown", 0);
  const auto age = [&](const std::string& key) {
    return std::chrono::duration_cast<milliseconds>(clock_.now() - queue_->of(key)->since).count();
  };
  ASSERT_TRUE(queue_->restore(ops, {}));
  for (const auto& [key, expected] :
       {std::pair("old", 90'000), std::pair("new", 5), std::pair("later", 0), std::pair("unknown", 0)})
    EXPECT_EQ(age(key), expected) << key;
  for (const PendingStats& pending : queue_->stats())
    EXPECT_EQ(pending.oldest, queue_->of(pending.space)->since) << pending.space;
  // The same when a journal is opened again and holds less.
  restart();
  put("old", add("n", 1));
  put(key_beside("old"), add("n", 1));
  clock_.advance(std::chrono::seconds(1));
  ops.resize(1);
  ops[0].space = "s";
  ops[0].wall_ms = now;
  ASSERT_TRUE(queue_->lose(ops, 1));
  EXPECT_EQ(age("old"), 1000);
}

TEST_F(JournalQueue, AnOpThatCantBeReadOrIsInAWrongLaneIsReported) {
  Op op{7, lane_of("a", 4), "db", "s", "a", "nonsense"};
  auto restored = queue_->restore({op}, {});
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.error().code, ErrorCode::kInternal);
  EXPECT_THAT(restored.error().message, testing::HasSubstr("op 7 can't be read"));
  op.payload = encode(add("n", 1));
  op.lane = (op.lane + 1) % 4;
  restored = queue_->restore({op}, {});
  ASSERT_FALSE(restored);
  EXPECT_THAT(restored.error().message, testing::HasSubstr("op 7 is in lane"));
}

}  // namespace
}  // namespace forebay::journal
