#include <gmock/gmock.h>

#include "layer/layer_fixture.h"
#include "layer/write/behind/journaled_writes.h"
#include "support/memory_journal.h"

namespace forebay::layer::test {
namespace {

using forebay::test::MemoryJournal;

// A namespace of counters or texts that is written behind, with a journal that is kept at once: replies come
// when the scheduler runs.
class Behind : public LayerTest {
 protected:
  Behind() {
    policy.write = config::WriteStrategy::kBehind;
    policy.flush_every = 1s;
    model.journal.path = "journal";
  }

  void arrange(Parts& parts) override {
    parts.open_journal = [this](const config::Journal&) -> Result<OpenedJournal> {
      auto made = std::make_unique<MemoryJournal>(disk, scheduler);
      journal = made.get();
      return OpenedJournal{std::move(made), disk.ops, disk.applied};
    };
    parts.run_blocking = [this](Task task) { scheduler.post(std::move(task)); };
  }
  void counters() {
    policy.kind = ValueKind::kCounter;
    policy.value_column = "n";
  }
  // A write and its reply.
  std::string put(const std::string& key, const std::string& value) {
    auto pending = set(key, value);
    pass(0ms);
    return pending.text();
  }
  std::string add(const std::string& key, const std::string& amount = "1", Duration within = 0ms) {
    auto pending = write(key, Add{policy.value_column, amount, false});
    dispatch();
    pass(within);
    if (!pending.answered()) return "…";
    if (!pending.result()) return pending.text();
    return pending.result()->added.value_or("(none)");
  }
  // The process dies, and starts again.
  void crash() {
    core.reset();
    scheduler.forget();
    source->running = 0;
    model.namespaces.clear();
    open();
  }

