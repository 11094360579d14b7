// The change log against programs that write to the file by themselves.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "source/registry.h"
#include "source/sqlite/changes.h"
#include "source/sqlite/unique_keys.h"
#include "source/sqlite_fixture.h"

namespace forebay::source::sqlite {
namespace {

using namespace std::string_literals;

class SqliteChanges : public testing::Test {
 protected:
  void SetUp() override {
    other_.execute("CREATE TABLE depends(package TEXT PRIMARY KEY, target TEXT, weight INT)");
    other_.execute("CREATE TABLE packages(id INTEGER PRIMARY KEY, name TEXT UNIQUE, body)");
    watch(*log_, {"depends", "packages"});
  }

  static config::Source logging(config::Source settings) {
    settings.changes = true;
    return settings;
  }
  // A program of its own, with what keeps its source and its log.
  struct Program {
    std::shared_ptr<Source> source;
    std::unique_ptr<ChangeLog> log;
  };
  Program open() {
    auto source = *open_source(logging(file_.settings()), {});
    auto log = source->change_log();
    return {std::move(source), std::move(log)};
  }
  static void watch(ChangeLog& log, const std::vector<std::string>& tables) {
    auto watching = log.watch(tables);
    ASSERT_TRUE(watching.has_value()) << watching.error().message;
  }
  static CallContext patient() { return {.timeout = std::chrono::seconds(30), .cancel = nullptr}; }

  static Changes changes_of(ChangeLog& log) {
    auto changes = log.poll(patient());
    EXPECT_TRUE(changes.has_value()) << (changes ? "" : changes.error().message);
    return std::move(changes).value_or(Changes());
  }
  static std::vector<RowChange> poll_of(ChangeLog& log) {
    Changes changes = changes_of(log);
    EXPECT_FALSE(changes.lost);
    return std::move(changes.rows);
  }
  static bool loses(ChangeLog& log) {
    const Changes changes = changes_of(log);
    EXPECT_TRUE(changes.rows.empty());
    return changes.lost;
  }
  std::vector<RowChange> poll() { return poll_of(*log_); }

  static Fields edge(const std::string& package, const std::string& target, const std::string& weight) {
    return {{"package", package}, {"target", target}, {"weight", weight}};
  }
  static std::set<std::string> whole_tables(const std::vector<RowChange>& changes) {
    std::set<std::string> tables;
    for (const RowChange& change : changes) {
      if (!change.whole_table) continue;
      EXPECT_EQ(change.evidence, 0U);
      EXPECT_TRUE(change.images.before.empty() && change.images.after.empty());
      tables.insert(change.table);
    }
    return tables;
  }

  SqliteFile file_;
  OtherProgram other_{file_.path()};
  Program program_ = open();
  ChangeLog* log_ = program_.log.get();
};

TEST_F(SqliteChanges, EveryChangedRowArrivesOnceWithWhatItWasAndWhatItIs) {
  EXPECT_TRUE(poll().empty());
  other_.execute("INSERT INTO depends VALUES ('curl', 'libc6', 1), ('git', 'curl', 2)");
  other_.execute("UPDATE depends SET target = 'zlib' WHERE package = 'curl'");
  other_.execute("DELETE FROM depends WHERE package = 'git'");
  const std::vector<RowChange> changes = poll();
  ASSERT_EQ(changes.size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(changes[i].table, "depends");
    EXPECT_EQ(changes[i].evidence, i + 1);
    EXPECT_FALSE(changes[i].whole_table);
  }
  EXPECT_TRUE(changes[0].images.before.empty());
  EXPECT_EQ(changes[0].images.after, edge("curl", "libc6", "1"));
  EXPECT_EQ(changes[1].images.after, edge("git", "curl", "2"));
  EXPECT_EQ(changes[2].images.before, edge("curl", "libc6", "1"));
  EXPECT_EQ(changes[2].images.after, edge("curl", "zlib", "1"));
  EXPECT_EQ(changes[3].images.before, edge("git", "curl", "2"));
  EXPECT_TRUE(changes[3].images.after.empty());
  EXPECT_TRUE(poll().empty());
}

TEST_F(SqliteChanges, WhatIsRolledBackNeverHappened) {
  other_.execute("BEGIN; INSERT INTO depends VALUES ('curl', 'libc6', 1); ROLLBACK");
  other_.execute("INSERT INTO depends VALUES ('git', 'curl', 2)");
  const std::vector<RowChange> changes = poll();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].images.after, edge("git", "curl", "2"));
}

