// Writes behind that are asked for again by their op-id.

#include <gmock/gmock.h>

#include "layer/layer_fixture.h"
#include "support/memory_journal.h"

namespace forebay::layer::test {
namespace {

using forebay::test::MemoryJournal;
using testing::HasSubstr;

class Once : public LayerTest {
 protected:
  Once() {
    policy.write = config::WriteStrategy::kBehind;
    policy.flush_every = 1s;
    policy.kind = ValueKind::kCounter;
    policy.value_column = "n";
    model.journal.path = "journal";
    disk.clock = &clock;
  }
  void arrange(Parts& parts) override {
    parts.open_journal = [this](const config::Journal&) -> Result<OpenedJournal> {
      auto made = std::make_unique<MemoryJournal>(disk, scheduler);
      journal = made.get();
      return OpenedJournal{std::move(made), disk.ops, disk.applied, disk.receipts};
    };
    parts.run_blocking = [this](Task task) { scheduler.post(std::move(task)); };
  }
  Pending<WriteAnswer> ask(const std::string& id, const std::string& key, Write what) {
    Pending<WriteAnswer> pending;
    in_effect = core->writes().write(
        core->at(key), std::move(what),
        [reply = pending.reply](Result<WriteAnswer> answer) { reply->emplace(std::move(answer)); }, {id});
    dispatch();
    return pending;
  }
  Pending<WriteAnswer> ask_add(const std::string& id, const std::string& key, int amount = 1) {
    return ask(id, key, Add{policy.value_column, std::to_string(amount), false});
  }
  // The answer in words: "new" or "again", the number or nothing, and whether there was a row.
  static std::string words(const Pending<WriteAnswer>& pending) {
    if (!pending.answered()) return "…";
    if (!pending.result()) return std::string(to_string(pending.result().error().code));
    const WriteAnswer& answer = *pending.result();
    return (answer.repeated ? "again " : "new ") + answer.added.value_or("-") +
           (answer.existed ? " row" : "");
  }
  std::string add(const std::string& id, const std::string& key, int amount = 1, Duration within = 20ms) {
    auto pending = ask_add(id, key, amount);
    pass(within);
    return words(pending);
  }
  std::string once(const std::string& id, const std::string& key, Write what) {
    auto pending = ask(id, key, std::move(what));
    pass(20ms);
    return words(pending);
  }
  std::string set(const std::string& id, const std::string& key, const std::string& value) {
    return once(id, key, Upsert{{{policy.value_column, value}}});
  }
  void crash() {
    core.reset();
    scheduler.forget();
    source->running = 0;
    model.namespaces.clear();
    open();
  }

