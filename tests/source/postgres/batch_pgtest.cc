// Batches of writes where only PostgreSQL can fail.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "base/cancel.h"
#include "source/postgres/fixture.h"

namespace forebay {
namespace {

class PostgresBatch : public PostgresTest {
 protected:
  void SetUp() override {
    sql("DROP TABLE IF EXISTS things CASCADE; DROP TABLE IF EXISTS forebay_applied, forebay_dead, "
        "forebay_owner;"
        "CREATE TABLE things(id integer PRIMARY KEY, n integer, state text)");
    source_ = source();
    things_ = open(*source_, table("things"));
    ASSERT_NE(things_, nullptr);
    ASSERT_TRUE(source_->ledger()->open("j", 1, within()).has_value());
  }

  WriteBatch batch(std::uint64_t after, const std::vector<std::pair<std::string, Write>>& writes) const {
    WriteBatch made;
    made.journal = "j";
    made.after = after;
    made.upto = after + 1;
    for (const auto& [key, write] : writes) made.writes.push_back({things_.get(), {key}, {write}});
    return made;
  }
  static Upsert state(const std::string& state) { return {{{"state", state}}}; }

  std::shared_ptr<Source> source_;
  std::unique_ptr<Dataset> things_;
};

// HSET with its fields in ever other orders is a statement of its own each time, and a session keeps 256.
TEST_F(PostgresBatch, MoreStatementsThanASessionKeepsGoInOneBatch) {
  std::string columns;
  for (int i = 0; i < 30; ++i) columns += ", ADD COLUMN c" + std::to_string(i) + " int";
  sql("ALTER TABLE things " + columns.substr(2));
  things_ = open(*source_, table("things"));
  ASSERT_NE(things_, nullptr);
  std::vector<std::pair<std::string, Write>> writes;
  for (int i = 0; i < 700; ++i) {
    const int other = (i % 30 + 1 + i / 30) % 30;
    writes.emplace_back(
        std::to_string(i),
        Update{{{"c" + std::to_string(i % 30), "1"}, {"c" + std::to_string(other), "2"}}, true});
  }
  const auto outcome = source_->ledger()->apply(batch(0, writes), within());
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_TRUE(outcome->refused.empty());
  EXPECT_EQ(sql("SELECT count(*) FROM things"), "700");
}

// What tables do by themselves is the batch's, and each row is shown as the transaction leaves it.
TEST_F(PostgresBatch, TriggersAndCascadesOfABatchAreSeen) {
  sql("DROP TABLE IF EXISTS parts; CREATE TABLE parts(id int PRIMARY KEY, thing int REFERENCES things(id) ON "
      "DELETE "
      "SET NULL); INSERT INTO things VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c'); INSERT INTO parts VALUES "
      "(7, 3);"
      "CREATE OR REPLACE FUNCTION react() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
      "UPDATE things SET n = 9 WHERE id = NEW.id AND n <> 9; RETURN NULL; END$$;"
      "CREATE TRIGGER reacts AFTER UPDATE OF state ON things FOR EACH ROW EXECUTE FUNCTION react()");
  auto outcome = source_->ledger()->apply(batch(0, {{"1", state("x")}, {"2", state("y")}}), within());
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  ASSERT_EQ(outcome->written.size(), 2u);
  EXPECT_EQ(outcome->written[0]->after.value, R"({"id":1,"n":9,"state":"x"})");
  EXPECT_EQ(outcome->written[1]->after.value, R"({"id":2,"n":9,"state":"y"})");
  outcome = source_->ledger()->apply(batch(1, {{"1", state("z")}, {"3", Remove{}}}), within());
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_EQ(outcome->written[0]->after.value, R"({"id":1,"n":9,"state":"z"})");
  ASSERT_EQ(outcome->also.tables.size(), 3U);
  EXPECT_TRUE(outcome->also.tables[0].starts_with('#')) << "its id";
  EXPECT_EQ(outcome->also.tables[1], "public.parts");
  EXPECT_EQ(outcome->also.tables[2], "parts");
  sql("DROP TABLE parts");
}

// A part that was undone is made again: what it had changed the session has counted twice by then.
TEST_F(PostgresBatch, WhatWasUndoneIsNoReaction) {
  sql("INSERT INTO things VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c');"
      "CREATE OR REPLACE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
      "IF NEW.state = 'bad' THEN RAISE EXCEPTION 'no' USING ERRCODE = '23514'; END IF; RETURN NULL; END$$;"
      "CREATE TRIGGER looks AFTER UPDATE ON things FOR EACH ROW EXECUTE FUNCTION look()");
  things_ = open(*source_, table("things"));
  ASSERT_NE(things_, nullptr);
  WriteBatch some = batch(0, {{"1", state("x")}, {"2", state("bad")}, {"3", state("z")}});
  some.judge = [](const std::vector<BatchOutcome::Refusal>& refused) {
    EXPECT_EQ(refused.size(), 1u);
    return std::optional(std::vector<DeadLetter>());
  };
  const auto outcome = source_->ledger()->apply(some, within());
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_TRUE(outcome->put_aside);
  ASSERT_EQ(outcome->written.size(), 3u);
  EXPECT_TRUE(outcome->written[0] && !outcome->written[1] && outcome->written[2]);
  EXPECT_THAT(outcome->also.tables, testing::IsEmpty());
  EXPECT_EQ(sql("SELECT string_agg(state, ',' ORDER BY id) FROM things"), "x,b,z");
}

// A trigger's author may choose any code, also one that the server uses for its own troubles.
TEST_F(PostgresBatch, WhateverCodeATriggerRaisesItIsTheWritesOwn) {
  sql("CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
      "RAISE EXCEPTION 'as asked' USING ERRCODE = NEW.state; END$$;"
      "CREATE TRIGGER fails BEFORE INSERT ON things FOR EACH ROW WHEN (NEW.state <> 'good') "
      "EXECUTE FUNCTION fail()");
  for (const std::string code :
       {"22001", "23502", "23503", "23514", "44000", "54000", "P0001", "428C9", "38001",
        "ABCDE", "08006", "25006", "28000", "40001", "40P01", "53100", "55P03", "57014",
        "57P01", "58030", "HV00N", "XX000", "42P01", "42703", "42501", "42601", "0A000"}) {
    const auto outcome = source_->ledger()->apply(
        batch(0, {{"1", state("good")}, {"2", state(code)}, {"3", state(code)}}), within());
    ASSERT_TRUE(outcome.has_value()) << code << ": " << outcome.error().message;
    ASSERT_EQ(outcome->refused.size(), 2u) << code;
    EXPECT_EQ(outcome->refused[0].write, 1u) << code;
    EXPECT_EQ(outcome->refused[0].early, code == "23503" || code == "23505" || code == "23P01");
    EXPECT_NE(outcome->refused[0].error.message.find("as asked"), std::string::npos);
    const Error through = write_error(*things_, "2", state(code));
    EXPECT_EQ(through.code, ErrorCode::kRefused) << code;
  }
  EXPECT_EQ(sql("SELECT count(*) FROM things"), "0");
  EXPECT_EQ(sql("SELECT last_seq FROM forebay_applied"), "0");
}

// Text that a type can't read has whatever code the type's author chose: 42601, XX000, 42P01 and 42704 here.
TEST_F(PostgresBatch, TextThatATypeCannotReadIsRefusedAndItsNeighboursPass) {
  sql("CREATE EXTENSION IF NOT EXISTS hstore; CREATE EXTENSION IF NOT EXISTS ltree; DROP DOMAIN IF EXISTS "
      "sure CASCADE; "
      "CREATE DOMAIN sure AS integer NOT NULL CHECK (VALUE > 0); DROP TYPE IF EXISTS mood CASCADE; CREATE "
      "TYPE mood AS "
      "ENUM ('good'); "
      "ALTER TABLE things ADD tags hstore, ADD path ltree, ADD words tsquery, ADD class regclass, ADD role "
      "regrole, "
      "ADD dic regdictionary, ADD fun regprocedure, ADD small smallint, ADD price numeric(4, 2), ADD at "
      "timestamptz, "
      "ADD way jsonpath, ADD mood mood, ADD sure sure DEFAULT 1, ADD span int4range, ADD host inet, ADD box "
      "box, "
      "ADD doc xml, ADD bits bit(3), ADD lsn pg_lsn, ADD snap pg_snapshot");
  things_ = open(*source_, table("things"));
  ASSERT_NE(things_, nullptr);
  const std::pair<std::string, std::string> bad[] = {
      {"tags", "a=>"},
      {"path", "a..b"},
      {"words", "a &"},
      {"class", "nothing"},
      {"role", "nobody"},
      {"dic", "nothing"},
      {"fun", "none(x)"},
      {"small", "70000"},
      {"price", "1000"},
      {"at", "2026-02-30"},
      {"at", "2026-01-01 00:00 Mars/Base"},
      {"way", "$["},
      {"mood", "bad"},
      {"sure", "0"},
      {"span", "[2,1]"},
      {"host", "1.2.3.4.5"},
      {"box", "("},
      {"bits", "11"},
      {"lsn", "x"},
      {"snap", "1"},
  };
  for (const auto& [column, text] : bad) {
    const Update update{{{column, text}}};
    EXPECT_EQ(write_error(*things_, "9", update).code, ErrorCode::kRefused) << column;
    for (const bool alone : {true, false}) {
      auto writes = alone
                        ? batch(0, {{"9", update}})
                        : batch(0, {{"1", Update{{{"n", "1"}}}}, {"9", update}, {"2", Update{{{"n", "1"}}}}});
      const auto outcome = source_->ledger()->apply(writes, within());
      ASSERT_TRUE(outcome.has_value()) << column << ": " << outcome.error().message;
      ASSERT_EQ(outcome->refused.size(), 1u) << column;
      EXPECT_EQ(outcome->refused[0].write, alone ? 0u : 1u) << column;
    }
  }
}

TEST_F(PostgresBatch, ARowThatSecurityRejectsOrHidesIsRefused) {
  sql("DO $$BEGIN CREATE ROLE clerk LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END$$;"
      "GRANT SELECT, INSERT, UPDATE, DELETE ON things, forebay_applied, forebay_dead TO clerk;"
      "ALTER TABLE things ENABLE ROW LEVEL SECURITY;"
      "CREATE POLICY few ON things TO clerk USING (state <> 'hidden') WITH CHECK (n < 100 AND state <> "
      "'hidden');"
      "CREATE POLICY seen ON things FOR SELECT TO clerk USING (state <> 'secret');"
      "INSERT INTO things VALUES (1, 1, 'hidden'), (2, 1, 'secret'), (3, 1, 'good')");
  source_ = source(2, "clerk");
  things_ = open(*source_, table("things"));
  ASSERT_NE(things_, nullptr);
  const auto n = [](const std::string& number) { return Update{{{"n", number}, {"state", "good"}}, true}; };
  // Hidden from changes and shown, hidden from everything, rejected as it would become.
  const std::pair<std::string, Write> bad[] = {{"1", n("2")}, {"3", n("100")}, {"4", n("100")}};
  for (const auto& [key, write] : bad) {
    EXPECT_EQ(write_error(*things_, key, write).code, ErrorCode::kRefused) << key;
    const auto outcome =
        source_->ledger()->apply(batch(0, {{"5", n("5")}, {key, write}, {"6", n("6")}}), within());
    ASSERT_TRUE(outcome.has_value()) << key << ": " << outcome.error().message;
    ASSERT_EQ(outcome->refused.size(), 1u) << key;
    EXPECT_EQ(outcome->refused[0].write, 1u) << key;
  }
  EXPECT_EQ(write_error(*things_, "1", Remove{}).code, ErrorCode::kRefused);
  EXPECT_EQ(write_error(*things_, "1", Update{{{"n", "2"}}, false}).code, ErrorCode::kRefused);
  EXPECT_TRUE(things_->write({"3"}, n("7"), within()).has_value());
  EXPECT_EQ(sql("SELECT string_agg(id || ':' || n, ' ' ORDER BY id) FROM things"), "1:1 2:1 3:7");
}

TEST_F(PostgresBatch, WhatIsMissingHoldsTheBatchUntilItIsBack) {
  const WriteBatch two = batch(0, {{"1", state("x")}, {"2", state("y")}});
  const auto fails = [&](const std::string& change, const std::string& back) {
    sql(change);
    const auto outcome = source_->ledger()->apply(two, within());
    ASSERT_FALSE(outcome.has_value()) << change;
    EXPECT_EQ(outcome.error().code, ErrorCode::kConfig) << outcome.error().message;
    sql(back);
  };
  fails("ALTER TABLE things RENAME TO others", "ALTER TABLE others RENAME TO things");
  fails("ALTER TABLE things RENAME state TO condition", "ALTER TABLE things RENAME condition TO state");
  // Every write leads to a table that is gone.
  sql("CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
      "INSERT INTO notes VALUES (NEW.id); RETURN NEW; END$$");
  fails("CREATE TRIGGER notes BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION note()",
        "DROP TRIGGER notes ON things");
  ASSERT_TRUE(source_->ledger()->apply(two, within()).has_value());
}

TEST_F(PostgresBatch, AWriteThatAloneLeadsToWhatIsMissingIsRefused) {
  sql("CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
      "EXECUTE format('INSERT INTO notes_%s VALUES (1)', NEW.state); RETURN NEW; END$$;"
      "CREATE TABLE IF NOT EXISTS notes_good(n integer);"
      "CREATE TRIGGER notes BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION note()");
  const auto outcome = source_->ledger()->apply(
      batch(0, {{"1", state("odd")}, {"2", state("good")}, {"3", state("good")}}), within());
  sql("DROP TABLE notes_good");
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  ASSERT_EQ(outcome->refused.size(), 1u);
  EXPECT_EQ(outcome->refused[0].write, 0u);
}

TEST_F(PostgresBatch, ARightThatIsTakenAwayIsAnErrorUntilItIsGivenBack) {
  sql("DO $$BEGIN CREATE ROLE clerk LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END$$;"
      "GRANT SELECT, INSERT, UPDATE, DELETE ON things, forebay_applied, forebay_dead TO clerk");
  source_ = source(2, "clerk");
  things_ = open(*source_, table("things"));
  ASSERT_NE(things_, nullptr);
  const WriteBatch one = batch(0, {{"1", state("good")}});
  for (const std::string right : {"INSERT ON things", "UPDATE ON forebay_applied"}) {
    sql("REVOKE " + right + " FROM clerk");
    const auto outcome = source_->ledger()->apply(one, within());
    ASSERT_FALSE(outcome.has_value()) << right;
    EXPECT_EQ(outcome.error().code, ErrorCode::kConfig) << outcome.error().message;
    EXPECT_NE(outcome.error().message.find("permission denied"), std::string::npos)
        << outcome.error().message;
    sql("GRANT " + right + " TO clerk");
  }
  const auto outcome = source_->ledger()->apply(one, within());
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_EQ(sql("SELECT count(*) FROM things"), "1");
}

TEST_F(PostgresBatch, ABatchThatTimesOutIsTriedAgain) {
  Session other(server_);
  other.run("BEGIN; INSERT INTO things VALUES (1, 1, 'theirs')");
  const WriteBatch one = batch(0, {{"1", state("mine")}, {"2", state("mine")}});
  auto outcome = source_->ledger()->apply(one, within(std::chrono::milliseconds(50)));
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, ErrorCode::kTimeout) << outcome.error().message;
  EXPECT_EQ(outcome.error().scope, ErrorScope::kCall);
  other.run("COMMIT");
  outcome = source_->ledger()->apply(one, within());
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_EQ(sql("SELECT string_agg(state, ',') FROM things"), "mine,mine");
}

TEST_F(PostgresBatch, ABatchThatIsTooSlowKeepsTheRefusalsThatItHasFound) {
  sql("CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
      "PERFORM pg_sleep(600); RETURN NEW; END$$;"
      "CREATE TRIGGER slows BEFORE INSERT ON things FOR EACH ROW WHEN (NEW.state = 'slow') "
      "EXECUTE FUNCTION slow(); ALTER TABLE things ADD CHECK (state <> 'bad')");
  const WriteBatch one = batch(0, {{"1", state("x")}, {"2", state("bad")}, {"3", state("slow")}});
  const auto outcome = source_->ledger()->apply(one, within(std::chrono::seconds(1)));
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  ASSERT_EQ(outcome->refused.size(), 1u);
  EXPECT_EQ(outcome->refused.front().write, 1u);
  EXPECT_EQ(sql("SELECT count(*) FROM things"), "0");
}

TEST_F(PostgresBatch, AnyNumberOfDifferentStatementsFitsABatch) {
  // Each of these names the columns in another order, or other ones.
  std::string columns;
  for (int i = 0; i < 12; ++i) columns += ", c" + std::to_string(i) + " integer";
  sql("CREATE TABLE wide(id integer PRIMARY KEY" + columns + ")");
  const auto wide = open(*source_, table("wide"));
  ASSERT_NE(wide, nullptr);
  WriteBatch one = batch(0, {});
  for (int i = 0; i < 700; ++i) {
    Upsert row;
    for (int c = 0; c < 12; ++c) {
      if (((i + 1) >> c & 1) != 0) row.fields.emplace_back("c" + std::to_string(c), std::to_string(i));
    }
    one.writes.push_back({wide.get(), {std::to_string(i)}, {std::move(row)}});
  }
  for (int round = 0; round < 2; ++round) {
    const auto outcome = source_->ledger()->apply(one, within(std::chrono::seconds(60)));
    ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
    one.after = one.upto++;
  }
  EXPECT_EQ(sql("SELECT count(*) FROM wide WHERE id = greatest(c0, c1, c2, c3, c4, c5, c6, c7, c8, c9)"),
            "700");
  sql("DROP TABLE wide");
}

TEST_F(PostgresBatch, WhatHoldsABatchIsNamed) {
  Session other(server_);
  other.run("INSERT INTO things SELECT i, 1, 'x' FROM generate_series(1, 3) i");
  other.run("BEGIN; UPDATE things SET n = 2 WHERE id = 2");
  const auto outcome =
      source_->ledger()->apply(batch(0, {{"1", state("a")}, {"2", state("b")}, {"3", state("c")}}),
                               within(std::chrono::milliseconds(100)));
  ASSERT_FALSE(outcome.has_value());
  EXPECT_NE(outcome.error().message.find("(at the row with the key 2)"), std::string::npos)
      << outcome.error().message;
  other.run("ROLLBACK");
}

TEST_F(PostgresBatch, AnOwnerThatComesBackEndsTheSessionsThatHoldItsLanesAndNoOthers) {  // J8
  LedgerOwner owner{.journal = "j", .epoch = 0, .home = "here", .process = "one", .place = "host:/j"};
  ASSERT_TRUE(source_->ledger()->claim(owner, within()).has_value());
  // As a machine leaves it that dies within a transaction; and somebody else's, by the same name.
  Session dead(server_);
  dead.run(
      "SET application_name = 'forebay'; BEGIN; SELECT * FROM forebay_applied WHERE journal = 'j' FOR "
      "UPDATE");
  sql("INSERT INTO forebay_applied VALUES ('k', 0, 0)");
  Session theirs(server_);
  theirs.run(
      "SET application_name = 'forebay'; BEGIN; SELECT * FROM forebay_applied WHERE journal = 'k' FOR "
      "UPDATE");
  owner.process = "two";
  auto claimed = source_->ledger()->claim(owner, within(std::chrono::seconds(30)));
  if (!claimed) claimed = source_->ledger()->claim(owner, within(std::chrono::seconds(30)));
  ASSERT_TRUE(claimed.has_value()) << claimed.error().message;
  EXPECT_EQ(claimed->state, LedgerClaim::State::kOwned);
  EXPECT_EQ(
      sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%journal = ''k'' FOR UPDATE' AND state = "
          "'idle in transaction'"),
      "1");
  theirs.run("ROLLBACK");
}