TEST_F(SqliteChanges, ALoadProvesWhichChangesItIncludes) {
  DatasetSpec spec;
  spec.name = "depends";
  spec.key_fields = {"package"};
  spec.table = "depends";
  spec.writable = true;
  auto dataset = program_.source->open_dataset(spec);
  ASSERT_TRUE(dataset.has_value());
  const std::vector<KeyFields> keys = {{"curl"}};
  const auto evidence = [&] { return (*dataset)->load(keys, patient())->front().evidence; };
  EXPECT_EQ(evidence(), 0U);
  other_.execute("INSERT INTO depends VALUES ('curl', 'libc6', 1)");
  EXPECT_EQ(evidence(), 1U);
  auto written = (*dataset)->write({"curl"}, Update{{{"weight", "2"}}}, patient());
  ASSERT_TRUE(written.has_value());
  EXPECT_EQ(written->after.evidence, 2U);
  const std::vector<RowChange> changes = poll();
  ASSERT_EQ(changes.size(), 2U);
  EXPECT_LE(changes.back().evidence, written->after.evidence)
      << "Forebay's own write would drop what it cached";
  other_.execute("UPDATE depends SET weight = 3");
  ASSERT_EQ(poll().size(), 1U);
  EXPECT_EQ(evidence(), 3U);

  spec.table.clear();
  spec.query = "SELECT target FROM depends WHERE package = {package}";
  spec.writable = false;
  auto query = program_.source->open_dataset(spec);
  ASSERT_TRUE(query.has_value());
  EXPECT_EQ((*query)->load(keys, patient())->front().evidence, 3U);
}

// SQLite fires no delete trigger for these rows.
TEST_F(SqliteChanges, ARowThatAReplacePushesOutIsReported) {
  other_.execute("INSERT INTO depends VALUES ('curl', 'libc6', 1)");
  other_.execute("INSERT INTO packages VALUES (1, 'curl', 'a'), (2, 'git', 'b'), (3, 'vim', 'c')");
  poll();
  const auto before_images = [&] {
    std::vector<Fields> images;
    for (const RowChange& change : poll()) {
      if (!change.images.before.empty()) images.push_back(change.images.before);
    }
    return images;
  };
  other_.execute("REPLACE INTO depends VALUES ('curl', 'zlib', 2)");
  auto images = before_images();
  ASSERT_FALSE(images.empty());
  EXPECT_EQ(images.front(), edge("curl", "libc6", "1"));

  other_.execute("INSERT OR REPLACE INTO packages VALUES (4, 'git', 'd')");
  images = before_images();
  ASSERT_FALSE(images.empty());
  EXPECT_EQ(images.front(), (Fields{{"id", "2"}, {"name", "git"}, {"body", "b"}}));

  other_.execute("UPDATE OR REPLACE packages SET name = 'vim' WHERE id = 1");
  images = before_images();
  EXPECT_NE(std::ranges::find(images, Fields{{"id", "3"}, {"name", "vim"}, {"body", "c"}}), images.end());
  EXPECT_EQ(other_.ask("SELECT count(*) FROM packages"), "2");
}

