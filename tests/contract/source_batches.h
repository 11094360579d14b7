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
    execute("DROP TABLE IF EXISTS forebay_owner");
    dataset_ = open(views());
    ASSERT_NE(dataset_, nullptr);
    auto positions = database_->source().ledger()->open("j", 2, patient());
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
  void add(WriteBatch& to, std::string key, std::vector<Write> writes,
           std::optional<DeadId> revives = std::nullopt) const {
    to.writes.push_back({dataset_.get(), {std::move(key)}, std::move(writes), std::move(revives)});
  }
  static std::vector<std::size_t> refused(const BatchOutcome& outcome) {
    std::vector<std::size_t> places;
    for (const auto& refusal : outcome.refused) places.push_back(refusal.write);
    return places;
  }
  // Takes what was refused out of the batch and puts it aside: write i has the number i + 1.
  static void set_aside_refused(WriteBatch& from, const BatchOutcome& outcome) {
    for (auto refusal = outcome.refused.rbegin(); refusal != outcome.refused.rend(); ++refusal) {
      const auto at = from.writes.begin() + static_cast<std::ptrdiff_t>(refusal->write);
      from.dead.push_back(letter(from.after + refusal->write + 1, at->key.front(), refusal->error.message));
      from.writes.erase(at);
    }
  }
  static DeadLetter letter(std::uint64_t seq, const std::string& key, std::string error = "why") {
    return {{"j", 1, seq}, "views", "views:" + key, "operation " + std::to_string(seq), std::move(error), ""};
  }
  // The ledger comes to the last of these numbers, and each of them is a dead letter.
  void put_aside(const std::vector<std::uint64_t>& seqs) {
    WriteBatch first = batch(0, seqs.back());
    for (const std::uint64_t seq : seqs) first.dead.push_back(letter(seq, std::to_string(seq)));
    const auto outcome = apply(first);
    ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  }
  std::uint64_t position() {
    auto positions = database_->source().ledger()->open("j", 2, patient());
    EXPECT_TRUE(positions.has_value());
    return positions ? positions->back() : 0;
  }
  // `views` takes no negative numbers.
  void checked_views() {
    execute("DROP TABLE views");
    execute("CREATE TABLE views(name " + key_type() + " PRIMARY KEY, n bigint CHECK (n >= 0), label text)");
    dataset_ = open(views());
  }
  static DatasetSpec rows_spec() {
    DatasetSpec spec = items();
    spec.table = "views";
    return spec;
  }
  Result<BatchOutcome> apply(const WriteBatch& what) {
    return database_->source().ledger()->apply(what, patient());
  }
  std::string value(const std::string& name) {
    return ask("SELECT n FROM views WHERE name = '" + name + "'");
  }

  std::unique_ptr<Dataset> dataset_;
};

TEST_P(SourceBatches, AreAppliedInOrderAndMoveTheLedger) {
  WriteBatch first = batch(0, 7);
  add(first, "a", {Add{"n", "5"}});
  add(first, "b", {Upsert{{{"n", "3"}}}});
  add(first, "a", {Add{"n", "1"}});
  add(first, "c", {Upsert{{{"n", "9"}}}});
  add(first, "c", {Remove{}});
  const auto outcome = apply(first);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  ASSERT_EQ(outcome->written.size(), 5u);
  EXPECT_EQ(outcome->written[2]->after.value, "6");
  EXPECT_EQ(value("a"), "6");
  EXPECT_EQ(value("b"), "3");
  EXPECT_EQ(rows("views"), "2");
  auto positions = database_->source().ledger()->open("j", 2, patient());
  ASSERT_TRUE(positions.has_value());
  EXPECT_EQ(*positions, (std::vector<std::uint64_t>{0, 7}));
  // Another journal has a ledger of its own.
  positions = database_->source().ledger()->open("k", 1, patient());
  ASSERT_TRUE(positions.has_value());
  EXPECT_EQ(*positions, (std::vector<std::uint64_t>{0}));
}