  MemoryJournal::Disk disk;
  MemoryJournal* journal = nullptr;
};

TEST_F(Behind, AnswersWhenTheJournalHasItAndWritesTheSourceLater) {
  disk.keeps = false;
  open();
  auto writer = set("user:1", "Ada");
  pass(100ms);
  EXPECT_FALSE(writer.answered());
  journal->answer({});
  EXPECT_EQ(writer.text(), "Ada");
  EXPECT_TRUE(source->rows.empty());
  disk.keeps = true;
  pass(2s);
  EXPECT_EQ(source->rows["1"], "Ada");
  EXPECT_EQ(source->writes, 0u);
  EXPECT_TRUE(disk.ops.empty());
}

TEST_F(Behind, WhatTheTableHasNoColumnForIsRefusedBeforeTheJournalHasIt) {
  source->unknown_column = "colour";
  open();
  auto wrong = write("user:1", Update{{{"colour", "red"}}, true});
  EXPECT_EQ(wrong.text(), "!invalid_argument");
  EXPECT_EQ(get("user:1"), "(nil)");
  auto right = write("user:1", Update{{{"name", "Ada"}}, true});
  pass(2s);
  EXPECT_EQ(right.text(), "Ada");
  EXPECT_EQ(source->rows["1"], "Ada");
  EXPECT_EQ(disk.appended, 1u);
  EXPECT_TRUE(source->dead.empty());
}

TEST_F(Behind, AStormOnOneCounterIsOneWrite) {
  counters();
  source->rows["1"] = "40";
  open();
  EXPECT_EQ(add("user:1", "1", 20ms), "41");
  for (int i = 0; i < 1000; ++i) add("user:1");
  EXPECT_EQ(add("user:1"), "1042");
  pass(2s);
  EXPECT_EQ(source->rows["1"], "1042");
  EXPECT_EQ(source->applies, (std::vector<std::size_t>{1}));
  EXPECT_EQ(source->calls(), 1u);
}

TEST_F(Behind, LargeValuesGoInTransactionsOfBoundedSize) {
  policy.flush_every = 1h;
  policy.flush_bytes = 1000;
  open();
  const std::string large(150, 'x');
  for (int i = 0; i < 100; ++i) put("user:" + std::to_string(i), large);
  pass(1s);
  std::size_t rows = 0;
  for (const std::size_t each : source->applies) {
    EXPECT_EQ(each, 7u);  // 150 bytes of value, 4 of its column and 6 or 7 of the key each
    rows += each;
  }
  EXPECT_GE(rows, 70u);
}

TEST_F(Behind, ReadsSeeWhatIsPendingWhateverTheCacheForgot) {
  counters();
  source->rows["1"] = "5";
  open();
  add("user:1", "2", 20ms);
  EXPECT_EQ(get("user:1", 0ms), "7");
  invalidate("user:1");  // DEL
  EXPECT_EQ(get("user:1", 20ms), "7");
  core->invalidator().drop_everything();  // FLUSHALL
  EXPECT_EQ(get("user:1", 20ms), "7");
  policy.flush_every = 1h;
}

TEST_F(Behind, ATextThatIsPendingIsReadWithoutTheSource) {
  source->rows["1"] = "old";
  open();
  EXPECT_EQ(put("user:1", "new"), "new");
  invalidate("user:1");
  EXPECT_EQ(get("user:1", 0ms), "new");
  EXPECT_EQ(source->calls(), 0u);
}

TEST_F(Behind, AnAdditionNeedsNoRoomInMemory) {
  counters();
  model.memory.limit = 1;
  source->rows["1"] = "5";
  open();
  EXPECT_EQ(add("user:1", "2", 20ms), "7");
  EXPECT_EQ(add("user:1", "2", 20ms), "9");
  EXPECT_EQ(get("user:1", 20ms), "9");
  pass(3s);
  EXPECT_EQ(source->rows["1"], "9");
  EXPECT_EQ(get("user:1", 20ms), "9");
}

TEST_F(Behind, AdditionsThatWaitForOneLoadCountOneAfterAnother) {
  counters();
  source->rows["1"] = "5";
  open();
  auto first = write("user:1", Add{"n", "2", false});
  auto second = write("user:1", Add{"n", "3", false});
  auto reader = read("user:1");
  dispatch();
  pass(20ms);
  EXPECT_EQ(first.result()->added, "7");
  EXPECT_EQ(second.result()->added, "10");
  EXPECT_EQ(reader.text(), "10");
  EXPECT_EQ(source->calls(), 1u);
  EXPECT_EQ(get("user:1", 0ms), "10");
}

TEST_F(Behind, ALoadThatAnApplyBeganDuringIsAskedAgain) {
  counters();
  source->rows["1"] = "5";
  open();
  add("user:1", "2", 20ms);
  source->apply_commits = 5ms;
  source->apply_takes = 30ms;
  pass(975ms);
  invalidate("user:1");
  source->load_takes = 20ms;  // begins at 995 ms, before the batch is sent; it would see 5, and add 2 again
  auto reader = read("user:1");
  dispatch();
  pass(25ms);
  EXPECT_EQ(source->rows["1"], "7");  // committed, not settled
  EXPECT_FALSE(reader.answered());
  pass(100ms);
  EXPECT_EQ(reader.text(), "7");
}

TEST_F(Behind, ALoadThatAWholeApplyFellIntoIsAskedAgain) {
  counters();
  source->rows["1"] = "5";
  open();
  add("user:1", "2", 20ms);
  pass(975ms);
  invalidate("user:1");
  source->load_takes = 100ms;  // reads 5, and comes in when nothing is pending any more
  auto reader = read("user:1");
  dispatch();
  source->load_takes = 10ms;
  pass(300ms);
  EXPECT_EQ(source->rows["1"], "7");
  EXPECT_EQ(reader.text(), "7");
  EXPECT_EQ(get("user:1", 0ms), "7");
}

TEST_F(Behind, ALoadThatBeganDuringAnApplyIsAskedAgain) {
  counters();
  source->rows["1"] = "5";
  open();
  add("user:1", "2", 20ms);
  source->apply_commits = 5ms;
  source->apply_takes = 30ms;
  pass(995ms);
  ASSERT_EQ(source->rows["1"], "7");  // committed, not settled
  invalidate("user:1");
  auto reader = read("user:1");
  dispatch();
  source->load_takes = 1ms;
  pass(200ms);
  EXPECT_EQ(reader.text(), "7");
  EXPECT_EQ(get("user:1", 0ms), "7");
}

TEST_F(Behind, WhatIsAddedDuringAnApplyIsStillPendingAfterIt) {
  counters();
  source->rows["1"] = "5";
  open();
  add("user:1", "2", 20ms);
  source->apply_takes = 30ms;
  pass(990ms);
  EXPECT_EQ(add("user:1", "10"), "17");
  pass(100ms);
  EXPECT_EQ(source->rows["1"], "7");
  EXPECT_EQ(get("user:1", 0ms), "17");
  pass(1s);
  EXPECT_EQ(source->rows["1"], "17");
  EXPECT_EQ(get("user:1", 0ms), "17");
}

TEST_F(Behind, AForeignWriteIsAddedTo) {
  counters();
  source->rows["1"] = "5";
  open();
  add("user:1", "2", 20ms);
  source->rows["1"] = "100";
  pass(2s);
  EXPECT_EQ(source->rows["1"], "102");
  EXPECT_EQ(get("user:1", 0ms), "102");
}

TEST_F(Behind, WhatCantBeAddedIsRefusedBeforeItIsWrittenDown) {
  counters();
  source->rows["1"] = "9223372036854775807";
  source->rows["2"] = "many";
  open();
  EXPECT_EQ(add("user:1", "1", 20ms), "!refused");
  EXPECT_EQ(add("user:2", "1", 20ms), "!refused");
  EXPECT_EQ(disk.appended, 0u);
  EXPECT_EQ(add("user:1", "-1", 20ms), "9223372036854775806");
}

TEST_F(Behind, AFullJournalIsSaidAndChangesNothing) {
  open();
  put("user:1", "Ada");
  disk.append_error = Error{ErrorCode::kOverloaded, "the journal is full"};
  EXPECT_EQ(put("user:1", "Eve"), "!overloaded");
  EXPECT_EQ(get("user:1", 0ms), "Ada");
}

TEST_F(Behind, AWriteThatTheJournalLostIsUnknownAndLeavesNoCopy) {
  open();
  disk.keeps = false;
  auto writer = set("user:1", "Ada");
  journal->answer(Error{ErrorCode::kUnknownOutcome, "disk I/O error"});
  EXPECT_EQ(writer.text(), "!unknown_outcome");
  EXPECT_EQ(fact("user:1", "state"), "absent");
}

TEST_F(Behind, ACrashLosesNothingThatWasAnswered) {
  counters();
  source->rows["1"] = "5";
  open();
  add("user:1", "2", 20ms);
  add("user:1", "3");
  crash();
  EXPECT_EQ(source->rows["1"], "5");
  EXPECT_EQ(get("user:1", 100ms), "10");
  pass(2s);
  EXPECT_EQ(source->rows["1"], "10");
  EXPECT_EQ(get("user:1", 0ms), "10");
}

TEST_F(Behind, ACrashBetweenCommitAndAnswerDoublesNothing) {
  counters();
  source->rows["1"] = "5";
  open();
  add("user:1", "2", 20ms);
  source->apply_takes = 1h;
  pass(1s);
  ASSERT_EQ(source->rows["1"], "7");
  crash();
  EXPECT_EQ(get("user:1", 100ms), "7");
  pass(3s);
  EXPECT_EQ(source->rows["1"], "7");
}

TEST_F(Behind, EntriesWithPendingWritesAreWarmAfterARestart) {
  source->rows["1"] = "old";
  open();
  put("user:1", "new");
  crash();
  pass(5ms);
  EXPECT_EQ(fact("user:1", "state"), "fresh");
  EXPECT_EQ(get("user:1", 0ms), "new");
}

TEST_F(Behind, ARefusedRowIsPutAsideAndTheCopyIsTheSourcesAgain) {
  source->rows["1"] = "old";
  open();
  put("user:1", "bad");
  put("user:2", "good");
  source->refuses["1"] = "CHECK constraint failed";
  pass(3s);
  EXPECT_EQ(source->rows["1"], "old");
  EXPECT_EQ(source->rows["2"], "good");
  ASSERT_EQ(source->dead.size(), 1u);
  EXPECT_EQ(source->dead[0].key, "user:1");
  EXPECT_EQ(get("user:1", 20ms), "old");
  EXPECT_EQ(get("user:2", 0ms), "good");
}

TEST_F(Behind, ASourceThatIsAwayIsTriedUntilItIsBack) {
  open();
  source->apply_error = Error{ErrorCode::kUnavailable, "connection refused"};
  for (int i = 0; i < 10; ++i) EXPECT_EQ(put("user:" + std::to_string(i), "v"), "v");
  pass(60s);
  EXPECT_TRUE(source->rows.empty());
  source->apply_error.reset();
  pass(60s);
  EXPECT_EQ(source->rows.size(), 10u);
}

TEST_F(Behind, BatchesThatFailOpenTheBreakerAndWaitUntilItCloses) {
  source_config.breaker_minimum = 5;
  source->apply_error = source->ping_error = Error{ErrorCode::kUnavailable, "connection refused"};
  open();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(put("user:" + std::to_string(i), "v"), "v");
  pass(10s);
  EXPECT_EQ(core->statistics().collect().sources[0].breaker, "open");
  const std::size_t tries = source->tries;
  EXPECT_LE(tries, 7u);
  pass(300s);
  EXPECT_EQ(source->tries, tries);  // the gate's probes ask for them
  EXPECT_EQ(core->statistics().collect().sources[0].in_flight, 0u);
  source->apply_error.reset();
  source->ping_error.reset();
  // Who drains does not wait for the next probe.
  bool drained = false;
  core->journaled()->drain("", 0ms, [&](bool good) { drained = good; });
  pass(1s);
  EXPECT_TRUE(drained);
  EXPECT_EQ(source->rows.size(), 10u);
  EXPECT_EQ(core->statistics().collect().sources[0].breaker, "closed");
}

TEST_F(Behind, ABreakerThatLoadsHaveOpenedKeepsBatchesBackAndReadsExact) {
  source_config.breaker_minimum = 4;
  counters();
  source->rows["1"] = "5";
  open();
  add("user:1", "2", 20ms);
  source->load_error = source->ping_error = Error{ErrorCode::kUnavailable, "connection refused"};
  for (int i = 2; i < 8; ++i) get("user:" + std::to_string(i), 20ms);
  ASSERT_EQ(core->statistics().collect().sources[0].breaker, "open");
  pass(5s);
  EXPECT_EQ(source->tries, 0u);
  invalidate("user:1");
  EXPECT_EQ(get("user:1", 0ms), "!unavailable");  // at once
  source->load_error.reset();
  source->ping_error.reset();
  pass(30s);
  EXPECT_EQ(source->rows["1"], "7");
  EXPECT_EQ(get("user:1", 20ms), "7");
}

// Loads that wait for a batch give their slot back, and neither keeps the other out.
TEST_F(Behind, BatchesAndLoadsShareOneSlot) {
  counters();
  source->connections = 1;
  source->batches = false;
  policy.flush_every = 1ms;
  for (int i = 0; i < 40; ++i) source->rows[std::to_string(i)] = "5";
  open();
  for (int i = 0; i < 40; ++i) add("user:" + std::to_string(i), "2", 15ms);
  std::vector<Pending<Answer>> readers;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 40; ++i) {
      const std::string key = "user:" + std::to_string(i);
      write(key, Add{"n", "1", false});
      invalidate(key);
      readers.push_back(read(key));
    }
    dispatch();
    pass(20ms);
  }
  pass(4s);
  EXPECT_EQ(source->most_running, 1u);
  for (int i = 0; i < 40; ++i) EXPECT_EQ(source->rows[std::to_string(i)], "27");
  for (const auto& reader : readers) EXPECT_TRUE(reader.answered());
  EXPECT_EQ(get("user:7", 20ms), "27");
}