// ---- Statements go side by side.

TEST_F(PostgresBatch, WhatOnlyFailsSideBySideIsDoneInTheBatchsOrder) {
  sql("DROP TABLE IF EXISTS parts; CREATE TABLE parts(id integer PRIMARY KEY, thing integer REFERENCES "
      "things)");
  sql("INSERT INTO parts VALUES (7, NULL)");
  const auto parts = open(*source_, table("parts"));
  ASSERT_NE(parts, nullptr);
  // The part is there, so it is changed one statement earlier than the new thing is inserted.
  WriteBatch one = batch(0, {{"1", state("x")}});
  one.writes.push_back({parts.get(), {"7"}, {Update{{{"thing", "1"}}}}});
  const auto outcome = source_->ledger()->apply(one, within());
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_TRUE(outcome->refused.empty());
  ASSERT_EQ(outcome->written.size(), 2u);
  EXPECT_EQ(outcome->written[0]->after.value, R"({"id":1,"n":null,"state":"x"})");
  EXPECT_EQ(outcome->written[1]->after.value, R"({"id":7,"thing":1})");
  EXPECT_EQ(sql("SELECT thing FROM parts"), "1");
  EXPECT_EQ(sql("SELECT last_seq FROM forebay_applied"), "1");
  sql("DROP TABLE parts");
}