TEST_P(SourceBatches, TheSameBatchAgainIsNotAppliedAgain) {  // J4, J5
  WriteBatch first = batch(0, 3);
  add(first, "a", {Add{"n", "5"}});
  ASSERT_TRUE(apply(first).has_value());
  const auto again = apply(first);
  ASSERT_TRUE(again.has_value());
  EXPECT_TRUE(again->written.empty());
  EXPECT_EQ(value("a"), "5");
}

TEST_P(SourceBatches, ABatchThatDoesNotFollowTheLedgerIsAConflict) {  // J10
  WriteBatch later = batch(3, 5);
  add(later, "a", {Add{"n", "5"}});
  const auto outcome = apply(later);
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, ErrorCode::kConflict);
  EXPECT_EQ(rows("views"), "0");
}

TEST_P(SourceBatches, SeveralWritesOfAKeyAreAppliedInTheirOrder) {
  auto rows_of_views = open(rows_spec());
  ASSERT_NE(rows_of_views, nullptr);
  execute("INSERT INTO views VALUES ('a', 1, 'old')");
  WriteBatch first = batch(0, 9);
  add(first, "a", {Upsert{{{"n", "3"}}}, Add{"n", "4"}, Add{"n", "-9"}});
  first.writes.push_back({rows_of_views.get(), {"b"}, {Remove{}, Upsert{{{"label", "x"}}}, Add{"n", "2"}}});
  first.writes.push_back({rows_of_views.get(), {"a"}, {Remove{}, Upsert{{{"n", "8"}}}}});
  const auto outcome = apply(first);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  ASSERT_EQ(outcome->written.size(), 3u);
  EXPECT_EQ(outcome->written[0]->after.value, "-2");
  EXPECT_EQ(outcome->written[1]->after.value, R"({"name":"b","n":2,"label":"x"})");
  EXPECT_EQ(outcome->written[2]->after.value, R"({"name":"a","n":8,"label":null})");
  EXPECT_EQ(value("a"), "8");
  EXPECT_EQ(ask("SELECT label FROM views WHERE name = 'a'"), "");
}

TEST_P(SourceBatches, EveryRefusedWriteIsNamedAndNothingHasChanged) {  // J7
  checked_views();
  WriteBatch first = batch(0, 9);
  add(first, "a", {Add{"n", "5"}});
  add(first, "b", {Add{"n", "-1"}});
  add(first, "c", {Add{"n", "2"}});
  add(first, "d", {Add{"n", "7"}, Add{"n", "-8"}});  // all or none
  add(first, "b", {Add{"n", "1"}, Add{"n", "-1"}});  // without the second write it can be done
  auto outcome = apply(first);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_EQ(refused(*outcome), (std::vector<std::size_t>{1, 3}));
  for (const auto& refusal : outcome->refused) {
    EXPECT_EQ(refusal.error.code, ErrorCode::kRefused);
    EXPECT_NE(refusal.error.message.find("views"), std::string::npos) << refusal.error.message;
    EXPECT_FALSE(refusal.early);
  }
  EXPECT_TRUE(outcome->written.empty());
  EXPECT_EQ(rows("views"), "0");
  EXPECT_EQ(rows("forebay_dead"), "0");
  EXPECT_EQ(position(), 0u);

  set_aside_refused(first, *outcome);
  outcome = apply(first);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_TRUE(outcome->refused.empty());
  EXPECT_EQ(outcome->written.size(), 3u);
  EXPECT_EQ(rows("views"), "3");
  EXPECT_EQ(position(), 9u);
  EXPECT_EQ(rows("forebay_dead"), "2");
  EXPECT_EQ(ask("SELECT \"key\" FROM forebay_dead WHERE journal = 'j' AND lane = 1 AND seq = 2"), "views:b");
  EXPECT_EQ(ask("SELECT operation FROM forebay_dead WHERE seq = 4"), "operation 4");
  EXPECT_NE(ask("SELECT error FROM forebay_dead WHERE seq = 4"), "");
  EXPECT_NE(ask("SELECT at FROM forebay_dead WHERE seq = 4"), "");
}

