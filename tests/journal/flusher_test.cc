#include <thread>

#include "base/thread_scheduler.h"
#include "journal/flusher_fixture.h"
#include "support/eventually.h"

namespace forebay::journal {
namespace {

TEST_F(JournalFlusher, ABatchGoesWhenItsOldestWriteHasWaitedLongEnough) {
  start();
  put("a", add("n", 1));
  scheduler_.advance(milliseconds(600));
  put("b", set("v", "x"));
  put("a", add("n", 2));
  scheduler_.advance(milliseconds(399));
  EXPECT_THAT(seen(), IsEmpty());
  scheduler_.advance(milliseconds(1));
  EXPECT_THAT(seen(), ElementsAre("applying 0-3", "apply 0-3 a b", "settled 0-3"));
  EXPECT_EQ(database_.rows["a"]["n"], "3");
  ASSERT_EQ(target_->written.size(), 1u);
  EXPECT_EQ(target_->written[0][0]->after.value, "n=3 ");
  EXPECT_EQ(target_->written[0][1]->after.value, "v=x ");
  EXPECT_EQ(stats().batches, 1u);
  EXPECT_EQ(stats().applied_ops, 3u);
  EXPECT_EQ(stats().largest_batch, 3u);
  EXPECT_EQ(journal_->trimmed(), 3u);
  EXPECT_THAT(flusher_->health(), IsEmpty());
}

TEST_F(JournalFlusher, NothingIsSentBeforeStart) {
  put("a", add("n", 1));
  flush();
  EXPECT_EQ(target_->applies + target_->ledger_calls, 0u);
  start();
  EXPECT_EQ(target_->applies, 1u);
  start();  // once only
  EXPECT_EQ(target_->ledger_calls, 1u);
}

TEST_F(JournalFlusher, ALaneHasOneBatchAtATimeAndOneAnIntervalUnlessFull) {
  target_->automatic = false;
  start();
  for (int i = 0; i < 25; ++i) {
    put("a", add("n", 1));
    scheduler_.advance(milliseconds(100));
  }
  EXPECT_EQ(target_->applies, 1u);  // not answered yet
  target_->automatic = true;
  target_->answer();
  for (int i = 0; i < 50; ++i) {
    put("a", add("n", 1));
    scheduler_.advance(milliseconds(100));
  }
  flush();
  EXPECT_EQ(target_->most_at_once, 1u);
  EXPECT_EQ(database_.rows["a"]["n"], "75");
  EXPECT_LE(target_->applies, 8u);
}

TEST_F(JournalFlusher, FullGenerationsGoOneAfterTheOtherWithoutWaiting) {
  rule_.batch = 2;
  start();
  for (int i = 0; i < 10; ++i) put(std::to_string(i), add("n", 1));
  scheduler_.run_due();
  EXPECT_EQ(target_->applies, 5u);
  EXPECT_TRUE(queue_->empty());
}

TEST_F(JournalFlusher, LanesRunSideBySide) {
  open(4);
  target_->automatic = false;
  start();
  for (int i = 0; i < 20; ++i) put(std::to_string(i), add("n", 1));
  flush();
  EXPECT_EQ(target_->most_at_once, 4u);
  while (!target_->pending.empty()) target_->answer();
  EXPECT_EQ(database_.rows.size(), 20u);
  EXPECT_EQ(journal_->trimmed(), 20u);
}

TEST_F(JournalFlusher, WhatTheJournalHasNotKeptIsNotSent) {
  journal_->at_once = false;
  start();
  put("a", add("n", 1));
  put("a", add("n", 1));
  flush();
  journal_->sync(1);
  scheduler_.run_due();
  EXPECT_THAT(seen(), IsEmpty());
  EXPECT_FALSE(queue_->of("a")->applying);
  journal_->sync();
  scheduler_.run_due();
  EXPECT_EQ(target_->applies, 1u);
}

TEST_F(JournalFlusher, AfterTheJournalFailedWhatItHadNotKeptIsNotSentBeforeItIsOpenAgain) {
  start();
  journal_->fail = Error{ErrorCode::kUnknownOutcome, "disk on fire"};
  put("a", add("n", 1));
  flush();
  std::optional<bool> through;
  flusher_->drain("", [&](bool good) { through = good; });
  scheduler_.advance(seconds(100));
  EXPECT_EQ(target_->applies, 0u);
  EXPECT_THAT(flusher_->health(), ElementsAre(HasSubstr("disk on fire; writes that it may not have kept")));
  EXPECT_EQ(queue_->of("a")->ops, 1u);
  flusher_->journal_failed({ErrorCode::kUnavailable, "still on fire"});
  EXPECT_THAT(flusher_->health(), ElementsAre(HasSubstr("still on fire; writes")));
  EXPECT_FALSE(through);

  journal_->fail.reset();
  EXPECT_TRUE(queue_->lose(journal_->ops(), 1));
  flusher_->journal_reopened();
  scheduler_.run_due();
  EXPECT_THAT(flusher_->health(), IsEmpty());
  EXPECT_EQ(through, true);
  EXPECT_EQ(database_.rows["a"]["n"], "1");
}

TEST_F(JournalFlusher, ABatchThatWaitedForTheJournalGoesWithoutWhatWasLost) {
  journal_->at_once = false;
  start();
  put("a", add("n", 1));
  put("b", add("n", 1));
  put("a", add("n", 10));
  flush();  // it waits
  EXPECT_EQ(target_->applies, 0u);
  std::vector<Op> kept = journal_->ops();
  kept.resize(2);
  std::vector<bool> flushed;
  queue_->when_flushed("a", hash_bytes("a"), [&](bool good) { flushed.push_back(good); });
  EXPECT_THAT(*queue_->lose(kept, 2), ElementsAre("a", "b"));
  EXPECT_EQ(queue_->of("a")->last, 1u);
  flusher_->journal_reopened();
  scheduler_.run_due();
  EXPECT_EQ(target_->applies, 0u);
  // The journal's answer about the old batch.
  journal_->fail = Error{ErrorCode::kConflict, "lost"};
  journal_->sync();
  journal_->fail.reset();
  journal_->at_once = true;
  scheduler_.run_due();
  EXPECT_THAT(seen(), ElementsAre("applying 0-2", "apply 0-2 a b", "settled 0-2"));
  EXPECT_EQ(database_.rows["a"]["n"], "1");
  EXPECT_THAT(flushed, ElementsAre(true));
  EXPECT_TRUE(queue_->empty());
  EXPECT_EQ(put("a", add("n", 5)), 4u);
  flush();
  EXPECT_THAT(seen(), ElementsAre("applying 2-4", "apply 2-4 a", "settled 2-4"));
  EXPECT_EQ(database_.rows["a"]["n"], "6");
}

TEST_F(JournalFlusher, ItSaysApplyingWhileATryIsOnItsWayOrMayHaveCommitted) {
  target_->automatic = false;
  start();
  put("a", add("n", 1));
  target_->on_applying = [this] { EXPECT_TRUE(queue_->of("a")->applying); };
  EXPECT_FALSE(queue_->of("a")->applying);
  flush();
  target_->fail({ErrorCode::kUnavailable, "away"});
  EXPECT_FALSE(queue_->of("a")->applying);
  scheduler_.advance(milliseconds(25));
  EXPECT_TRUE(queue_->of("a")->applying);
  target_->fail({ErrorCode::kUnknownOutcome, "broke off"});
  EXPECT_TRUE(queue_->of("a")->applying);
  scheduler_.advance(milliseconds(50));
  target_->fail({ErrorCode::kUnavailable, "away"});
  EXPECT_TRUE(queue_->of("a")->applying);  // the try before may be there
  scheduler_.advance(milliseconds(100));
  target_->answer();
  EXPECT_THAT(seen(), ElementsAre("applying 0-1", "apply 0-1 a", "not applied 0-1", "applying 0-1",
                                  "apply 0-1 a", "apply 0-1 a", "apply 0-1 a", "settled 0-1"));
  EXPECT_FALSE(queue_->of("a"));
}

TEST_F(JournalFlusher, ABatchThatWaitsForRoomIsNotOnItsWay) {
  target_->busy = true;
  start();
  put("a", add("n", 1));
  flush();
  EXPECT_EQ(target_->waiting.size(), 1u);
  EXPECT_FALSE(queue_->of("a")->applying);
  bool through = false;
  flusher_->drain("", [&](bool good) { through = good; });
  EXPECT_EQ(target_->hurried, 1u);
  EXPECT_THAT(flusher_->health(), IsEmpty());
  scheduler_.advance(seconds(60));
  EXPECT_THAT(seen(), IsEmpty());
  EXPECT_THAT(flusher_->health(),
              ElementsAre("source db: lane 0 of write-behind waits for its source to answer again"));
  target_->let_in();
  scheduler_.run_due();
  EXPECT_THAT(flusher_->health(), IsEmpty());
  EXPECT_TRUE(through);
  EXPECT_THAT(seen(), ElementsAre("applying 0-1", "apply 0-1 a", "settled 0-1"));
  // A flusher that has ended sends nothing any more.
  put("a", add("n", 1));
  flush();
  flusher_.reset();
  target_->let_in();
  EXPECT_THAT(seen(), IsEmpty());
}

TEST_F(JournalFlusher, WhatAPersonHasToMendIsSaidAtOnceAndTriedAgain) {
  target_->apply_error = Error{ErrorCode::kConfig, "there is no table t"};
  start();
  for (int i = 0; i < 100; ++i) put("k" + std::to_string(i), add("n", 1));
  flush();
  EXPECT_THAT(flusher_->health(), ElementsAre(HasSubstr("tries again: there is no table t")));
  scheduler_.advance(seconds(300));
  EXPECT_FALSE(queue_->of("k7")->applying);
  EXPECT_TRUE(database_.dead.empty());
  target_->apply_error.reset();
  scheduler_.advance(seconds(30));
  EXPECT_EQ(database_.rows.size(), 100u);
  EXPECT_THAT(flusher_->health(), IsEmpty());
}

TEST_F(JournalFlusher, TransientErrorsAreRetriedForEverWithADoublingBoundAndFullJitter) {
  target_->apply_error = Error{ErrorCode::kUnavailable, "away"};
  start();
  put("a", add("n", 1));
  flush();
  std::vector<std::int64_t> waits;
  Instant last = clock_.now();
  while (waits.size() < 13) {
    const std::size_t before = target_->applies;
    while (target_->applies == before) scheduler_.advance(milliseconds(1));
    waits.push_back(std::chrono::duration_cast<milliseconds>(clock_.now() - last).count());
    last = clock_.now();
  }
  // Half of 50 ms, 100 ms, … 30 s.
  EXPECT_THAT(waits, ElementsAre(25, 50, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 15000, 15000, 15000));
  EXPECT_EQ(stats().retries, 14u);
  EXPECT_THAT(flusher_->health(),
              ElementsAre("source db: lane 0 of write-behind is held up at a, and tries again: away"));
  target_->apply_error.reset();
  scheduler_.advance(seconds(15));
  EXPECT_EQ(database_.rows["a"]["n"], "1");
  EXPECT_THAT(flusher_->health(), IsEmpty());
}

TEST_F(JournalFlusher, JitterIsDrawnAnewForEachTry) {
  random_ = FixedRandom({kHalf / 2, ~std::uint64_t{0}});
  target_->apply_error = Error{ErrorCode::kTimeout, "slow"};
  start();
  put("a", add("n", 1));
  flush();
  scheduler_.advance(Duration(milliseconds(13)));  // a quarter of 50 ms
  EXPECT_EQ(target_->applies, 2u);
  scheduler_.advance(milliseconds(99));
  EXPECT_EQ(target_->applies, 2u);
  scheduler_.advance(milliseconds(1));
  EXPECT_EQ(target_->applies, 3u);
}

TEST_F(JournalFlusher, AnErrorThatAPersonMustMendIsSaidAtOnceAndRetried) {
  target_->apply_error = Error{ErrorCode::kRefused, "no such table: t"};
  start();
  put("a", add("n", 1));
  flush();
  EXPECT_THAT(flusher_->health(), ElementsAre(HasSubstr("no such table: t")));
  target_->apply_error.reset();
  scheduler_.advance(seconds(1));
  EXPECT_EQ(database_.rows["a"]["n"], "1");
  EXPECT_THAT(flusher_->health(), IsEmpty());
}

TEST_F(JournalFlusher, AnUnknownCommitIsAskedAboutWithTheSameBatch) {
  target_->automatic = false;
  start();
  put("a", add("n", 1));
  put("b", add("n", 2));
  flush();
  target_->fail({ErrorCode::kUnknownOutcome, "broke off"}, true);
  put("a", add("n", 10));  // not of that batch
  scheduler_.advance(milliseconds(25));
  target_->answer();
  EXPECT_THAT(seen(), ElementsAre("applying 0-2", "apply 0-2 a b", "apply 0-2 a b", "settled 0-2"));
  EXPECT_EQ(target_->written[0][0], std::nullopt);
  EXPECT_EQ(database_.rows["a"]["n"], "1");
  flush();
  target_->fail({ErrorCode::kUnknownOutcome, "broke off"}, false);
  scheduler_.advance(milliseconds(25));
  target_->answer();
  EXPECT_EQ(database_.rows["a"]["n"], "11");
}

TEST_F(JournalFlusher, LedgersAreAskedForUntilTheyAreTold) {
  target_->ledger_error = Error{ErrorCode::kConfig, "CREATE TABLE forebay_applied"};
  start();
  put("a", add("n", 1));
  flush();
  EXPECT_EQ(target_->applies, 0u);
  EXPECT_GE(target_->ledger_calls, 3u);
  EXPECT_THAT(flusher_->health(),
              ElementsAre("source db: write-behind can't begin: CREATE TABLE forebay_applied"));
  target_->ledger_error.reset();
  scheduler_.advance(seconds(15));
  EXPECT_EQ(database_.rows["a"]["n"], "1");
  EXPECT_THAT(flusher_->health(), IsEmpty());
}

TEST_F(JournalFlusher, ADatabaseThatIsBehindWhatTheJournalRemembersStopsTheLane) {
  start();
  put("a", add("n", 1));
  flush();
  put("a", add("n", 2));
  journal_->sync();
  restart();
  database_.positions[0] = 0;  // from a backup
  start();
  flush();
  EXPECT_EQ(target_->applies, 0u);
  EXPECT_THAT(flusher_->health(), ElementsAre(HasSubstr("source db: write-behind has stopped in lane 0: its "
                                                        "ledger stands at 0")));
  EXPECT_EQ(queue_->of("a")->ops, 1u);
  EXPECT_FALSE(queue_->of("a")->applying);
  bool through = true;
  flusher_->drain("", [&](bool good) { through = good; });
  EXPECT_FALSE(through);
}

TEST_F(JournalFlusher, ADatabaseThatIsAheadOfTheJournalStopsTheLane) {
  put("a", add("n", 1));
  journal_->sync();
  restart();
  database_.positions[0] = 2;
  start();
  EXPECT_EQ(target_->applies, 0u);
  EXPECT_THAT(flusher_->health(), ElementsAre(HasSubstr("an older copy")));
}

TEST_F(JournalFlusher, AWrongPositionOnTheWayStopsTheLane) {
  target_->automatic = false;
  start();
  put("a", add("n", 1));
  flush();
  bool through = true;
  flusher_->drain("", [&](bool good) { through = good; });
  database_.positions[0] = 77;
  target_->answer();
  EXPECT_FALSE(through);
  scheduler_.advance(seconds(100));
  EXPECT_EQ(target_->applies, 1u);
  EXPECT_THAT(flusher_->health(), ElementsAre(HasSubstr("its ledger stands at 77, the journal expects 0")));
  EXPECT_FALSE(queue_->of("a")->applying);
  EXPECT_EQ(journal_->trimmed(), 0u);
}

TEST_F(JournalFlusher, ATransactionOfTheProcessBeforeThatCommitsLateIsGoneOnFrom) {
  put("a", add("n", 1));
  put("a", add("n", 2));
  put("b", add("n", 3));
  journal_->sync();
  restart();
  target_->automatic = false;
  start();
  ASSERT_EQ(target_->pending.size(), 1u);
  database_.rows["a"]["n"] = "1";  // the late one had the first op only
  database_.positions[0] = 1;
  target_->answer();
  scheduler_.run_due();
  ASSERT_EQ(target_->pending.size(), 1u);
  EXPECT_EQ(target_->pending[0].call.batch.after, 1u);
  target_->answer();
  EXPECT_EQ(database_.rows["a"]["n"], "3");
  EXPECT_EQ(database_.rows["b"]["n"], "3");
  EXPECT_TRUE(queue_->empty());
}

TEST_F(JournalFlusher, DrainSendsWithoutWaitingAndAnswersWhenAllIsThrough) {
  open(4);
  target_->automatic = false;
  start();
  for (int i = 0; i < 8; ++i) put(std::to_string(i), add("n", 1));
  int through = 0;
  flusher_->drain("", [&](bool good) { through += good ? 1 : 100; });
  scheduler_.run_due();
  while (!target_->pending.empty()) {
    EXPECT_EQ(through, 0);
    target_->answer();
  }
  EXPECT_EQ(through, 1);
  EXPECT_TRUE(queue_->empty());
  flusher_->drain("", [&](bool good) { through += good ? 1 : 100; });
  EXPECT_EQ(through, 2);
}

TEST_F(JournalFlusher, DrainOfANamespaceLeavesOtherLanesAlone) {
  open(4);
  start();
  ASSERT_NE(lane_of("child", 4), lane_of("mother", 4));
  put("child", add("n", 1), "one");
  put("mother", add("n", 1), "two");
  bool through = false;
  flusher_->drain("one", [&](bool good) { through = good; });
  scheduler_.run_due();
  EXPECT_TRUE(through);
  EXPECT_THAT(queue_->spaces("db"), ElementsAre("two"));
}

TEST_F(JournalFlusher, DrainTriesAtOnceWhatWaitsToBeTriedAgain) {
  target_->apply_error = Error{ErrorCode::kUnavailable, "away"};
  start();
  put("a", add("n", 1));
  flush();
  scheduler_.advance(seconds(60));
  target_->apply_error.reset();
  bool through = false;
  flusher_->drain("", [&](bool good) { through = good; });
  scheduler_.run_due();
  EXPECT_TRUE(through);
}

TEST_F(JournalFlusher, ItsEndAnswersWhoDrainsAndCallsThatComeBackLateAreIgnored) {
  target_->automatic = false;
  start();
  put("a", add("n", 1));
  flush();
  bool through = true;
  flusher_->drain("", [&](bool good) { through = good; });
  flusher_.reset();
  EXPECT_FALSE(through);
  target_->answer();
  scheduler_.advance(seconds(100));
  EXPECT_THAT(seen(), ElementsAre("applying 0-1", "apply 0-1 a"));
  put("a", add("n", 1));
  scheduler_.advance(seconds(100));
  EXPECT_EQ(target_->applies, 1u);
  // The next process finds out.
  restart();
  start();
  flush();
  EXPECT_EQ(database_.rows["a"]["n"], "1");
}

// Appending threads, the scheduler's, and the database's at the same time: what ThreadSanitizer looks at.
TEST(JournalFlusherThreads, ManyThreadsAppendWhileLanesAreFlushed) {
  constexpr int kThreads = 3, kWrites = 2000, kKeys = 40;
  FakeJournal journal;
  ThreadScheduler scheduler;
  FakeDatabase database;

  // As FakeTarget, with a lock and with the keys' locks that the layer has.
  struct LockedTarget final : Target {
    LockedTarget(FakeDatabase& database_in, Queue& queue_in) : database(database_in), queue(queue_in) {}
    FakeDatabase& database;
    Queue& queue;
    Mutex mutex;
    Mutex key_locks[kKeys];
    int errors = 0;
    void open_ledger(const std::string&, LedgerDone done) override {
      Ledger ledger;
      {
        MutexLock lock(mutex);
        ledger = database.ledger(4);
      }
      done(std::move(ledger));
    }
    void applying(const Batch&) override {}
    void not_applied(const Batch&) override {}
    void try_now(const std::string&) override {}
    void admit(const std::string&, Admitted go) override { go(std::make_unique<Permit>()); }
    void apply(const Batch& batch, std::vector<Statement> statements, std::vector<Dead> dead, Judge,
               std::unique_ptr<Permit>, ApplyDone done) override {
      FakeDatabase::Call call{batch, {}, std::move(dead)};
      for (const Statement& statement : statements)
        call.statements.push_back({statement.item, *statement.effect});
      Result<BatchOutcome> outcome;
      {
        MutexLock lock(mutex);
        outcome = database.apply("journal-1", call);
        if (++errors % 4 == 0) outcome = Error{ErrorCode::kUnknownOutcome, "lost"};
      }
      done(std::move(outcome));
    }
    void settled(const Batch& batch, std::vector<std::optional<Written>>) override {
      for (const Item& item : batch.items) {
        MutexLock lock(key_locks[std::stoul(item.key)]);
        queue.settle(item.key, hash_bytes(item.key));
      }
    }
    void stopped(const std::string&, std::uint32_t, const std::string&) override {}
    void note(Tone, const std::string&) override {}
    bool holds(const std::string&) const override { return false; }
    void run_blocking(Task task) override { task(); }
  };

  std::atomic<int> flushed{0};
  {
    Queue queue(journal, system_clock());
    LockedTarget target(database, queue);
    FixedRandom random({kHalf >> 6});
    Flusher flusher(queue.outbox(), journal, target, system_clock(), scheduler, random);
    flusher.start({"db"});
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        const FlushRule rule{.every = milliseconds(1), .batch = 5};
        for (int i = 0; i < kWrites; ++i) {
          const std::string key = std::to_string((i * 7 + thread) % kKeys);
          MutexLock lock(target.key_locks[std::stoul(key)]);
          EXPECT_TRUE(queue.append(write_of(queue, key, system_clock().now(), rule), add("n", 1)));
          EXPECT_TRUE(queue.of(key));
          if (i % 100 == 0) {
            const auto id =
                queue.when_flushed(key, hash_bytes(key), [&](bool good) { flushed += good ? 1 : 1000; });
            if (i % 300 == 0) queue.forget(id);
            (void)queue.stats();
            (void)flusher.stats();
            (void)flusher.health();
          }
        }
      });
    }
    for (auto& thread : threads) thread.join();
    std::atomic<int> drained{0};
    flusher.drain("", [&](bool good) { drained = good ? 1 : 2; });
    EXPECT_TRUE(forebay::test::eventually([&] { return drained != 0; }));
    EXPECT_EQ(drained, 1);
    EXPECT_TRUE(queue.empty());
  }
  long sum = 0;
  for (auto& [key, row] : database.rows) sum += std::stol(row["n"]);
  EXPECT_EQ(sum, kThreads * kWrites);
  EXPECT_LT(flushed, 1000);
}

}  // namespace
}  // namespace forebay::journal