TEST_F(Behind, BatchesTakeNoMoreThanHalfOfTheSlots) {
  source->connections = 2;
  source->apply_takes = 100ms;
  open();
  for (int i = 0; i < 40; ++i) put("user:" + std::to_string(i), "v");  // in both lanes
  pass(1050ms);
  EXPECT_EQ(source->running, 1u);
  source->rows["x"] = "Ada";
  EXPECT_EQ(get("user:x", 20ms), "Ada");
  pass(1s);
  EXPECT_EQ(source->rows.size(), 41u);
}

TEST_F(Behind, BatchesAndLoadsTakeTurns) {
  source->connections = 1;
  source->batches = false;
  source->apply_takes = 100ms;
  source->rows["x"] = "Ada";
  open();
  for (int i = 0; i < 40; ++i) put("user:" + std::to_string(i), "v");  // in both lanes
  pass(1050ms);
  ASSERT_EQ(source->tries, 1u);
  auto reader = read("user:x");
  dispatch();
  pass(70ms);
  EXPECT_EQ(reader.text(), "Ada");  // before the other lane's batch
  pass(1s);
  ASSERT_EQ(source->tries, 2u);
  put("user:1", "w");
  pass(995ms);
  std::vector<Pending<Answer>> readers;
  for (int i = 0; i < 200; ++i) readers.push_back(read("user:y" + std::to_string(i)));
  dispatch();
  pass(50ms);
  EXPECT_EQ(source->tries, 3u);  // before the other loads
  pass(5s);
  for (const auto& each : readers) EXPECT_TRUE(each.answered());
}