TEST_P(SourceBatches, WhatCannotBeARowIsRefusedToo) {
  WriteBatch first = batch(0, 9);
  add(first, "a", {Upsert{{{"colour", "red"}}}});
  add(first, "b", {Upsert{{{"n", "many"}}}});
  add(first, "c", {Add{"n", "1"}});
  add(first, "d", {Add{"n", "one"}});
  add(first, "e", {Upsert{{{"n", "9223372036854775807"}}}, Add{"n", "1"}});
  const auto outcome = apply(first);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_EQ(refused(*outcome), (std::vector<std::size_t>{0, 1, 3, 4}));
  EXPECT_EQ(rows("views"), "0");
}

TEST_P(SourceBatches, AnInsertIsRefusedWhereTheRowExists) {
  execute("INSERT INTO views VALUES ('a', 1, 'old')");
  WriteBatch first = batch(0, 2);
  add(first, "a", {Upsert{.fields = {{"n", "2"}}, .insert = true}});
  add(first, "b", {Upsert{.fields = {{"n", "2"}}, .insert = true}});
  add(first, "b", {Upsert{.fields = {{"n", "3"}}, .insert = true}});
  auto outcome = apply(first);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_EQ(refused(*outcome), (std::vector<std::size_t>{0, 2}));
  EXPECT_EQ(outcome->refused.front().error.code, ErrorCode::kRefused);
  set_aside_refused(first, *outcome);
  outcome = apply(first);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_EQ(value("a"), "1");
  EXPECT_EQ(value("b"), "2");
  // In a transaction of its own as well.
  const Upsert once{.fields = {{"n", "5"}}, .insert = true};
  EXPECT_EQ(write_error(*dataset_, {"a"}, once).code, ErrorCode::kRefused);
  EXPECT_EQ(write(*dataset_, {"c"}, once).after.value, "5");
}