TEST_F(PostgresBatch, WritesOfOneRowKeepTheirOrderThroughTwoNamespaces) {
  DatasetSpec spec = table("things");
  spec.kind = ValueKind::kCounter;
  spec.value_column = "n";
  const auto counts = open(*source_, spec);
  ASSERT_NE(counts, nullptr);
  WriteBatch one = batch(0, {{"1", state("x")}});
  one.writes.push_back({counts.get(), {"1"}, {Add{"n", "3"}}});
  one.writes.push_back({things_.get(), {"1"}, {Remove{}}});
  one.writes.push_back({counts.get(), {"1"}, {Add{"n", "4"}, Add{"n", "1"}}});
  one.writes.push_back({things_.get(), {"2"}, {Upsert{.fields = {{"n", "1"}}, .insert = true}}});
  one.writes.push_back({counts.get(), {"2"}, {Remove{}}});
  const auto outcome = source_->ledger()->apply(one, within());
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_TRUE(outcome->refused.empty());
  EXPECT_EQ(sql("SELECT string_agg(id || ':' || n || coalesce(state, '-'), ' ') FROM things"), "1:5-");
}

TEST_F(PostgresBatch, ManyLargeRowsPassEachOtherOnTheWay) {
  const std::string large(200'000, 'x');
  std::vector<std::pair<std::string, Write>> writes;
  for (int i = 0; i < 100; ++i) writes.emplace_back(std::to_string(i), state(large));
  for (std::uint64_t after = 0; after < 2; ++after) {
    const auto outcome = source_->ledger()->apply(batch(after, writes), within());
    ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
    EXPECT_EQ(outcome->written.size(), writes.size());
  }
  EXPECT_EQ(sql("SELECT sum(length(state)) FROM things"), "20000000");
}

TEST_F(PostgresBatch, ASessionOutlivesItsRefusalsAndNotACutOrACancellation) {
  source_ = source(1);
  things_ = open(*source_, table("things"));
  const auto pid = open(*source_, query("SELECT pg_backend_pid() AS pid, {id}::int AS id"));
  ASSERT_NE(pid, nullptr);
  const auto first = load_one(*pid, "1");
  const WriteBatch bad = batch(0, {{"1", state("x")}, {"2", Upsert{{{"n", "many"}}}}, {"3", state("x")}});
  ASSERT_EQ(source_->ledger()->apply(bad, within()).value().refused.size(), 1u);
  EXPECT_EQ(load_one(*pid, "1"), first);

  Session other(server_);
  other.run("BEGIN; INSERT INTO things VALUES (2, 1, 'theirs')");
  const WriteBatch good = batch(0, {{"1", state("x")}, {"2", state("x")}, {"3", state("x")}});
  auto applying = std::async(std::launch::async, [&] { return source_->ledger()->apply(good, within()); });
  wait_for_statement("INSERT INTO");
  sql("SELECT pg_terminate_backend(" + backend_running("INSERT INTO") + ")");
  EXPECT_EQ(applying.get().error().code, ErrorCode::kUnavailable);
  CancelFlag flag;
  applying = std::async(std::launch::async, [&] {
    return source_->ledger()->apply(good, within(std::chrono::seconds(30), &flag));
  });
  wait_for_statement("INSERT INTO");
  flag.cancel();
  EXPECT_EQ(applying.get().error().code, ErrorCode::kCancelled);
  other.run("ROLLBACK");
  EXPECT_EQ(sql("SELECT count(*) FROM things"), "0");
  EXPECT_EQ(source_->ledger()->apply(good, within()).value().written.size(), 3u);
  EXPECT_EQ(sql("SELECT count(*) FROM things"), "3");
}

// The server has committed, and waits for a standby that doesn't exist while its session is ended.
TEST_F(PostgresBatch, ACommitThatIsCutOffHasAnUnknownOutcomeAndCountsOnce) {
  const auto standby = [&](const std::string& name) {
    sql("ALTER SYSTEM SET synchronous_standby_names = '" + name + "'");
    sql("SELECT pg_reload_conf()");
    ASSERT_TRUE(test::eventually([&] { return sql("SHOW synchronous_standby_names") == name; }));
    // It is the checkpointer that tells the sessions, once it has read the settings; it does so before the
    // checkpoint that is asked for here.
    sql("CHECKPOINT");
  };
  ASSERT_NO_FATAL_FAILURE(standby("nobody"));
  const WriteBatch one = batch(0, {{"1", Add{"n", "5"}}});
  auto applying = std::async(std::launch::async, [&] { return source_->ledger()->apply(one, within()); });
  const bool waits = test::eventually([&] { return runs("COMMIT"); });
  if (waits)
    sql("SET synchronous_commit = local; SELECT pg_terminate_backend(" + backend_running("COMMIT") + ")");
  auto outcome = applying.get();
  standby("");  // whatever happened: other tests' commits would wait for ever
  ASSERT_TRUE(waits);
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, ErrorCode::kUnknownOutcome) << outcome.error().message;
  outcome = source_->ledger()->apply(one, within());
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_TRUE(outcome->written.empty()) << "it had been committed";
  EXPECT_EQ(sql("SELECT n FROM things"), "5");
}