TEST_F(Behind, AWriteThatWaitsTooLongIsSaidToBeLate) {
  counters();
  random = FixedRandom({~std::uint64_t{0} / 2});
  policy.flush_every = 2s;
  policy.alarm_age = 10s;
  source->rows["1"] = "5";
  open();
  add("user:1", "1", 20ms);
  source->apply_error = Error{ErrorCode::kUnavailable, "away"};
  const auto late = testing::HasSubstr("the oldest for");
  pass(11'900ms);
  EXPECT_THAT(core->statistics().collect().health, testing::Not(testing::Contains(late)));
  pass(200ms);
  EXPECT_THAT(
      core->statistics().collect().health,
      testing::Contains("namespace user: 1 write waits for source db, the oldest for 12 s (alarm: 10 s "
                        "beyond flush.every)"));
  // Over a restart as well: the journal knows since when they wait.
  for (journal::Op& op : disk.ops) op.wall_ms = clock.to_wall_ms(clock.now() - 3s);
  crash();
  EXPECT_THAT(core->statistics().collect().health, testing::IsEmpty());
  pass(10s);
  EXPECT_THAT(core->statistics().collect().health,
              testing::Contains(testing::HasSubstr("the oldest for 13 s (alarm")));
  source->apply_error.reset();
  pass(60s);
  EXPECT_THAT(core->statistics().collect().health, testing::IsEmpty());
}

TEST_F(Behind, AnAlarmThatIsOffSaysNothing) {
  counters();
  policy.alarm_age = 0s;
  source->rows["1"] = "5";
  open();
  add("user:1", "1", 20ms);
  source->apply_error = Error{ErrorCode::kUnavailable, "away"};
  pass(1h);
  for (const std::string& sentence : core->statistics().collect().health)
    EXPECT_THAT(sentence, testing::Not(testing::HasSubstr("alarm")));
}

// A missing table, say.
TEST_F(Behind, WhileNothingCanBeAppliedReadsAreAnsweredWithWhatIsPending) {
  counters();
  random = FixedRandom({~std::uint64_t{0} / 2});
  source->rows["1"] = "5";
  open();
  add("user:1", "2", 20ms);
  source->apply_error = Error{ErrorCode::kConfig, "there is no table users"};
  pass(60s);
  invalidate("user:1");
  const std::size_t tries = source->tries;
  EXPECT_EQ(get("user:1", 20ms), "7");
  EXPECT_EQ(source->tries, tries);
  EXPECT_EQ(core->statistics().collect().sources[0].breaker, "closed");
  ASSERT_FALSE(core->statistics().collect().health.empty());
  EXPECT_NE(core->statistics().collect().health[0].find("there is no table users"), std::string::npos);
  EXPECT_TRUE(source->dead.empty());
  source->load_error = Error{ErrorCode::kRefused, "there is no table users"};
  invalidate("user:1");
  EXPECT_EQ(get("user:1", 20ms), "!refused");
  source->load_error.reset();
  source->apply_error.reset();
  pass(60s);
  EXPECT_EQ(source->rows["1"], "7");
  EXPECT_TRUE(core->statistics().collect().health.empty());
}

TEST_F(Behind, AChangeThatWasReportedDuringAnApplyKeepsItsAnswerOut) {
  open();
  put("user:1", "mine");
  source->apply_commits = 5ms;
  source->apply_takes = 50ms;
  pass(1010ms);
  ASSERT_EQ(source->rows["1"], "mine");
  change("1", "theirs");
  EXPECT_EQ(get("user:1", 0ms), "mine");  // as far as anyone knows it is still on its way
  pass(100ms);
  EXPECT_EQ(get("user:1", 20ms), "theirs");
}

TEST_F(Behind, RowsAreWrittenOnceWhereTheyAreAppended) {
  policy.append = true;
  open();
  EXPECT_EQ(put("user:1", "entry"), "(nil)");
  EXPECT_EQ(fact("user:1", "state"), "absent");
  EXPECT_EQ(get("user:1", 20ms), "entry");
  EXPECT_EQ(put("user:1", "again"), "!refused");
  EXPECT_EQ(write("user:1", Remove{}).text(), "!unsupported");
}

TEST_F(Behind, WhereTheJournalIsFullAWriteMayGoThroughAfterWhatIsPending) {
  policy.when_full = config::WhenFull::kThrough;
  counters();
  open();
  EXPECT_EQ(add("user:1", "5", 20ms), "5");
  disk.append_error = Error{ErrorCode::kOverloaded, "the journal is full"};
  auto through = write("user:1", Add{"n", "1", false});
  disk.append_error.reset();
  auto behind = write("user:1", Add{"n", "10", false});
  pass(0ms);
  EXPECT_FALSE(behind.answered());  // the key's writes keep their order
  pass(100ms);
  ASSERT_TRUE(through.answered() && through.result());
  EXPECT_EQ(through.result()->added, "6");
  ASSERT_TRUE(behind.answered() && behind.result());
  EXPECT_EQ(behind.result()->added, "16");
  EXPECT_EQ(source->rows["1"], "6");
  EXPECT_EQ(get("user:1", 0ms), "16");
  pass(2s);
  EXPECT_EQ(source->rows["1"], "16");
}

TEST_F(Behind, ASourceThatIsAwayAtTheStartGetsItsWritesWhenItIsBack) {
  source->ledger_error = Error{ErrorCode::kUnavailable, "connection refused"};
  open();
  EXPECT_EQ(put("user:1", "Ada"), "Ada");
  crash();
  EXPECT_EQ(get("user:1", 0ms), "Ada");
  EXPECT_EQ(put("user:2", "Eve"), "Eve");
  pass(5s);
  EXPECT_TRUE(source->rows.empty());
  source->ledger_error.reset();
  pass(5s);
  EXPECT_EQ(source->rows["1"], "Ada");
  EXPECT_EQ(source->rows["2"], "Eve");
  EXPECT_EQ(get("user:1", 0ms), "Ada");
}

TEST_F(Behind, WhatTheSourceHadBeforeTheRestartIsNotKeptAsACopy) {
  source->apply_takes = 1h;
  open();
  put("user:1", "mine");
  pass(1100ms);
  ASSERT_EQ(source->rows["1"], "mine");
  source->ledger_error = Error{ErrorCode::kUnavailable, "connection refused"};
  crash();
  source->apply_takes = 10ms;
  EXPECT_EQ(get("user:1", 0ms), "mine");  // the ledger is not known yet
  source->rows["1"] = "theirs";           // by another program, later than ours
  source->ledger_error.reset();
  pass(5s);
  EXPECT_EQ(get("user:1", 20ms), "theirs");
}

TEST_F(Behind, AnAdditionWhoseLoadWasFencedCountsOnce) {
  counters();
  source->rows["1"] = "5";
  open();
  auto writer = write("user:1", Add{"n", "2", false});
  dispatch();
  pass(5ms);
  invalidate("user:1");
  pass(20ms);
  EXPECT_EQ(writer.result()->added, "7");
  EXPECT_EQ(get("user:1", 20ms), "7");
  pass(3s);
  EXPECT_EQ(source->rows["1"], "7");
}

TEST_F(Behind, ACopyThatIsBetterThanWhatWasLoadedDoesNotHideAnAddition) {
  counters();
  policy.ttl = 1s;
  policy.stale_while_revalidate = 1h;
  source->proves = true;
  source->change_number = 10;
  source->rows["1"] = "5";
  open();
  EXPECT_EQ(get("user:1", 20ms), "5");
  pass(2s);
  source->change_number = 9;  // a replica that is behind
  EXPECT_EQ(add("user:1", "2", 20ms), "7");
  EXPECT_EQ(get("user:1", 20ms), "7");
}

TEST_F(Behind, AnAdditionFailsWithItsLoadAndLeavesNothing) {
  counters();
  open();
  source->load_error = Error{ErrorCode::kUnavailable, "down"};
  EXPECT_EQ(add("user:1", "1", 100ms), "!unavailable");
  EXPECT_EQ(disk.appended, 0u);
}

TEST_F(Behind, ARemovalIsSeenAtOnceAndARowThatIsMadeAgainToo) {
  source->rows["1"] = "old";
  open();
  EXPECT_EQ(get("user:1", 20ms), "old");
  auto removal = write("user:1", Remove{});
  pass(0ms);
  EXPECT_TRUE(removal.result()->existed);
  EXPECT_EQ(get("user:1", 20ms), "(nil)");
  EXPECT_EQ(source->rows["1"], "old");
  EXPECT_EQ(put("user:1", "new"), "new");
  EXPECT_EQ(get("user:1", 0ms), "new");
  pass(2s);
  EXPECT_EQ(source->rows["1"], "new");
}

TEST_F(Behind, AbsenceThatIsRememberedGivesWayToAWrite) {
  policy.negative_ttl = 10s;
  counters();
  open();
  EXPECT_EQ(get("user:1", 20ms), "(nil)");
  EXPECT_EQ(add("user:1", "3"), "3");
  EXPECT_EQ(get("user:1", 0ms), "3");
  EXPECT_EQ(source->calls(), 1u);
}

TEST_F(Behind, ExpiryForgetsNothingThatIsPending) {
  policy.ttl = 1s;
  policy.flush_every = 1h;
  counters();
  source->rows["1"] = "5";
  open();
  add("user:1", "2", 20ms);
  pass(5s);
  EXPECT_EQ(get("user:1", 20ms), "7");
  EXPECT_EQ(source->rows["1"], "5");
}

TEST_F(Behind, WritesWithoutAPlaceInTheConfigurationKeepItFromStarting) {
  open();
  put("user:1", "Ada");
  core.reset();
  scheduler.forget();
  model.namespaces.clear();
  policy.name = "person";
  Parts parts;
  parts.clock = &clock;
  parts.random = &random;
  parts.scheduler = &scheduler;
  parts.open_port = [this](const config::Source&) -> Result<std::shared_ptr<SourcePort>> { return source; };
  arrange(parts);
  model.namespaces = {policy};
  const auto opened = Core::open(model, std::move(parts));
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("1 for namespace 'user'"), std::string::npos)
      << opened.error().message;
}

}  // namespace
}  // namespace forebay::layer::test