TEST_P(SourceBatches, ARevivedDeadLetterGoesWithItsWriteAndCountsOnce) {
  checked_views();
  put_aside({1, 2, 3});
  WriteBatch retried = batch(3, 6);
  add(retried, "a", {Add{"n", "5"}}, DeadId{"j", 1, 1});
  add(retried, "b", {Add{"n", "-1"}}, DeadId{"j", 1, 2});
  add(retried, "c", {}, DeadId{"j", 1, 3});
  auto outcome = apply(retried);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_EQ(refused(*outcome), (std::vector<std::size_t>{1}));
  EXPECT_EQ(rows("forebay_dead"), "3");

  retried.writes.erase(retried.writes.begin() + 1);
  outcome = apply(retried);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  ASSERT_EQ(outcome->written.size(), 2u);
  EXPECT_EQ(outcome->written[0]->after.value, "5");
  EXPECT_FALSE(outcome->written[1].has_value()) << "nothing was to be written";
  EXPECT_EQ(ask("SELECT min(seq) || '-' || max(seq) FROM forebay_dead"), "2-2");

  WriteBatch again = batch(6, 9);
  add(again, "a", {Add{"n", "5"}}, DeadId{"j", 1, 1});
  add(again, "b", {Add{"n", "1"}}, DeadId{"k", 1, 2});
  add(again, "b", {Add{"n", "2"}}, DeadId{"j", 0, 2});
  add(again, "d", {Add{"n", "3"}});
  outcome = apply(again);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  ASSERT_EQ(outcome->written.size(), 4u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_FALSE(outcome->written[i].has_value()) << i;
  EXPECT_EQ(outcome->written[3]->after.value, "3");
  EXPECT_EQ(value("a"), "5");
  EXPECT_EQ(value("b"), "");
  EXPECT_EQ(rows("forebay_dead"), "1");
}

TEST_P(SourceBatches, AMissingForeignKeyIsToldFromOtherRefusals) {  // J6, J7
  for (const std::string deferral : {"", " DEFERRABLE INITIALLY DEFERRED"}) {
    if (!deferral.empty() && !database_->defers_foreign_keys()) continue;
    execute("DROP TABLE views");
    execute("DROP TABLE IF EXISTS pages");
    execute("CREATE TABLE pages(name " + key_type() + " PRIMARY KEY)");
    execute("INSERT INTO pages VALUES ('a'), ('c'), ('d')");
    execute("CREATE TABLE views(name " + key_type() + " PRIMARY KEY REFERENCES pages(name)" + deferral +
            ", n bigint CHECK (n >= 0))");
    dataset_ = open(views());
    WriteBatch first = batch(position(), position() + 4);
    add(first, "a", {Add{"n", "5"}});
    add(first, "b", {Add{"n", "1"}});
    add(first, "c", {Add{"n", "2"}});
    add(first, "d", {Add{"n", "-2"}});
    auto outcome = apply(first);
    ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
    ASSERT_EQ(refused(*outcome), (std::vector<std::size_t>{1, 3})) << deferral;
    EXPECT_TRUE(outcome->refused[0].early) << deferral;
    EXPECT_FALSE(outcome->refused[1].early) << deferral;
    EXPECT_EQ(outcome->refused[0].error.code, ErrorCode::kRefused);
    EXPECT_EQ(rows("views"), "0");

    set_aside_refused(first, *outcome);
    outcome = apply(first);
    ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
    EXPECT_TRUE(outcome->refused.empty());
    EXPECT_EQ(rows("views"), "2");
  }
  execute("DROP TABLE views");
  execute("DROP TABLE pages");
}

TEST_P(SourceBatches, AUniqueValueThatIsTakenMayOnlyBeEarly) {  // J6
  execute("DROP TABLE views");
  execute("CREATE TABLE views(name " + key_type() + " PRIMARY KEY, n bigint UNIQUE)");
  dataset_ = open(views());
  WriteBatch first = batch(0, 2);
  add(first, "a", {Upsert{{{"n", "1"}}}});
  add(first, "b", {Upsert{{{"n", "1"}}}});
  const auto outcome = apply(first);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  ASSERT_EQ(refused(*outcome), (std::vector<std::size_t>{1}));
  EXPECT_TRUE(outcome->refused[0].early);
}

TEST_P(SourceBatches, SeveralLanesMoveInOneTransaction) {  // J6
  WriteBatch first = batch(0, 7);
  first.also = {{0, 0, 6}};
  add(first, "a", {Add{"n", "5"}});
  add(first, "b", {Add{"n", "3"}});
  ASSERT_TRUE(apply(first).has_value());
  auto positions = database_->source().ledger()->open("j", 2, patient());
  EXPECT_EQ(*positions, (std::vector<std::uint64_t>{6, 7}));
  const auto again = apply(first);
  ASSERT_TRUE(again.has_value());
  EXPECT_TRUE(again->written.empty());
  // One of them has gone on by itself.
  WriteBatch next = batch(7, 9);
  next.also = {{0, 5, 8}};
  add(next, "a", {Add{"n", "100"}});
  const auto conflict = apply(next);
  ASSERT_FALSE(conflict.has_value());
  EXPECT_EQ(conflict.error().code, ErrorCode::kConflict);
  EXPECT_EQ(value("a"), "5");
}

TEST_P(SourceBatches, WhatTheJudgePutsAsideGoesInTheTransactionOfTheOthers) {  // J7
  checked_views();
  WriteBatch first = batch(0, 100);
  for (int i = 0; i < 100; ++i) add(first, "k" + std::to_string(i), {Add{"n", i % 30 == 7 ? "-1" : "1"}});
  first.judge = [](const std::vector<BatchOutcome::Refusal>& refused) {
    std::vector<DeadLetter> letters;
    for (const auto& refusal : refused)
      letters.push_back(letter(refusal.write + 1, std::to_string(refusal.write), refusal.error.message));
    return std::optional(std::move(letters));
  };
  const auto outcome = apply(first);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_TRUE(outcome->put_aside);
  EXPECT_EQ(refused(*outcome), (std::vector<std::size_t>{7, 37, 67, 97}));
  ASSERT_EQ(outcome->written.size(), 100u);
  EXPECT_FALSE(outcome->written[37]);
  EXPECT_EQ(outcome->written[38]->after.value, "1");
  EXPECT_EQ(rows("views"), "96");
  EXPECT_EQ(rows("forebay_dead"), "4");
  EXPECT_EQ(position(), 100u);
}

TEST_P(SourceBatches, WhatIsMissingInTheDatabaseIsAnErrorUntilItIsThere) {
  WriteBatch first = batch(0, 3);
  add(first, "a", {Add{"n", "5"}});
  const auto must_be_a_persons = [&](std::string_view missing) {
    const auto outcome = apply(first);
    ASSERT_FALSE(outcome.has_value()) << missing;
    EXPECT_EQ(outcome.error().code, ErrorCode::kConfig) << outcome.error().message;
    EXPECT_NE(outcome.error().message.find(missing), std::string::npos) << outcome.error().message;
  };
  execute("ALTER TABLE views RENAME TO elsewhere");
  must_be_a_persons("views");
  execute("ALTER TABLE elsewhere RENAME TO views");
  execute("ALTER TABLE views RENAME COLUMN n TO m");
  must_be_a_persons("column");
  execute("ALTER TABLE views RENAME COLUMN m TO n");
  execute("ALTER TABLE forebay_applied RENAME TO elsewhere");
  must_be_a_persons("forebay_applied");
  execute("ALTER TABLE elsewhere RENAME TO forebay_applied");
  EXPECT_EQ(position(), 0u);
  const auto outcome = apply(first);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_EQ(value("a"), "5");
}

TEST_P(SourceBatches, FractionsAreAddedToColumnsOfEveryNumericType) {
  execute("DROP TABLE IF EXISTS scores");
  execute("CREATE TABLE scores(name " + key_type() + " PRIMARY KEY, d double precision, r real, m " +
          database_->exact_type() + ", n bigint)");
  execute("INSERT INTO scores VALUES ('null', NULL, NULL, NULL, NULL), ('there', 1.5, 1.25, 1.5, 5)");
  DatasetSpec spec = items();
  spec.table = "scores";
  const auto scores = open(spec);
  ASSERT_NE(scores, nullptr);
  WriteBatch first = batch(0, 3);
  for (const std::string key : {"absent", "null", "there"}) {
    first.writes.push_back({scores.get(),
                            {key},
                            {Add{"d", "0.25", true}, Add{"r", "0.5", true}, Add{"m", "-0.75", true},
                             Add{"n", "2", true}, Add{"d", "+1e1", true}, Add{"n", "-1"}}});
  }
  const auto outcome = apply(first);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  ASSERT_EQ(outcome->written.size(), 3u);
  EXPECT_EQ(outcome->written[0]->after.value, R"({"name":"absent","d":10.25,"r":0.5,"m":-0.75,"n":1})");
  EXPECT_EQ(outcome->written[1]->after.value, R"({"name":"null","d":10.25,"r":0.5,"m":-0.75,"n":1})");
  EXPECT_EQ(outcome->written[2]->after.value, R"({"name":"there","d":11.75,"r":1.75,"m":0.75,"n":6})");
  EXPECT_EQ(outcome->written[2]->added, "6");

  execute("UPDATE scores SET d = 1e308, n = 9223372036854775807 WHERE name = 'there'");
  WriteBatch second = batch(3, 6);
  second.writes.push_back({scores.get(), {"there"}, {Add{"d", "1e308", true}}});
  second.writes.push_back({scores.get(), {"there"}, {Add{"n", "1"}}});
  second.writes.push_back({scores.get(), {"there"}, {Add{"n", "9223372036854775808"}}});
  second.writes.push_back({scores.get(), {"there"}, {Add{"name", "1", true}}});
  second.writes.push_back({scores.get(), {"there"}, {Add{"d", "inf", true}}});
  second.writes.push_back({scores.get(), {"there"}, {Add{"d", "1", true}}});
  const auto too_much = apply(second);
  ASSERT_TRUE(too_much.has_value()) << too_much.error().message;
  EXPECT_EQ(refused(*too_much), (std::vector<std::size_t>{0, 1, 2, 3, 4}));
  for (const auto& refusal : too_much->refused) {
    EXPECT_NE(refusal.error.message.find("scores"), std::string::npos) << refusal.error.message;
  }
  EXPECT_EQ(ask("SELECT n FROM scores WHERE name = 'there'"), "9223372036854775807");
  execute("DROP TABLE scores");
}

// What a sorted set's table is: a member's score is a text.
TEST_P(SourceBatches, ATextNamespaceOverFractionsKeepsThemExactly) {
  execute("DROP TABLE IF EXISTS scores");
  execute("CREATE TABLE scores(board " + key_type() + ", member " + key_type() +
          ", score double precision, PRIMARY KEY (board, member))");
  DatasetSpec spec;
  spec.name = "score";
  spec.key_fields = {"board", "member"};
  spec.table = "scores";
  spec.kind = ValueKind::kText;
  spec.value_column = "score";
  spec.writable = true;
  const auto scores = open(spec);
  ASSERT_NE(scores, nullptr);
  WriteBatch first = batch(0, 9);
  const std::string exact[] = {"10.5", "0.1", "-0.30000000000000004", "1e-300", "1.7976931348623157e+308"};
  for (const std::string& score : exact) {
    first.writes.push_back({scores.get(), {"b", score}, {Upsert{{{"score", score}}}}});
  }
  first.writes.push_back(
      {scores.get(), {"b", "sum"}, {Add{"score", "10.25", true}, Add{"score", "0.25", true}}});
  const auto outcome = apply(first);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  ASSERT_EQ(outcome->written.size(), 6u);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(outcome->written[i]->after.value, exact[i]);
    EXPECT_EQ(load(*scores, KeyFields{"b", exact[i]}), exact[i]);
  }
  EXPECT_EQ(outcome->written[5]->after.value, "10.5");
  EXPECT_EQ(outcome->written[5]->added, "10.5");
  EXPECT_EQ(ask("SELECT count(*) FROM scores WHERE score = 10.5"), "2");
  EXPECT_EQ(load(*scores, KeyFields{"b", "nobody"}), std::nullopt);
  EXPECT_EQ(write(*scores, {"b", "10.5"}, Add{"score", "-0.25", true}).after.value, "10.25");
  EXPECT_EQ(write(*scores, {"b", "10.5"}, Remove{}).after.value, std::nullopt);
  execute("DROP TABLE scores");
}