TEST_F(PostgresBatch, ACommitIsDurableWhateverTheDatabasesSettingIs) {
  sql("CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
      "NEW.state = current_setting('synchronous_commit'); RETURN NEW; END$$;"
      "CREATE TRIGGER notes BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION note()");
  std::uint64_t after = 0;
  for (const std::string setting : {"off", "on", "local"}) {
    sql("ALTER DATABASE postgres SET synchronous_commit = " + setting);
    source_ = source(1);
    things_ = open(*source_, table("things"));
    ASSERT_NE(things_, nullptr);
    const std::string key = std::to_string(after + 1);
    const auto outcome = source_->ledger()->apply(batch(after++, {{key, Add{"n", "5"}}}), within());
    ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
    EXPECT_EQ(sql("SELECT state FROM things WHERE id = " + key), setting == "off" ? "on" : setting);
    // The session is as it was.
    auto shown = open(*source_, query("SELECT current_setting('synchronous_commit') AS s, {id}::int AS id"));
    ASSERT_NE(shown, nullptr);
    EXPECT_EQ(load_one(*shown, "1"), R"({"s":")" + setting + R"(","id":1})");
  }
  sql("ALTER DATABASE postgres RESET synchronous_commit");
}

TEST_F(PostgresBatch, ARoleThatMayNotMakeTheLedgerIsToldTheSqlThatMakesIt) {
  sql("DO $$BEGIN CREATE ROLE \"odd clerk\" LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END$$;"
      "DROP TABLE forebay_applied, forebay_dead; CREATE SCHEMA IF NOT EXISTS office;"
      "GRANT USAGE ON SCHEMA office TO \"odd clerk\"; GRANT SELECT, INSERT, UPDATE ON things TO \"odd "
      "clerk\";"
      "ALTER ROLE \"odd clerk\" SET search_path = office, public");
  source_ = source(2, "odd%20clerk");
  const auto opened = source_->ledger()->open("j", 1, within());
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::kConfig);
  const std::string& message = opened.error().message;
  EXPECT_NE(message.find("permission denied for schema office"), std::string::npos) << message;
  const std::size_t by = message.find("made by: ");
  ASSERT_NE(by, std::string::npos) << message;
  sql(message.substr(by + 9));
  const auto again = source_->ledger()->open("j", 1, within());
  ASSERT_TRUE(again.has_value()) << again.error().message;
  things_ = open(*source_, table("things"));
  WriteBatch one = batch(0, {{"1", state("x")}});
  one.dead.push_back({{"j", 0, 1}, "item", "item:1", "op", "why", ""});
  ASSERT_TRUE(source_->ledger()->apply(one, within()).has_value());
  EXPECT_TRUE(source_->ledger()->edit_dead_letter({"j", 0, 1}, "other", within()).value());
  EXPECT_TRUE(source_->ledger()->drop_dead_letter({"j", 0, 1}, within()).value());

  // One right less is told at the start, not by the first dead letter.
  sql("REVOKE DELETE ON office.forebay_dead FROM \"odd clerk\"");
  const auto less = source_->ledger()->open("j", 1, within());
  ASSERT_FALSE(less.has_value());
  EXPECT_EQ(less.error().code, ErrorCode::kConfig);
  EXPECT_NE(less.error().message.find("forebay_dead: DELETE"), std::string::npos) << less.error().message;
  sql("DROP SCHEMA office CASCADE");
}