// Indexes on expressions and on part of the rows push rows out as well.
TEST_F(SqliteChanges, ARowThatIsPushedOutThroughAnExpressionOrAPartialIndexIsReported) {
  struct Case {
    const char *columns, *index, *rows, *replace, *gone;
  };
  const Case cases[] = {
      {"id INTEGER PRIMARY KEY, a, b", "UNIQUE INDEX i ON t(lower(a))", "(1, 'Ann', 'x')",
       "INSERT OR REPLACE INTO t VALUES (2, 'ANN', 'y')", "1"},
      {"id INTEGER PRIMARY KEY, a, b", "UNIQUE INDEX i ON t(a) WHERE b = 'on'",
       "(1, 'k', 'on'), (2, 'k', 'off')", "INSERT OR REPLACE INTO t VALUES (3, 'k', 'on')", "1"},
      {"id INTEGER PRIMARY KEY, a, b", "UNIQUE INDEX i ON t(a) WHERE b = 'on'",
       "(1, 'k', 'on'), (2, 'k', 'off')", "UPDATE OR REPLACE t SET b = 'on' WHERE id = 2", "1"},
      {"id INTEGER PRIMARY KEY, a, b",
       "UNIQUE INDEX i ON t(b DESC, (a || ',(') COLLATE NOCASE ASC) WHERE b > 0 -- all", "(1, 'k', 7)",
       "REPLACE INTO t VALUES (2, 'K', 7)", "1"},
      {"id TEXT PRIMARY KEY, a, b", "UNIQUE INDEX i ON t(coalesce(a, b))", "('one', NULL, 5)",
       "UPDATE OR REPLACE t SET a = 5 WHERE id = 'two'", "one"},
      {"id TEXT PRIMARY KEY, \"a)b\", \"where\"",
       "UNIQUE INDEX i ON t(substr(\"a)b\", 1, 2), [where]) WHERE \"where\" IS NOT NULL", "('one', 'xyz', 5)",
       "REPLACE INTO t VALUES ('three', 'xyw', 5)", "one"},
  };
  for (const Case& c : cases) {
    other_.execute("DROP TABLE IF EXISTS t");
    other_.execute("CREATE TABLE t(" + std::string(c.columns) + "); CREATE " + c.index);
    other_.execute("INSERT INTO t VALUES " + std::string(c.rows));
    if (std::string(c.columns).starts_with("id TEXT")) other_.execute("INSERT INTO t VALUES ('two', 'q', 9)");
    watch(*log_, {"t"});
    poll();
    other_.execute(c.replace);
    EXPECT_EQ(other_.ask("SELECT count(*) FROM t WHERE id = '" + std::string(c.gone) + "'"), "0") << c.index;
    bool told = false;
    for (const RowChange& change : poll()) {
      EXPECT_FALSE(change.whole_table);
      told |= !change.images.before.empty() && change.images.before.front().second == c.gone;
    }
    EXPECT_TRUE(told) << c.index;
  }
}

TEST(SqliteIndexText, IsTakenApart) {
  using Terms = std::vector<std::string>;
  const auto plain = parse_index("CREATE UNIQUE INDEX i ON t(a, \"b,c\" DESC)");
  ASSERT_TRUE(plain.has_value());
  EXPECT_EQ(plain->terms, (Terms{"a", "\"b,c\""}));
  EXPECT_EQ(plain->condition, "");
  const auto rich = parse_index(
      "create unique index if not exists main.i on \"t on\" /* (x */ (lower(a) asc, f(b, ')') COLLATE "
      "nocase) where a > 0 and b <> 'x -- y' -- the end");
  ASSERT_TRUE(rich.has_value());
  EXPECT_EQ(rich->terms, (Terms{"lower(a)", "f(b, ')') COLLATE nocase"}));
  EXPECT_EQ(rich->condition, "a > 0 and b <> 'x -- y'");
  for (const char* other : {"", "CREATE", "CREATE INDEX i ON", "CREATE INDEX i ON t", "CREATE INDEX i ON t(a",
                            "CREATE INDEX i ON t(a) WHERE", "SELECT 1 ON t(a)"})
    EXPECT_EQ(parse_index(other), std::nullopt) << other;
}

// A trigger that names a column would keep it from being dropped.
TEST_F(SqliteChanges, ColumnsThatNobodyNeedsCanBeDroppedWhetherOrNotForebayRuns) {
  const std::vector<WatchedTable> needed = {{"packages", {"id"}}, {"depends", {"package", "target"}}};
  ASSERT_TRUE(log_->watch_columns(needed).has_value());
  poll();
  other_.execute("ALTER TABLE packages DROP COLUMN body");
  EXPECT_TRUE(whole_tables(poll()).empty()) << "no trigger had to be made anew";
  other_.execute("INSERT INTO packages VALUES (1, 'curl')");
  EXPECT_EQ(poll().at(0).images.after, (Fields{{"id", "1"}}));
  program_ = {};
  log_ = nullptr;
  other_.execute("ALTER TABLE depends DROP COLUMN weight");
  other_.execute("INSERT INTO depends VALUES ('git', 'curl')");
  EXPECT_EQ(other_.ask("SELECT \"after\" FROM forebay_changes ORDER BY id DESC"),
            "\"package\"='git',\"target\"='curl'");
}