TEST_P(SourceBatches, DeadLettersAreListedShownEditedAndDropped) {
  put_aside({2, 5, 9});
  WriteBatch others = batch(0, 7);
  others.journal = "i";
  others.lane = 0;
  others.dead.push_back(letter(7, "x"));
  ASSERT_TRUE(database_->source().ledger()->open("i", 1, patient()).has_value());
  ASSERT_TRUE(apply(others).has_value());
  WriteBatch other_lane = batch(0, 6);
  other_lane.lane = 0;
  other_lane.dead.push_back(letter(6, "y"));
  ASSERT_TRUE(apply(other_lane).has_value());

  const auto ledger = database_->source().ledger();
  const auto listed = [&](const std::optional<DeadId>& after, std::size_t limit) {
    const auto letters = ledger->dead_letters(after, limit, patient());
    EXPECT_TRUE(letters.has_value()) << letters.error().message;
    std::string list;
    for (const DeadLetter& one : letters ? *letters : std::vector<DeadLetter>())
      list += one.id.journal + std::to_string(one.id.lane) + std::to_string(one.id.seq) + " ";
    return list;
  };
  EXPECT_EQ(listed(std::nullopt, 100), "i07 j12 j15 j06 j19 ");
  EXPECT_EQ(listed(std::nullopt, 2), "i07 j12 ");
  EXPECT_EQ(listed(DeadId{"j", 1, 2}, 2), "j15 j06 ");
  EXPECT_EQ(listed(DeadId{"j", 1, 3}, static_cast<std::size_t>(-1)), "j15 j06 j19 ");
  EXPECT_EQ(listed(DeadId{"j", 1, 9}, 2), "");
  EXPECT_EQ(listed(std::nullopt, 0), "");

  const DeadId id{"j", 1, 5};
  auto shown = ledger->dead_letter(id, patient());
  ASSERT_TRUE(shown.has_value() && shown->has_value());
  EXPECT_EQ((**shown).id, id);
  EXPECT_EQ((**shown).space, "views");
  EXPECT_EQ((**shown).key, "views:5");
  EXPECT_EQ((**shown).operation, "operation 5");
  EXPECT_EQ((**shown).error, "why");
  const std::string& at = (**shown).at;  // 2026-01-31T12:00:00.123Z
  ASSERT_EQ(at.size(), 24u) << at;
  EXPECT_EQ(at.substr(0, 2), "20");
  const std::string marks{at[4], at[7], at[10], at[13], at[16], at[19], at[23]};
  EXPECT_EQ(marks, "--T::.Z") << at;

  auto edited = ledger->edit_dead_letter(id, "another", patient());
  ASSERT_TRUE(edited.has_value()) << edited.error().message;
  EXPECT_TRUE(*edited);
  EXPECT_EQ((**ledger->dead_letter(id, patient())).operation, "another");
  EXPECT_EQ(ask("SELECT count(*) FROM forebay_dead WHERE operation = 'another'"), "1");
  auto dropped = ledger->drop_dead_letter(id, patient());
  ASSERT_TRUE(dropped.has_value()) << dropped.error().message;
  EXPECT_TRUE(*dropped);
  EXPECT_EQ(listed(std::nullopt, 100), "i07 j12 j06 j19 ");
  EXPECT_FALSE(ledger->drop_dead_letter(id, patient()).value());
  EXPECT_FALSE(ledger->edit_dead_letter(id, "more", patient()).value());
  EXPECT_FALSE(ledger->dead_letter(id, patient())->has_value());
}