TEST_F(PostgresBatch, ALedgerOnAServerThatIsAwayIsTriedAgain) {
  server_.stop();
  const auto opened = source_->ledger()->open("j", 1, within());
  server_.start();
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::kUnavailable) << opened.error().message;
  EXPECT_TRUE(source_->ledger()->open("j", 1, within()).has_value());
}

TEST_F(PostgresBatch, ADeadLetterFitsADatabaseOfAnyEncoding) {
  sql("DROP DATABASE IF EXISTS latin");
  sql("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
  source_ = source(2, "postgres", "&dbname=latin");
  ASSERT_TRUE(source_->ledger()->open("j", 1, within()).has_value());
  WriteBatch one = batch(0, {});
  one.dead.push_back({{"j", 0, 1}, "item", "item:\xe2\x82\xac", "\xe2\x82\xac", "no \xe2\x82\xac", ""});
  const auto outcome = source_->ledger()->apply(one, within());
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  const auto shown = source_->ledger()->dead_letter({"j", 0, 1}, within());
  ASSERT_TRUE(shown.has_value() && shown->has_value());
  EXPECT_EQ((**shown).key, "item:\xe2\x82\xac");
  EXPECT_EQ((**shown).operation, "\xe2\x82\xac");
  EXPECT_EQ((**shown).error, "no ???");
  source_.reset();
  sql("DROP DATABASE latin");
}

}  // namespace
}  // namespace forebay