// Each process needs columns of its own: none takes the others' away, so that they don't go on for ever.
TEST_F(SqliteChanges, ProcessesThatNeedOtherColumnsAgree) {
  auto second = open();
  const std::vector<WatchedTable> mine = {{"depends", {"package"}}};
  const std::vector<WatchedTable> theirs = {{"depends", {"target"}}};
  ASSERT_TRUE(log_->watch_columns(mine).has_value());
  ASSERT_TRUE(second.log->watch_columns(theirs).has_value());
  for (int i = 0; i < 3; ++i) {
    changes_of(*log_);
    changes_of(*second.log);
  }
  const std::string version = other_.ask("PRAGMA schema_version");
  other_.execute("INSERT INTO depends VALUES ('curl', 'libc6', 1)");
  const Fields both = {{"package", "curl"}, {"target", "libc6"}};
  EXPECT_EQ(poll().at(0).images.after, both);
  EXPECT_EQ(poll_of(*second.log).at(0).images.after, both);
  EXPECT_EQ(other_.ask("PRAGMA schema_version"), version);
}

TEST_F(SqliteChanges, ImagesKeepEveryValueExactly) {
  other_.execute("INSERT INTO packages VALUES (-9223372036854775808, 'it''s \"x\"=''y'',?', 0.1)");
  other_.execute("INSERT INTO packages VALUES (2, CAST(X'FF00FE' AS TEXT), X'00FF')");
  other_.execute(
      "INSERT INTO packages VALUES (3, NULL, 0.30000000000000004), (4, '', 9e999), (5, 'żółw', -1e300)");
  other_.execute(
      "INSERT INTO packages VALUES (6, 'long', hex(zeroblob(600))), (7, 'limit', hex(zeroblob(512)))");
  const std::vector<RowChange> changes = poll();
  ASSERT_EQ(changes.size(), 7U);
  const Fields expected[] = {
      {{"id", "-9223372036854775808"}, {"name", "it's \"x\"='y',?"}, {"body", "0.1"}},
      {{"id", "2"}, {"name", "\xff\0\xfe"s}, {"body", "\0\xff"s}},
      {{"id", "3"}, {"name", std::nullopt}, {"body", "0.30000000000000004"}},
      {{"id", "4"}, {"name", ""}, {"body", "Infinity"}},
      {{"id", "5"}, {"name", "żółw"}, {"body", "-1e+300"}},
      {{"id", "6"}, {"name", "long"}},
      {{"id", "7"}, {"name", "limit"}, {"body", std::string(1024, '0')}},
  };
  for (std::size_t i = 0; i < 7; ++i) EXPECT_EQ(changes[i].images.after, expected[i]) << i;
}

TEST_F(SqliteChanges, AnImageThatIsNoneIsNotRead) {
  for (const std::string_view wrong : {"", "x", "\"a\"", "\"a\"=", "\"a\"='", "\"a\"=1,", "\"a\"=X'0'",
                                       "\"a\"=X'0G'", "\"a\"=1x", "\"a=1", "\"a\"=1 ", "a=1", "\"a\"=NUL"}) {
    EXPECT_EQ(parse_image(wrong), std::nullopt) << wrong;
  }
  EXPECT_EQ(parse_image("\"a\"\"b\"=NULL,\"c\"=?,\"d\"='x'"), (Fields{{"a\"b", std::nullopt}, {"d", "x"}}));
}

TEST_F(SqliteChanges, AnyNameOfATableAndItsColumnsWill) {
  other_.execute("CREATE TABLE \"od'd \"\"t\"(\"k'\"\"1\" TEXT PRIMARY KEY, \"select\" INT) WITHOUT ROWID");
  watch(*log_, {"\"od'd \"\"t\""});
  EXPECT_EQ(whole_tables(poll()).size(), 1U) << "it may have changed while nobody watched";
  other_.execute("INSERT INTO \"od'd \"\"t\" VALUES ('a', 1)");
  other_.execute("UPDATE \"od'd \"\"t\" SET \"k'\"\"1\" = 'b'");
  const std::vector<RowChange> changes = poll();
  ASSERT_EQ(changes.size(), 2U);
  EXPECT_EQ(changes[1].table, "\"od'd \"\"t\"");
  EXPECT_EQ(changes[1].images.before, (Fields{{"k'\"1", "a"}, {"select", "1"}}));
  EXPECT_EQ(changes[1].images.after, (Fields{{"k'\"1", "b"}, {"select", "1"}}));
}