  MemoryJournal::Disk disk;
  MemoryJournal* journal = nullptr;
  bool in_effect = false;
};

TEST_F(Once, ARepeatWritesNothingAndIsAnsweredAsTheFirst) {
  source->rows["1"] = "5";
  open();
  EXPECT_EQ(add("a", "user:1"), "new 6 row");
  EXPECT_EQ(add("b", "user:1"), "new 7 row");
  EXPECT_EQ(add("a", "user:1"), "again 6 row");
  EXPECT_TRUE(in_effect);
  EXPECT_EQ(add("a", "user:1"), "again 6 row");
  EXPECT_EQ(set("c", "user:2", "40"), "new -");
  EXPECT_EQ(set("d", "user:2", "50"), "new - row");
  EXPECT_EQ(set("c", "user:2", "40"), "again -");
  EXPECT_EQ(once("e", "user:2", Remove{}), "new - row");
  EXPECT_EQ(once("e", "user:2", Remove{}), "again - row");
  EXPECT_EQ(disk.appended, 5u);
  EXPECT_EQ(get("user:1"), "7");
  EXPECT_EQ(core->statistics().collect().journal->op_ids, 5u);
  EXPECT_EQ(core->statistics().collect().journal->repeats, 4u);
  pass(2s);
  EXPECT_EQ(source->rows["1"], "7");
  EXPECT_EQ(add("a", "user:1"), "again 6 row");  // wherever it is by now
  EXPECT_EQ(disk.appended, 5u);
}

TEST_F(Once, AReplyGivenAgainReadsItsOwnWriteToo) {
  open();
  EXPECT_EQ(add("a", "user:1"), "new 1");
  const auto again = ask_add("a", "user:1");
  pass(20ms);
  ASSERT_TRUE(again.answered() && again.result());
  EXPECT_FALSE(again.result()->value);
  const auto answer = read("user:1", {Level::kReadYourWrites, again.result()->token});
  dispatch();
  pass(1s);
  EXPECT_EQ(answer.text(), "1");
}

TEST_F(Once, ARepeatIsNotAnsweredBeforeTheFirstIsKept) {
  source->rows["1"] = "5";
  disk.keeps = false;
  open();
  const auto first = ask_add("a", "user:1");
  pass(20ms);
  const auto again = ask_add("a", "user:1");
  pass(1s);
  EXPECT_EQ(words(first), "…");
  EXPECT_EQ(words(again), "…");
  journal->answer(Error{ErrorCode::kUnknownOutcome, "the journal's disk failed"});
  EXPECT_EQ(words(first), "unknown_outcome");
  EXPECT_EQ(words(again), "unknown_outcome");
  const auto third = ask_add("a", "user:1");
  journal->answer({});
  EXPECT_EQ(words(third), "again 6 row");
  EXPECT_EQ(disk.appended, 1u);
  EXPECT_EQ(core->statistics().collect().journal->repeats, 1u);
}

TEST_F(Once, AnotherWriteWithTheSameIdIsRefused) {
  open();
  EXPECT_EQ(add("a", "user:1"), "new 1");
  EXPECT_EQ(add("a", "user:1", 2), "conflict");
  EXPECT_EQ(add("a", "user:2"), "conflict");
  EXPECT_EQ(set("a", "user:1", "1"), "conflict");
  EXPECT_EQ(once("a", "user:1", Remove{}), "conflict");
  EXPECT_EQ(disk.appended, 1u);
  EXPECT_EQ(add("a", "user:1"), "again 1");
}

TEST_F(Once, AWriteThatWasRefusedLeavesItsIdFree) {
  source->rows["1"] = "many";
  open();
  EXPECT_EQ(add("a", "user:1"), "refused");
  EXPECT_EQ(add("a", "user:2"), "new 1");
  EXPECT_EQ(once("d", "user:3", Update{{{"n", "5"}}, true}), "new -");
  source->unknown_column = "n";
  EXPECT_EQ(once("b", "user:3", Update{{{"n", "6"}}, true}), "invalid_argument");
  EXPECT_EQ(once("d", "user:3", Update{{{"n", "5"}}, true}),
            "again -");  // it had been taken before the column went
  source->unknown_column.clear();
  disk.append_error = Error{ErrorCode::kOverloaded, "the journal is full"};
  EXPECT_EQ(add("b", "user:2"), "overloaded");
  disk.append_error.reset();
  EXPECT_EQ(add("b", "user:2", 10), "new 11 row");
  source->load_error = Error{ErrorCode::kUnavailable, "away"};
  EXPECT_EQ(add("c", "user:4", 1, 5s), "unavailable");
  source->load_error.reset();
  pass(60s);
  EXPECT_EQ(add("c", "user:4", 7, 5s), "new 7");
  EXPECT_EQ(core->statistics().collect().journal->op_ids, 4u);
}

TEST_F(Once, OfTwoThatWaitForALoadOneIsWrittenAndBothAreAnswered) {
  source->rows["1"] = "5";
  open();
  const auto one = ask_add("a", "user:1");
  const auto two = ask_add("a", "user:1");
  EXPECT_FALSE(in_effect);
  pass(1s);
  EXPECT_EQ(words(one), "new 6 row");
  EXPECT_EQ(words(two), "again 6 row");
  EXPECT_EQ(disk.appended, 1u);
  EXPECT_EQ(get("user:1"), "6");
  pass(2s);
  EXPECT_EQ(source->rows["1"], "6");
}

TEST_F(Once, OfTwoKeysThatWaitForTheirLoadsWithOneIdTheFirstHasIt) {
  source->rows["1"] = "5";
  open();
  const auto one = ask_add("a", "user:1");
  const auto two = ask_add("a", "user:2");
  pass(1s);
  EXPECT_EQ(words(one), "new 6 row");
  EXPECT_EQ(words(two), "conflict");
  EXPECT_EQ(disk.appended, 1u);
}

TEST_F(Once, OfTwoThatWaitForAWriteThroughOneIsWritten) {
  policy.when_full = config::WhenFull::kThrough;
  source->rows["1"] = "5";
  open();
  disk.append_error = Error{ErrorCode::kOverloaded, "the journal is full"};
  auto through = write("user:1", Upsert{{{"n", "10"}}});
  disk.append_error.reset();
  const auto one = ask_add("a", "user:1");
  const auto two = ask_add("a", "user:1");
  EXPECT_EQ(words(one), "…");
  pass(1s);
  EXPECT_TRUE(through.answered());
  EXPECT_EQ(words(one), "new 11 row");
  EXPECT_EQ(words(two), "again 11 row");
  EXPECT_EQ(disk.appended, 1u);
}

TEST_F(Once, WhatTheJournalHasNoRoomForIsRefusedAndDoesNotGoThrough) {
  policy.when_full = config::WhenFull::kThrough;
  open();
  disk.append_error = Error{ErrorCode::kOverloaded, "the journal is full"};
  EXPECT_EQ(set("a", "user:1", "10"), "overloaded");
  const auto now =
      core->writes().write_at_once(core->at("user:1"), Upsert{{{"n", "10"}}}, clock.now(), {"a"});
  ASSERT_TRUE(now);
  EXPECT_EQ(now->error().code, ErrorCode::kOverloaded);
  EXPECT_EQ(source->writes, 0u);
}

TEST_F(Once, AnIdIsKnownAfterARestartIfItsWriteIs) {
  source->rows["1"] = "5";
  open();
  EXPECT_EQ(add("a", "user:1"), "new 6 row");
  EXPECT_EQ(set("b", "user:2", "40"), "new -");
  pass(2s);  // flushed and trimmed
  EXPECT_TRUE(disk.ops.empty());
  EXPECT_EQ(add("c", "user:1"), "new 7 row");
  crash();
  EXPECT_EQ(add("a", "user:1"), "again 6 row");
  EXPECT_EQ(set("b", "user:2", "40"), "again -");
  EXPECT_EQ(add("c", "user:1"), "again 7 row");
  EXPECT_EQ(add("a", "user:2"), "conflict");
  EXPECT_EQ(add("d", "user:1"), "new 8 row");
  // The crash takes that one.
  disk.ops.pop_back();
  disk.receipts.pop_back();
  crash();
  EXPECT_EQ(add("d", "user:1", 1, 1s), "new 8 row");
  pass(2s);
  EXPECT_EQ(source->rows["1"], "8");
}

TEST_F(Once, AJournalWithADamagedReceiptIsNotUsed) {
  disk.receipts.push_back({1, 0, "?"});
  model.sources = {source_config};
  model.namespaces = {policy};
  Parts parts;
  arrange(parts);
  parts.clock = &clock;
  parts.scheduler = &scheduler;
  parts.open_port = [this](const config::Source&) -> Result<std::shared_ptr<SourcePort>> { return source; };
  const auto opened = Core::open(model, std::move(parts));
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("receipt of op 1"));
}

TEST_F(Once, AnIdIsForgottenWhenItsTimeIsUp) {
  model.journal.remember = 10min;
  open();
  EXPECT_EQ(add("a", "user:1"), "new 1");
  pass(9min);
  EXPECT_EQ(add("a", "user:1"), "again 1");
  crash();
  EXPECT_EQ(add("a", "user:1"), "again 1");
  pass(59s);
  EXPECT_EQ(add("a", "user:1"), "again 1");
  pass(1s);
  EXPECT_EQ(add("a", "user:1", 5, 1s), "new 6 row");
  EXPECT_EQ(add("a", "user:1", 5), "again 6 row");
}

TEST_F(Once, BeyondMaxIdsNewOnesAreRefusedAndOldOnesAnswered) {
  model.journal.max_ids = 2;
  open();
  EXPECT_EQ(add("a", "user:1"), "new 1");
  EXPECT_EQ(add("b", "user:1"), "new 2 row");
  EXPECT_EQ(add("c", "user:1"), "overloaded");
  EXPECT_EQ(add("a", "user:1"), "again 1");
  EXPECT_EQ(get("user:1"), "2");
  pass(1h);
  EXPECT_EQ(add("c", "user:1", 1, 1s), "new 3 row");
}

TEST_F(Once, TheShortWayTakesANewIdAndLeavesAKnownOneToTheLongOne) {
  source->rows["1"] = "5";
  open();
  const auto now = [&](const std::string& id, const Write& what) {
    return core->writes().write_at_once(core->at("user:1"), what, clock.now(), {id});
  };
  const Write one_more = Add{"n", "1", false};
  EXPECT_FALSE(now("a", one_more));  // it has to be loaded
  EXPECT_EQ(core->statistics().collect().journal->op_ids, 0u);
  EXPECT_EQ(get("user:1"), "5");
  const auto first = now("a", one_more);
  ASSERT_TRUE(first && *first);
  EXPECT_EQ((*first)->added, "6");
  EXPECT_NE((*first)->ticket, 0u);
  EXPECT_FALSE(now("a", one_more));
  EXPECT_EQ(add("a", "user:1"), "again 6 row");
  const auto other = now("a", Remove{});
  ASSERT_TRUE(other);
  EXPECT_EQ(other->error().code, ErrorCode::kConflict);
  const auto value = core->writes().write_value_at_once(core->at("user:1"), "9", clock.now(), {"b"});
  ASSERT_TRUE(value && *value);
  EXPECT_EQ(set("b", "user:1", "9"), "again - row");
  EXPECT_EQ(disk.appended, 2u);
}

TEST_F(Once, WhatAsksForNoDurabilityIsRememberedToo) {
  policy.durability = config::Durability::kNone;
  open();
  EXPECT_EQ(set("a", "user:1", "5"), "new -");
  EXPECT_EQ(set("a", "user:1", "5"), "again -");
  crash();
  EXPECT_EQ(set("a", "user:1", "5"), "again -");
}

TEST_F(Once, OnlyWritesBehindAreTakenButWhatWasOneIsAnswered) {
  open();
  EXPECT_EQ(add("a", "user:1"), "new 1");
  pass(2s);
  model.namespaces.at(0).write = config::WriteStrategy::kThrough;
  ASSERT_TRUE(core->configuration().reload(model));
  EXPECT_EQ(add("a", "user:1"), "again 1");
  EXPECT_EQ(add("b", "user:1"), "unsupported");
  EXPECT_THAT(ask_add("b", "user:1").result().error().message, HasSubstr("namespace 'user' are not"));
  EXPECT_EQ(add("b", "plain"), "unsupported");
  model.namespaces.at(0).write = config::WriteStrategy::kAside;
  ASSERT_TRUE(core->configuration().reload(model));
  EXPECT_EQ(set("c", "user:1", "1"), "unsupported");
  Pending<WriteAnswer> value;
  core->writes().write_value(
      core->at("user:1"), "1",
      [reply = value.reply](Result<WriteAnswer> answer) { reply->emplace(std::move(answer)); }, {"c"});
  EXPECT_EQ(words(value), "unsupported");
  EXPECT_EQ(source->rows["1"], "1");
}

TEST_F(Once, RowsThatAreAppendedAreTakenOnce) {
  policy.append = true;
  policy.kind = ValueKind::kText;
  open();
  EXPECT_EQ(set("a", "user:1", "x"), "new -");
  EXPECT_EQ(set("a", "user:1", "x"), "again -");
  pass(2s);
  EXPECT_EQ(source->rows["1"], "x");
}

TEST_F(Once, WithoutAJournalThereIsNothingToRememberItIn) {
  model.journal.path.clear();
  policy.write = config::WriteStrategy::kThrough;
  open();
  EXPECT_EQ(add("a", "user:1"), "unsupported");
  EXPECT_FALSE(core->statistics().collect().journal);
}

TEST_F(Once, WhereNothingIsRememberedNoIdIsTaken) {
  model.journal.remember = 0ms;
  open();
  EXPECT_EQ(add("a", "user:1"), "unsupported");
  EXPECT_EQ(disk.appended, 0u);
  EXPECT_EQ(add("", "user:1"), "new 1");
}

}  // namespace
}  // namespace forebay::layer::test