TEST_P(SourceBatches, ADeadLettersBytesComeBackAsTheyWere) {
  const std::string bytes[] = {std::string("v:\0\xff", 4), "\\x", "\\x00ff", "\\xzz", "\\",
                               "caf\xc3\xa9 \xe2\x82\xac", "",    "\xc3",    "'\"\n"};
  WriteBatch first = batch(0, std::size(bytes));
  for (std::uint64_t seq = 1; seq <= std::size(bytes); ++seq) {
    const std::string& these = bytes[seq - 1];
    first.dead.push_back({{"j", 1, seq}, "views", these, these, these, ""});
  }
  const auto outcome = apply(first);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  for (std::uint64_t seq = 1; seq <= std::size(bytes); ++seq) {
    auto shown = database_->source().ledger()->dead_letter({"j", 1, seq}, patient());
    ASSERT_TRUE(shown.has_value() && shown->has_value()) << seq;
    EXPECT_EQ((**shown).key, bytes[seq - 1]);
    EXPECT_EQ((**shown).operation, bytes[seq - 1]);
    EXPECT_TRUE(database_->source().ledger()->edit_dead_letter({"j", 1, seq}, bytes[0], patient()).value());
    EXPECT_EQ((**database_->source().ledger()->dead_letter({"j", 1, seq}, patient())).operation, bytes[0]);
  }
  EXPECT_EQ(ask("SELECT error FROM forebay_dead WHERE seq = 1"), "v:??");
  EXPECT_EQ(ask("SELECT \"key\" FROM forebay_dead WHERE seq = 6"), bytes[5]);
}

