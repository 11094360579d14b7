#include "layer/layer_fixture.h"

namespace forebay::layer::test {
namespace {

class WritePath : public LayerTest {};

TEST_F(WritePath, ThroughPutsWhatTheSourceReturned) {
  open();
  auto writer = set("user:1", "Ada");
  pass(10ms);
  ASSERT_EQ(writer.text(), "Ada");
  EXPECT_FALSE(writer.result()->existed);
  EXPECT_EQ(source->rows["1"], "Ada");
  EXPECT_EQ(read("user:1").text(), "Ada");
  EXPECT_EQ(source->calls(), 0u);
}

TEST_F(WritePath, ARowsStringsAreToldApartFromWhatLooksTheSame) {
  policy.kind = ValueKind::kJson;
  policy.value_column = "";
  open();
  set("user:1", R"({"a":"12","b":12})");
  pass(10ms);
  EXPECT_EQ(source->last_upsert.fields, (Fields{{"a", "12"}, {"b", "12"}}));
  EXPECT_EQ(source->last_upsert.strings, (std::vector<bool>{true, false}));
}

TEST_F(WritePath, AroundWritesTheSourceAndDropsTheCopy) {
  policy.write = config::WriteStrategy::kAround;
  source->rows["1"] = "old";
  open();
  get("user:1");
  set("user:1", "new");
  pass(10ms);
  EXPECT_EQ(fact("user:1", "state"), "absent");
  EXPECT_EQ(get("user:1"), "new");
}

TEST_F(WritePath, AsideSetsTheCopyAndLeavesTheSourceAlone) {
  policy.write = config::WriteStrategy::kAside;
  source->rows["1"] = "db";
  open();
  auto writer = set("user:1", "mine");
  EXPECT_EQ(writer.text(), "mine");
  EXPECT_EQ(source->writes, 0u);
  EXPECT_EQ(read("user:1").text(), "mine");
}

TEST_F(WritePath, AsideRefusesWhatOnlyTheDatabaseCanDo) {
  policy.write = config::WriteStrategy::kAside;
  open();
  std::optional<Result<WriteAnswer>> answer;
  core->writes().write(core->at("user:1"), Remove{}, [&](auto result) { answer = std::move(result); });
  ASSERT_TRUE(answer && !*answer);
  EXPECT_EQ(answer->error().code, ErrorCode::kUnsupported);
}

TEST_F(WritePath, ARefusedWriteChangesNothingAnywhere) {
  source->rows["1"] = "Ada";
  open();
  get("user:1");
  source->write_error = Error{ErrorCode::kRefused, "CHECK constraint failed: name"};
  auto writer = set("user:1", "");
  pass(10ms);
  ASSERT_EQ(writer.text(), "!refused");
  EXPECT_NE(writer.result().error().message.find("CHECK"), std::string::npos);
  EXPECT_EQ(read("user:1").text(), "Ada");
  EXPECT_EQ(source->calls(), 1u);
}

TEST_F(WritePath, AnUnknownOutcomeCountsAsDone) {  // W4, X14
  source->rows["1"] = "old";
  open();
  get("user:1");
  source->write_error = Error{ErrorCode::kUnknownOutcome, "connection lost during COMMIT"};
  source->commit_despite_error = true;
  auto writer = set("user:1", "new");
  pass(10ms);
  EXPECT_EQ(writer.text(), "!unknown_outcome");
  EXPECT_EQ(fact("user:1", "state"), "absent");
  EXPECT_EQ(get("user:1"), "new");
}

TEST_F(WritePath, WritesOfOneKeyCommitAndStoreInOneOrder) {  // X1
  source->commit_takes = 50ms;
  source->write_takes = 60ms;
  open();
  auto first = set("user:1", "v1");
  source->commit_takes = 1ms;
  source->write_takes = 2ms;
  auto second = set("user:1", "v2");
  pass(10ms);
  EXPECT_FALSE(second.answered());
  pass(100ms);
  EXPECT_TRUE(first.answered());
  EXPECT_EQ(second.text(), "v2");
  EXPECT_EQ(source->rows["1"], "v2");
  EXPECT_EQ(read("user:1").text(), "v2");
}

// Somebody holds the row's lock for longer than a write may take.
TEST_F(WritePath, AWriteThatStandsInLineUntilItsTimeIsUpIsAnsweredAndNeverSent) {
  source_config.timeout = 1s;
  source->commit_takes = source->write_takes = 3s;
  source->write_error = Error{ErrorCode::kTimeout, "locked", ErrorScope::kCall};
  open();
  auto first = set("user:1", "v1");
  std::vector<Pending<WriteAnswer>> line;
  for (int i = 0; i < 1000; ++i) line.push_back(set("user:1", "v2"));
  auto other = set("user:2", "v");
  pass(1s);
  for (const auto& each : line) {
    ASSERT_EQ(each.text(), "!timeout");
    EXPECT_NE(each.result().error().message.find("nothing has changed"), std::string::npos);
  }
  EXPECT_FALSE(first.answered());
  pass(1500ms);
  auto later = set("user:1", "v3");
  source->write_error.reset();
  source->commit_takes = source->write_takes = 1ms;
  pass(1s);
  EXPECT_EQ(first.text(), "!timeout");
  EXPECT_EQ(later.text(), "v3");
  EXPECT_EQ(source->rows["1"], "v3");
  EXPECT_EQ(source->writes, 3u);
}

TEST_F(WritePath, AChangeReportedDuringAWriteKeepsItsValueOut) {  // X1 with a foreign writer
  open();
  set("user:1", "mine");
  pass(7ms);              // committed, not yet answered
  change("1", "theirs");  // another program, after our commit
  pass(10ms);
  EXPECT_EQ(get("user:1"), "theirs");
}

// Another program writes right after our commit and tells nobody; a reader is faster than our commit's answer.
TEST_F(WritePath, WhatAReaderLoadedDuringAWriteIsNotReplacedByAnOlderValue) {  // X1, C8
  source->commit_takes = 5ms;
  source->write_takes = 100ms;
  open();
  set("user:1", "mine");
  pass(10ms);
  source->rows["1"] = "theirs";
  EXPECT_EQ(get("user:1", 20ms), "theirs");
  pass(100ms);
  EXPECT_EQ(get("user:1"), "theirs");
  EXPECT_EQ(get("user:1"), "theirs");
}

TEST_F(WritePath, WhatAReaderLoadedDuringAWriteYieldsToWhatIsProvedToBeNewer) {
  source->proves = true;
  source->change_number = 1;
  source->commit_takes = 50ms;
  source->write_takes = 60ms;
  source->rows["1"] = "old";
  open();
  set("user:1", "mine");
  EXPECT_EQ(get("user:1", 20ms), "old");
  pass(60ms);
  const std::size_t loads = source->calls();
  EXPECT_EQ(get("user:1"), "mine");
  EXPECT_EQ(source->calls(), loads) << "it was stored";
}

TEST_F(WritePath, TheFeedsReportOfOurOwnWriteDoesNotDropItsValue) {
  source->proves = true;
  open();
  set("user:1", "mine");
  pass(7ms);
  core->invalidator().drop(core->at("user:1"), observe::Invalidation::kChange, {source->change_number, 0});
  pass(10ms);
  core->invalidator().drop(core->at("user:1"), observe::Invalidation::kChange, {source->change_number, 0});
  EXPECT_EQ(read("user:1").text(), "mine");
}

TEST_F(WritePath, APurgeDuringAWriteIsNotUndoneByIt) {
  open();
  set("user:1", "mine");
  pass(7ms);
  ASSERT_TRUE(core->keyspace().purge_namespace("user"));
  pass(10ms);
  EXPECT_EQ(fact("user:1", "state"), "absent");
}

TEST_F(WritePath, RemoveDeletesTheRowAndItsCopy) {
  source->rows["1"] = "Ada";
  open();
  get("user:1");
  std::optional<Result<WriteAnswer>> answer;
  core->writes().write(core->at("user:1"), Remove{}, [&](auto result) { answer = std::move(result); });
  pass(10ms);
  ASSERT_TRUE(answer && *answer);
  EXPECT_TRUE((*answer)->existed);
  EXPECT_EQ(get("user:1"), "(nil)");
}

TEST_F(WritePath, CountersAddInTheSource) {
  policy.kind = ValueKind::kCounter;
  policy.value_column = "views";
  source->rows["1"] = "41";
  open();
  std::optional<Result<WriteAnswer>> answer;
  core->writes().write(core->at("user:1"), Add{"views", "1", false},
                       [&](auto result) { answer = std::move(result); });
  pass(10ms);
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ((*answer)->added, "42");
  EXPECT_EQ(read("user:1").text(), "42");
}

TEST_F(WritePath, ReadsWithTheWritesTokenSeeIt) {  // R8 ryw, C1
  source->rows["1"] = "old";
  open();
  get("user:1");
  auto writer = set("user:1", "new");
  pass(10ms);
  auto reader = read("user:1", {Level::kReadYourWrites, writer.result()->token});
  EXPECT_EQ(reader.text(), "new");
  EXPECT_EQ(source->calls(), 1u);
}

TEST_F(WritePath, ATokenOfAnotherProcessMakesTheReadAskTheSource) {  // R8 ryw
  source->rows["1"] = "old";
  random = FixedRandom({5});
  open();
  get("user:1");
  source->rows["1"] = "new";
  auto reader = read("user:1", {Level::kReadYourWrites, (std::uint64_t{9} << 40) | 1});
  dispatch();
  pass(20ms);
  EXPECT_EQ(reader.text(), "new");
}

TEST_F(WritePath, AWriteInvalidatesKeysThatDependOnTheRow) {
  config::Namespace other = policy;
  other.name = "team";
  other.key.text = "team:{team}";
  other.key.literals = {"team:", ""};
  other.key.fields = {"team"};
  other.table.clear();
  other.query = "SELECT 1 WHERE {team}";
  other.write = config::WriteStrategy::kAside;
  other.depends_on = {{"users", {}}};
  model.namespaces.push_back(other);
  source->rows["red"] = "3 people";
  open();
  EXPECT_EQ(get("team:red"), "3 people");
  set("user:1", "Ada");
  pass(10ms);
  EXPECT_EQ(fact("team:red", "state"), "absent");
}

}  // namespace
}  // namespace forebay::layer::test