TEST_F(SqliteChanges, WatchingAgainChangesNothingInTheFile) {
  const std::string version = other_.ask("PRAGMA schema_version");
  watch(*log_, {"depends", "packages"});
  auto second = open();
  watch(*second.log, {"packages", "depends"});
  EXPECT_EQ(other_.ask("PRAGMA schema_version"), version);
  EXPECT_TRUE(poll().empty());
}

TEST_F(SqliteChanges, EveryProcessOnTheFileSeesEveryChange) {
  auto second = open();
  watch(*second.log, {"depends"});
  other_.execute("INSERT INTO depends VALUES ('curl', 'libc6', 1)");
  other_.execute("INSERT INTO packages VALUES (1, 'curl', '')");
  EXPECT_EQ(poll().size(), 2U);
  const auto seen = poll_of(*second.log);
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].images.after, edge("curl", "libc6", "1"));
}

TEST_F(SqliteChanges, ANewColumnIsReportedAndThenSeen) {
  other_.execute("INSERT INTO depends VALUES ('curl', 'libc6', 1)");
  other_.execute("ALTER TABLE depends ADD COLUMN kind TEXT DEFAULT 'hard'");
  std::vector<RowChange> changes = poll();
  EXPECT_EQ(whole_tables(changes), std::set<std::string>{"depends"});
  EXPECT_EQ(changes.front().images.after, edge("curl", "libc6", "1"));
  EXPECT_TRUE(poll().empty());
  other_.execute("UPDATE depends SET kind = 'soft'");
  changes = poll();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].images.after.back(), (std::pair<std::string, OptionalText>("kind", "soft")));
  other_.execute("ALTER TABLE depends RENAME COLUMN kind TO sort");
  EXPECT_EQ(whole_tables(poll()), std::set<std::string>{"depends"});
  other_.execute("UPDATE depends SET sort = 'x'");
  EXPECT_EQ(poll().at(0).images.after.back(), (std::pair<std::string, OptionalText>("sort", "x")));
}

TEST_F(SqliteChanges, ATableThatIsMadeAnewIsWatchedAgain) {
  other_.execute("DROP TABLE depends");
  EXPECT_EQ(whole_tables(poll()), std::set<std::string>{"depends"});
  other_.execute("CREATE TABLE depends(package TEXT PRIMARY KEY, target TEXT, weight INT)");
  other_.execute("INSERT INTO depends VALUES ('unseen', 'x', 1)");
  EXPECT_EQ(whole_tables(poll()), std::set<std::string>{"depends"});
  other_.execute("INSERT INTO depends VALUES ('seen', 'x', 1)");
  const std::vector<RowChange> changes = poll();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].images.after, edge("seen", "x", "1"));
}

TEST_F(SqliteChanges, DroppedTriggersAndADroppedLogComeBack) {
  other_.execute("DROP TRIGGER forebay_update_depends");
  EXPECT_EQ(whole_tables(poll()), std::set<std::string>{"depends"});
  other_.execute("INSERT INTO depends VALUES ('curl', 'libc6', 1)");
  EXPECT_EQ(poll().size(), 1U);
  other_.execute("DROP TABLE forebay_changes");
  EXPECT_TRUE(loses(*log_));
  // SQLite looks for a trigger's table in the schema it remembers, so a connection that dropped it must look
  // again.
  EXPECT_EQ(other_.ask("SELECT count(*) FROM forebay_changes"), "0");
  other_.execute("UPDATE depends SET weight = 5");
  EXPECT_EQ(poll().at(0).images.after, edge("curl", "libc6", "5"));
}