TEST_P(SourceBatches, WithoutALedgerThereAreNoDeadLetters) {
  execute("DROP TABLE forebay_dead");
  const auto ledger = database_->source().ledger();
  EXPECT_TRUE(ledger->dead_letters(std::nullopt, 10, patient()).value().empty());
  EXPECT_FALSE(ledger->dead_letter({"j", 1, 1}, patient()).value().has_value());
  EXPECT_FALSE(ledger->edit_dead_letter({"j", 1, 1}, "x", patient()).value());
  EXPECT_FALSE(ledger->drop_dead_letter({"j", 1, 1}, patient()).value());
  // It comes back with the next start.
  EXPECT_EQ(position(), 0u);
  put_aside({1});
  EXPECT_EQ(ledger->dead_letters(std::nullopt, 10, patient()).value().size(), 1u);
}

TEST_P(SourceBatches, ATableThatIsNotTheLedgersIsAnErrorWithItsSql) {
  execute("DROP TABLE forebay_dead");
  execute("CREATE TABLE forebay_dead(journal text, something text)");
  auto opened = database_->source().ledger()->open("j", 1, patient());
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::kConfig);
  EXPECT_NE(opened.error().message.find("CREATE TABLE"), std::string::npos) << opened.error().message;
  EXPECT_NE(opened.error().message.find("lane"), std::string::npos) << opened.error().message;
}

}  // namespace forebay
