// The fence: what a load read before an invalidation or a write is stored nowhere. Names in brackets are the
// rules of the consistency specification.

#include "layer/layer_fixture.h"

namespace forebay::layer::test {
namespace {

class Fence : public LayerTest {};

TEST_F(Fence, AForegroundLoadThatBeganBeforeAnInvalidationIsNotStored) {  // X2, R6
  source->rows["1"] = "old";
  open();
  auto before = read("user:1");
  dispatch();
  pass(5ms);
  change("1", "new");
  pass(5ms);
  EXPECT_EQ(before.text(), "old");  // it joined before the change
  EXPECT_EQ(fact("user:1", "miss_cause"), "fenced");
  EXPECT_EQ(stats().fenced, 1u);
  EXPECT_EQ(get("user:1"), "new");
}

TEST_F(Fence, AReaderAfterTheInvalidationStartsANewLoad) {  // X7, L5
  source->rows["1"] = "old";
  open();
  auto before = read("user:1");
  dispatch();
  pass(5ms);
  change("1", "new");
  auto after = read("user:1");
  dispatch();
  pass(5ms);
  EXPECT_EQ(before.text(), "old");
  EXPECT_FALSE(after.answered());
  pass(5ms);
  EXPECT_EQ(after.text(), "new");
  EXPECT_EQ(read("user:1").text(), "new");
}

TEST_F(Fence, ASlowOldLoadDoesNotOverwriteTheNewOne) {  // X8
  source->rows["1"] = "old";
  source->load_takes = 100ms;
  open();
  read("user:1");
  dispatch();
  pass(1ms);
  change("1", "new");
  source->load_takes = 10ms;
  EXPECT_EQ(get("user:1", 20ms), "new");
  pass(200ms);
  EXPECT_EQ(read("user:1").text(), "new");
}

TEST_F(Fence, ABackgroundRevalidationIsFenced) {
  policy.stale_while_revalidate = 60s;
  source->rows["1"] = "old";
  open();
  get("user:1", 10ms);
  pass(11s);
  EXPECT_EQ(read("user:1").text(), "old");
  dispatch();
  change("1", "new");
  pass(20ms);
  EXPECT_EQ(fact("user:1", "state"), "absent");
  EXPECT_EQ(get("user:1"), "new");
}

TEST_F(Fence, ARefreshAheadIsFenced) {
  policy.refresh_ahead = 0.5;
  source->rows["1"] = "old";
  open();
  get("user:1", 10ms);
  pass(6s);
  EXPECT_EQ(read("user:1").text(), "old");
  dispatch();
  change("1", "new");
  pass(20ms);
  EXPECT_EQ(get("user:1"), "new");
}

TEST_F(Fence, OneKeyOfABatchIsFencedAndTheOthersAreStored) {
  source->rows = {{"1", "old"}, {"2", "two"}};
  open();
  auto one = read("user:1");
  auto two = read("user:2");
  dispatch();
  ASSERT_EQ(source->calls(), 1u);
  change("1", "new");
  pass(20ms);
  EXPECT_EQ(fact("user:1", "state"), "absent");
  EXPECT_EQ(fact("user:2", "state"), "fresh");
}

TEST_F(Fence, AWarmingLoadIsFenced) {
  source->rows["1"] = "old";
  open();
  core->warmer().warm({"user:1"}, [](auto) {});
  dispatch();
  change("1", "new");
  pass(20ms);
  EXPECT_EQ(get("user:1"), "new");
}

TEST_F(Fence, ALoadThatOutlivesItsReadersTimeoutIsFenced) {  // R7
  policy.timeout = 20ms;
  source->load_takes = 100ms;
  source->rows["1"] = "old";
  open();
  auto reader = read("user:1");
  dispatch();
  pass(50ms);
  EXPECT_EQ(reader.text(), "!timeout");
  change("1", "new");
  pass(100ms);
  EXPECT_EQ(fact("user:1", "state"), "absent");
}

TEST_F(Fence, AnAbsenceThatWasReadBeforeAnInsertIsNotRemembered) {  // T5
  policy.negative_ttl = 30s;
  open();
  auto before = read("user:1");
  dispatch();
  pass(5ms);
  change("1", "new");
  pass(10ms);
  EXPECT_EQ(before.text(), "(nil)");
  EXPECT_EQ(get("user:1"), "new");
}

TEST_F(Fence, ALoadThatHasNotStartedReadsTheNewValueAndIsKept) {
  source->connections = 1;
  source->batches = false;
  source->rows = {{"0", "zero"}, {"1", "old"}};
  open();
  read("user:0");
  auto waiting = read("user:1");
  dispatch();
  change("1", "new");
  pass(20ms);
  EXPECT_EQ(waiting.text(), "new");
  EXPECT_EQ(fact("user:1", "state"), "fresh");
  EXPECT_EQ(source->calls(), 2u);
}

TEST_F(Fence, PurgingTheNamespaceFencesItsLoads) {  // T1, T2
  source->rows["1"] = "old";
  open();
  auto before = read("user:1");
  dispatch();
  source->rows["1"] = "new";
  ASSERT_TRUE(core->keyspace().purge_namespace("user"));
  auto after = read("user:1");
  dispatch();
  pass(20ms);
  EXPECT_EQ(before.text(), "old");
  EXPECT_EQ(after.text(), "new");
  EXPECT_EQ(read("user:1").text(), "new");
}

TEST_F(Fence, PurgingEverythingFencesLoadsAndDropsEntries) {
  source->rows = {{"1", "old"}, {"2", "two"}};
  open();
  get("user:2");
  read("user:1");
  dispatch();
  core->invalidator().drop_everything();
  pass(20ms);
  EXPECT_EQ(fact("user:1", "state"), "absent");
  EXPECT_EQ(fact("user:2", "state"), "absent");
}

TEST_F(Fence, AWriteFencesTheLoadsThatReadBeforeItsCommit) {
  source->rows["1"] = "old";
  source->load_takes = 50ms;
  open();
  auto reader = read("user:1");
  dispatch();
  auto writer = set("user:1", "new");
  pass(10ms);
  EXPECT_EQ(writer.text(), "new");
  EXPECT_EQ(read("user:1").text(), "new");  // readers see it at once
  pass(100ms);
  EXPECT_EQ(reader.text(), "old");
  EXPECT_EQ(read("user:1").text(), "new");
}

TEST_F(Fence, ALoadThatBeganDuringAWriteIsFencedAtItsCommit) {
  source->rows["1"] = "old";
  source->commit_takes = 20ms;
  source->write_takes = 30ms;
  source->load_takes = 100ms;
  open();
  set("user:1", "new");
  pass(5ms);
  read("user:1");
  dispatch();
  pass(200ms);
  EXPECT_EQ(read("user:1").text(), "new");
}

TEST_F(Fence, FreshReadersDoNotJoinALoadThatBeganBeforeTheyArrived) {  // R8
  source->rows["1"] = "old";
  open();
  auto any = read("user:1");
  dispatch();
  pass(5ms);
  source->rows["1"] = "new";  // nobody tells Forebay
  auto fresh = read("user:1", {Level::kFresh, 0});
  dispatch();
  pass(20ms);
  EXPECT_EQ(any.text(), "old");
  EXPECT_EQ(fresh.text(), "new");
  EXPECT_EQ(read("user:1").text(), "new");
}

TEST_F(Fence, AFreshReadPassesByAFreshEntryAndGetsErrorsInsteadOfStaleCopies) {  // R8, R9
  policy.stale_if_error = 60s;
  source->rows["1"] = "old";
  open();
  get("user:1");
  source->rows["1"] = "new";
  auto fresh = read("user:1", {Level::kFresh, 0});
  dispatch();
  pass(20ms);
  EXPECT_EQ(fresh.text(), "new");
  source->load_error = Error{ErrorCode::kUnavailable, "down"};
  auto failing = read("user:1", {Level::kFresh, 0});
  dispatch();
  pass(20ms);
  EXPECT_EQ(failing.text(), "!unavailable");
}

TEST_F(Fence, StaleCopiesAreNotServedAfterAnInvalidation) {  // R9
  policy.stale_while_revalidate = 60s;
  policy.stale_if_error = 60s;
  source->rows["1"] = "old";
  open();
  get("user:1", 10ms);
  pass(11s);
  change("1", "new");
  source->load_error = Error{ErrorCode::kUnavailable, "down"};
  EXPECT_EQ(get("user:1"), "!unavailable");
}

TEST_F(Fence, ACallWhoseResultNobodyCanUseIsCancelled) {
  policy.timeout = 20ms;
  source->load_takes = 1s;
  source->rows["1"] = "old";
  open();
  read("user:1");
  dispatch();
  pass(30ms);  // nobody waits any more, but the value would be stored
  EXPECT_FALSE(source->cancels[0]->cancelled());
  change("1", "new");
  pass(1ms);
  EXPECT_TRUE(source->cancels[0]->cancelled());
}

TEST_F(Fence, ACopyThatIsProvedToIncludeTheChangeStays) {  // D3, evidence SEQ
  source->proves = true;
  source->rows["1"] = "new";
  source->change_number = 7;
  open();
  get("user:1");
  core->invalidator().drop(core->at("user:1"), observe::Invalidation::kChange, {7, 0});
  EXPECT_EQ(fact("user:1", "state"), "fresh");
  core->invalidator().drop(core->at("user:1"), observe::Invalidation::kChange, {8, 0});
  EXPECT_EQ(fact("user:1", "state"), "absent");
}

}  // namespace
}  // namespace forebay::layer::test