TEST_F(SqliteChanges, MoreChangesThanOnePollTakesComeInTheNext) {
  other_.execute(
      "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 12000) "
      "INSERT INTO packages SELECT i, 'p' || i, '' FROM n");
  std::size_t total = 0;
  for (int polls = 0; polls < 3; ++polls) total += poll().size();
  EXPECT_EQ(total, 12'000U);
  EXPECT_TRUE(poll().empty());
}

class SqliteTrimmedChanges : public SqliteChanges {
 protected:
  void write_rows(int count) {
    for (int i = 0; i < count; ++i)
      other_.execute("INSERT INTO depends VALUES ('p" + std::to_string(next_++) + "', 'x', 1)");
  }
  std::int64_t logged() { return std::stoll(other_.ask("SELECT count(*) FROM forebay_changes")); }

  Database database_{"catalog", file_.path(), 1, std::chrono::seconds(30)};
  const std::vector<std::string> tables_ = {"depends"};
  int next_ = 0;
};

TEST_F(SqliteTrimmedChanges, TheLogStaysBoundedAndWhoIsLeftBehindKnows) {
  const TriggerLog::Options options{
      .rows = 10, .age = std::chrono::hours(1), .backlog = 1000, .trim_interval = {}};
  TriggerLog quick(database_, options);
  TriggerLog slow(database_, options);
  ASSERT_TRUE(quick.watch(tables_).has_value());
  ASSERT_TRUE(slow.watch(tables_).has_value());
  write_rows(8);
  EXPECT_EQ(poll_of(quick).size(), 8U);
  EXPECT_EQ(logged(), 8);
  EXPECT_EQ(poll_of(slow).size(), 8U);
  write_rows(12);
  EXPECT_EQ(poll_of(quick).size(), 12U);
  EXPECT_EQ(logged(), 10);
  // Ids 9 and 10 are gone; the slow one has not seen them.
  EXPECT_TRUE(loses(slow));
  EXPECT_TRUE(poll_of(slow).empty());
  write_rows(1);
  EXPECT_EQ(poll_of(slow).size(), 1U);
}

TEST_F(SqliteTrimmedChanges, OldRowsGoAndALogTrimmedEmptyIsNoticed) {
  const TriggerLog::Options options{
      .rows = 1000, .age = std::chrono::hours(1), .backlog = 1000, .trim_interval = {}};
  TriggerLog log(database_, options);
  ASSERT_TRUE(log.watch(tables_).has_value());
  write_rows(3);
  EXPECT_EQ(poll_of(log).size(), 3U);
  other_.execute("UPDATE forebay_changes SET at = at - 7200 WHERE id <= 2");
  write_rows(1);
  EXPECT_EQ(poll_of(log).size(), 1U);
  EXPECT_EQ(logged(), 2);
  write_rows(1);
  other_.execute("DELETE FROM forebay_changes");
  EXPECT_TRUE(loses(log));
}

TEST_F(SqliteTrimmedChanges, AHugeTransactionCountsAsLost) {
  TriggerLog log(database_, {.rows = 1000, .age = std::chrono::hours(1), .backlog = 50, .trim_interval = {}});
  ASSERT_TRUE(log.watch(tables_).has_value());
  write_rows(51);
  EXPECT_TRUE(loses(log));
  write_rows(1);
  EXPECT_EQ(poll_of(log).size(), 1U);
}

TEST_F(SqliteChanges, AFileThatTakesTheOthersPlaceIsNoticed) {
  DatasetSpec spec;
  spec.name = "depends";
  spec.key_fields = {"package"};
  spec.table = "depends";
  auto dataset = program_.source->open_dataset(spec);
  ASSERT_TRUE(dataset.has_value());
  other_.execute("INSERT INTO depends VALUES ('curl', 'old', 1)");
  poll();
  const std::string path = (file_.folder / "new.db").string();
  {
    OtherProgram maker(path);
    maker.execute("CREATE TABLE depends(package TEXT PRIMARY KEY, target TEXT, weight INT)");
    maker.execute("INSERT INTO depends VALUES ('curl', 'new', 1)");
  }
  other_.execute("PRAGMA wal_checkpoint(TRUNCATE)");
  for (const char* ending : {"-wal", "-shm"}) std::filesystem::remove(file_.path() + ending);
  std::filesystem::rename(path, file_.path());
  EXPECT_TRUE(loses(*log_));
  const std::vector<KeyFields> keys = {{"curl"}};
  auto loaded = (*dataset)->load(keys, patient());
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_EQ(loaded->front().value, R"({"package":"curl","target":"new","weight":1})");
  OtherProgram again(file_.path());
  again.execute("UPDATE depends SET weight = 2");
  EXPECT_EQ(poll().at(0).images.after, edge("curl", "new", "2"));
}

// The program's own means to put a copy back, which the file's name and its counters don't show.
void restore(sqlite3* to, const std::string& from) {
  OtherProgram copy(from);
  sqlite3_backup* backup = sqlite3_backup_init(to, "main", copy.handle(), "main");
  ASSERT_NE(backup, nullptr);
  EXPECT_EQ(sqlite3_backup_step(backup, -1), SQLITE_DONE);
  EXPECT_EQ(sqlite3_backup_finish(backup), SQLITE_OK);
}

TEST_F(SqliteChanges, ARestoredCopyWithAsManyChangesIsNoticed) {
  other_.execute("INSERT INTO depends VALUES ('curl', 'a', 1)");
  poll();
  const std::string copy = (file_.folder / "copy.db").string();
  other_.execute("VACUUM INTO '" + copy + "'");
  other_.execute("UPDATE depends SET target = 'b'");
  other_.execute("UPDATE depends SET target = 'c'");
  EXPECT_EQ(poll().size(), 2U);
  restore(other_.handle(), copy);
  for (const char* target : {"x", "y"})
    other_.execute("UPDATE depends SET target = '" + std::string(target) + "'");
  ASSERT_EQ(other_.ask("SELECT seq FROM sqlite_sequence WHERE name = 'forebay_changes'"), "3");
  EXPECT_TRUE(changes_of(*log_).lost);
  other_.execute("UPDATE depends SET target = 'z'");
  EXPECT_EQ(poll().at(0).images.after, edge("curl", "z", "1"));
  restore(other_.handle(), copy);
  EXPECT_TRUE(changes_of(*log_).lost) << "with fewer changes";
  for (int i = 0; i < 5; ++i) other_.execute("UPDATE depends SET weight = " + std::to_string(i));
  poll();
  restore(other_.handle(), copy);
  for (int i = 0; i < 9; ++i) other_.execute("UPDATE depends SET weight = " + std::to_string(i));
  EXPECT_TRUE(changes_of(*log_).lost) << "with more changes";
}

// What an earlier version has made is taken over.
TEST_F(SqliteChanges, ALogOfBeforeMarksGetsThem) {
  program_ = {};
  for (const char* event : {"insert", "update", "delete", "insert_replace", "update_replace"}) {
    for (const char* table : {"depends", "packages"})
      other_.execute("DROP TRIGGER IF EXISTS forebay_" + std::string(event) + "_" + table);
  }
  other_.execute("DROP TABLE forebay_changes");
  other_.execute(
      "CREATE TABLE forebay_changes(id INTEGER PRIMARY KEY AUTOINCREMENT, tbl TEXT NOT NULL, op TEXT NOT "
      "NULL, "
      "\"before\" TEXT, \"after\" TEXT, at INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS "
      "INTEGER)))");
  other_.execute("INSERT INTO forebay_changes(tbl, op) VALUES ('depends', 'insert')");
  program_ = open();
  log_ = program_.log.get();
  watch(*log_, {"depends"});
  other_.execute("INSERT INTO depends VALUES ('curl', 'libc6', 1)");
  EXPECT_EQ(poll().at(0).images.after, edge("curl", "libc6", "1"));
  EXPECT_EQ(other_.ask("SELECT count(mark) FROM forebay_changes"), "1");
}

TEST_F(SqliteChanges, OneTableUnderSeveralNamesHasOneSetOfTriggers) {
  watch(*log_, {"DEPENDS"});
  changes_of(*log_);
  const std::string version = other_.ask("PRAGMA schema_version");
  auto second = open();
  watch(*second.log, {"main.depends"});
  changes_of(*second.log);
  EXPECT_EQ(other_.ask("PRAGMA schema_version"), version);
  other_.execute("INSERT INTO depends VALUES ('curl', 'libc6', 1)");
  EXPECT_EQ(poll().at(0).table, "DEPENDS");
  EXPECT_EQ(poll_of(*second.log).at(0).table, "main.depends");
}

TEST_F(SqliteChanges, OnlyTablesOfTheFileCanBeWatched) {
  other_.execute("CREATE VIEW v AS SELECT * FROM depends");
  for (const std::string& name : {"nowhere"s, "v"s, "temp.depends"s, "a.b.c"s}) {
    const std::vector<std::string> tables = {"depends", name};
    auto watching = log_->watch(tables);
    ASSERT_FALSE(watching.has_value()) << name;
    EXPECT_EQ(watching.error().code, ErrorCode::kConfig);
    EXPECT_NE(watching.error().message.find(name), std::string::npos) << watching.error().message;
  }
  other_.execute("INSERT INTO packages VALUES (1, 'curl', '')");
  EXPECT_EQ(poll().size(), 1U) << "a refused list leaves the former one watched";
  EXPECT_EQ((*open_source(file_.settings(), {}))->change_log(), nullptr) << "unless it is asked to keep one";
}

}  // namespace
}  // namespace forebay::source::sqlite
