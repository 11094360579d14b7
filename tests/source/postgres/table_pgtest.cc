// Table mode where PostgreSQL is more than the contract: schemas, triggers, grants, races.

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "base/row_json.h"
#include "source/postgres/fixture.h"

namespace forebay {
namespace {

class PostgresTable : public PostgresTest {
 protected:
  void SetUp() override {
    sql("DROP TABLE IF EXISTS things CASCADE; DROP VIEW IF EXISTS seen");
    sql("CREATE TABLE things(id integer PRIMARY KEY, n integer, label text)");
  }
};

TEST_F(PostgresTable, NamesAreQuotedAndMayNameASchema) {
  sql("DROP SCHEMA IF EXISTS \"Odd shop\" CASCADE; CREATE SCHEMA \"Odd shop\"");
  sql("CREATE TABLE \"Odd shop\".\"or\"\"der.s\"(\"Key\" text, \"select\" integer, \"a b\" text DEFAULT 'd', "
      "UNIQUE (\"select\", \"Key\"))");
  auto database = source();
  DatasetSpec spec = table("\"Odd shop\".\"or\"\"der.s\"", {"Key", "select"});
  spec.watch_columns = {"a b"};
  auto dataset = open(*database, spec);
  ASSERT_NE(dataset, nullptr);
  auto written = dataset->write({"k", "1"}, Upsert{}, within());
  ASSERT_TRUE(written.has_value()) << written.error().message;
  EXPECT_EQ(written->after.value, R"({"Key":"k","select":1,"a b":"d"})");
  EXPECT_EQ(load(*dataset, {{"k", "1"}}).front(), written->after.value);
  EXPECT_TRUE(dataset->write({"k", "1"}, Remove{}, within())->existed);
  EXPECT_NE(open_error(*database, table("Odd shop.nothing")).message.find("Odd shop.nothing"),
            std::string::npos);
}

TEST_F(PostgresTable, WhatAWriteReturnsIsWhatTriggersMadeOfIt) {
  sql("CREATE OR REPLACE FUNCTION raise_n() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.n = NEW.n + 1; "
      "RETURN NEW; END$$;"
      "CREATE TRIGGER before_write BEFORE INSERT OR UPDATE ON things FOR EACH ROW EXECUTE FUNCTION "
      "raise_n()");
  auto database = source();
  auto before = open(*database, table("things"));
  ASSERT_NE(before, nullptr);
  EXPECT_EQ(before->write({"1"}, Upsert{{{"n", "1"}}}, within())->after.value,
            R"({"id":1,"n":2,"label":null})");
  sql("CREATE OR REPLACE FUNCTION label_it() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
      "UPDATE things SET label = 'after ' || NEW.n WHERE id = NEW.id AND label IS DISTINCT FROM 'after ' || "
      "NEW.n; RETURN NULL; END$$;"
      "DROP TRIGGER before_write ON things;"
      "CREATE TRIGGER after_write AFTER INSERT OR UPDATE OF n ON things FOR EACH ROW EXECUTE FUNCTION "
      "label_it()");
  DatasetSpec spec = table("things");
  spec.watch_columns = {"label"};
  auto after = open(*database, spec);
  ASSERT_NE(after, nullptr);
  const auto written = after->write({"2"}, Upsert{{{"n", "5"}}}, within());
  ASSERT_TRUE(written.has_value()) << written.error().message;
  EXPECT_EQ(written->after.value, R"({"id":2,"n":5,"label":"after 5"})");
  EXPECT_EQ(written->images.after, (Fields{{"label", "after 5"}}));
  EXPECT_EQ(after->write({"2"}, Add{"n", "1"}, within())->after.value, R"({"id":2,"n":6,"label":"after 6"})");
}

// What a table does by itself when it is written (source/postgres/reactions.h).
// Without the ids of tables, which differ from server to server.
std::vector<std::string> named(const AlsoChanged& also) {
  std::vector<std::string> names = also.tables;
  std::erase_if(names, [](const std::string& name) { return name.starts_with('#'); });
  return names;
}

class PostgresReactions : public PostgresTable {
 protected:
  void SetUp() override {
    PostgresTable::SetUp();
    sql("DROP SCHEMA IF EXISTS blog CASCADE; CREATE SCHEMA blog;"
        "CREATE TABLE blog.posts (id int PRIMARY KEY, author int REFERENCES things(id) ON DELETE CASCADE);"
        "INSERT INTO things VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c'); INSERT INTO blog.posts VALUES (7, "
        "3)");
  }
  void TearDown() override { sql("DROP SCHEMA blog CASCADE; DROP FUNCTION IF EXISTS react() CASCADE"); }
  void trigger(const std::string& kind, const std::string& body) const {
    sql("CREATE OR REPLACE FUNCTION react() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN " + body + " END$$;" +
        kind + " FOR EACH ROW EXECUTE FUNCTION react()");
  }
  using Tables = std::vector<std::string>;
};

TEST_F(PostgresReactions, ADeferredTriggerHasRunBeforeTheRowIsShown) {
  trigger("CREATE CONSTRAINT TRIGGER completes AFTER UPDATE ON things DEFERRABLE INITIALLY DEFERRED",
          "UPDATE things SET label = 'n' || NEW.n WHERE id = NEW.id AND label <> 'n' || NEW.n; RETURN NULL;");
  auto database = source();
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  const auto written = dataset->write({"1"}, Update{{{"n", "5"}}}, within());
  ASSERT_TRUE(written.has_value()) << written.error().message;
  EXPECT_EQ(written->after.value, R"({"id":1,"n":5,"label":"n5"})");
  EXPECT_EQ(named(written->also), Tables{}) << "its own row is no other one";
}

TEST_F(PostgresReactions, ATriggerThatCameLaterIsSeenByTheNextWrite) {
  auto database = source();
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(named(dataset->write({"1"}, Update{{{"n", "4"}}}, within())->also), Tables{});
  trigger("CREATE TRIGGER siblings AFTER UPDATE OF n ON things",
          "UPDATE things SET label = 'other' WHERE id = NEW.id + 1; RETURN NULL;");
  const auto written = dataset->write({"1"}, Update{{{"n", "5"}}}, within());
  ASSERT_TRUE(written.has_value()) << written.error().message;
  EXPECT_EQ(named(written->also), (Tables{"public.things", "things"}));
  EXPECT_FALSE(written->also.anything);
  sql("DROP TRIGGER siblings ON things");
  EXPECT_EQ(named(dataset->write({"1"}, Update{{{"n", "6"}}}, within())->also), Tables{});
}

TEST_F(PostgresReactions, CascadesAndTriggersNameTheTablesThatTheyChange) {
  auto database = source();
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(named(dataset->write({"1"}, Remove{}, within())->also), Tables{}) << "nothing referred to it";
  EXPECT_EQ(named(dataset->write({"3"}, Remove{}, within())->also), (Tables{"blog.posts"}));
  trigger("CREATE TRIGGER posts BEFORE UPDATE ON things",
          "INSERT INTO blog.posts VALUES (9, 2); RETURN NEW;");
  EXPECT_EQ(named(dataset->write({"2"}, Update{{{"n", "5"}}}, within())->also), (Tables{"blog.posts"}));
}

TEST_F(PostgresReactions, ATriggerOfOnePartitionAndARuleCount) {
  sql("CREATE TABLE blog.parts (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);"
      "CREATE TABLE blog.low PARTITION OF blog.parts FOR VALUES FROM (0) TO (10);"
      "CREATE TABLE blog.high PARTITION OF blog.parts FOR VALUES FROM (10) TO (20);"
      "INSERT INTO blog.parts VALUES (1, 1), (2, 2), (11, 1)");
  trigger("CREATE TRIGGER low AFTER UPDATE ON blog.low",
          "UPDATE blog.parts SET n = 0 WHERE id <> NEW.id AND n <> 0; RETURN NULL;");
  auto database = source();
  auto parts = open(*database, table("blog.parts"));
  ASSERT_NE(parts, nullptr);
  EXPECT_EQ(named(parts->write({"1"}, Update{{{"n", "5"}}}, within())->also), (Tables{"blog.parts"}));
  EXPECT_EQ(named(parts->write({"11"}, Update{{{"n", "5"}}}, within())->also), Tables{})
      << "another partition";

  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  sql("CREATE RULE also AS ON DELETE TO things DO ALSO DELETE FROM blog.posts");
  EXPECT_EQ(named(dataset->write({"1"}, Remove{}, within())->also), (Tables{"blog.posts"}));
}

TEST_F(PostgresReactions, AnIncrementAnswersWithItsSum) {
  trigger("CREATE TRIGGER clamps AFTER UPDATE ON things",
          "UPDATE things SET n = 10 WHERE id = NEW.id AND n > 10; RETURN NULL;");
  auto database = source();
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  const auto written = dataset->write({"1"}, Add{"n", "41"}, within());
  ASSERT_TRUE(written.has_value()) << written.error().message;
  EXPECT_EQ(written->added, "42");
  EXPECT_EQ(written->after.value, R"({"id":1,"n":10,"label":"a"})");
}

TEST_F(PostgresReactions, ASessionThatDoesNotCountCanSayNothing) {
  trigger("CREATE TRIGGER any_trigger AFTER UPDATE ON things", "RETURN NULL;");
  sql("ALTER DATABASE postgres SET track_counts = off");
  auto database = source();
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  EXPECT_TRUE(dataset->write({"1"}, Update{{{"n", "5"}}}, within())->also.anything);
  sql("ALTER DATABASE postgres RESET track_counts");
}

TEST_F(PostgresTable, ATriggersOwnRefusalReachesTheClient) {
  sql("CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
      "$$BEGIN RAISE EXCEPTION 'the shop is closed' USING DETAIL = 'until Monday'; END$$;"
      "CREATE TRIGGER refuse BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION refuse()");
  auto database = source();
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  const Error error = write_error(*dataset, "1", Upsert{{{"n", "1"}}});
  EXPECT_EQ(error.code, ErrorCode::kRefused);
  EXPECT_EQ(error.message, "source shop, table things: the shop is closed: until Monday");
}

// The row appears between the update that found none and the insert: what the other writer put there has to
// be told as the row's state before, or nobody would invalidate what depended on it.
TEST_F(PostgresTable, AWriteThatATriggerPassesOverSucceedsAndShowsTheRowAsItIs) {
  sql("INSERT INTO things VALUES (1, 1, 'kept'), (2, 1, 'x');"
      "CREATE OR REPLACE FUNCTION pass_over() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;"
      "CREATE TRIGGER same BEFORE UPDATE ON things FOR EACH ROW EXECUTE FUNCTION "
      "suppress_redundant_updates_trigger();"
      "CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON things FOR EACH ROW WHEN (OLD.label = 'kept') "
      "EXECUTE FUNCTION pass_over();"
      "CREATE TRIGGER unwanted BEFORE INSERT ON things FOR EACH ROW WHEN (NEW.n = 99) EXECUTE FUNCTION "
      "pass_over()");
  auto database = source();
  DatasetSpec watched = table("things");
  watched.watch_columns = {"n"};
  DatasetSpec counter = table("things");
  counter.kind = ValueKind::kCounter;
  counter.value_column = "n";
  for (const DatasetSpec& spec : {table("things"), watched}) {
    auto dataset = open(*database, spec);
    ASSERT_NE(dataset, nullptr);
    const auto write = [&](const std::string& key, const Write& what) {
      auto written = dataset->write({key}, what, within());
      EXPECT_TRUE(written.has_value()) << (written ? "" : written.error().message);
      return written ? *written : Written();
    };
    for (const Write& what : {Write(Update{{{"n", "2"}}, true}), Write(Upsert{{{"n", "2"}}}),
                              Write(Update{{{"n", "2"}}}), Write(Remove{}), Write(Add{"n", "5"})}) {
      const Written written = write("1", what);
      EXPECT_TRUE(written.existed) << what.index();
      EXPECT_EQ(written.after.value, R"({"id":1,"n":1,"label":"kept"})") << what.index();
    }
    EXPECT_EQ(write("2", Update{{{"n", "1"}}}).after.value, R"({"id":2,"n":1,"label":"x"})");
    EXPECT_FALSE(write("3", Upsert{{{"n", "99"}}}).after.value.has_value());
    EXPECT_FALSE(write("4", Remove{}).existed);
  }
  auto counts = open(*database, counter);
  ASSERT_NE(counts, nullptr);
  EXPECT_EQ(counts->write({"1"}, Add{"n", "5"}, within())->added, "1");
  EXPECT_EQ(sql("SELECT string_agg(id || ':' || n, ' ' ORDER BY id) FROM things"), "1:1 2:1");
}

TEST_F(PostgresTable, AKeyThatItsTypeCannotReadIsAbsentAndSpoilsNoBatch) {
  sql("CREATE EXTENSION IF NOT EXISTS ltree; DROP TABLE IF EXISTS typed; DROP TYPE IF EXISTS pair;"
      "CREATE TYPE pair AS (a integer, b text);"
      "CREATE TABLE typed(path ltree, at timestamptz, span int4range, class regclass, pair pair, n integer);"
      "INSERT INTO typed VALUES ('a.b', '2026-01-01 00:00Z', '[1,3)', 'typed', '(1,x)', 7)");
  const struct {
    std::string column, type, good;
    std::vector<std::string> bad;
  } rows[] = {
      {"path", "ltree", "a.b", {"a..b", "a b", ""}},
      {"at", "timestamptz", "2026-01-01T00:00:00Z", {"nonsense", "2026-01-01 00:00 Mars/Base", "2026-02-30"}},
      {"span", "int4range", "[1,3)", {"[3,1]", "x"}},
      {"class", "regclass", "typed", {"nothing", "1.2.3.4"}},
      {"pair", "pair", "(1,x)", {"(1", "(x,1)", "(1,2,3)"}}};
  auto database = source();
  for (const auto& row : rows) {
    auto dataset = open(*database, table("typed", {row.column}, false));
    auto asked =
        open(*database, query("SELECT n FROM typed WHERE " + row.column + " = {k}::" + row.type, {"k"}));
    ASSERT_NE(dataset, nullptr);
    ASSERT_NE(asked, nullptr);
    std::vector<KeyFields> keys;
    for (int i = 0; i < 20; ++i) {
      for (const std::string& bad : row.bad) keys.push_back({bad});
    }
    keys.insert(keys.begin() + 13, {row.good});
    for (Dataset* each : {dataset.get(), asked.get()}) {
      const auto values = load(*each, keys);
      for (std::size_t i = 0; i < keys.size(); ++i)
        EXPECT_EQ(values[i].has_value(), i == 13) << row.column << i;
      EXPECT_FALSE(load_one(*each, row.bad.front()).has_value()) << row.column;
    }
  }
  // A type that is gone makes no key absent.
  auto dataset = open(*database, table("typed", {"pair"}, false));
  ASSERT_NE(dataset, nullptr);
  sql("DROP TYPE pair CASCADE");
  EXPECT_EQ(load_error(*dataset, "(1,x)", within()).code, ErrorCode::kRefused);
  sql("DROP TABLE typed");
}

TEST_F(PostgresTable, AWriteThatLosesTheRaceToCreateARowSeesTheOthersValues) {
  sql("CREATE OR REPLACE FUNCTION wait_for_eight() RETURNS trigger LANGUAGE plpgsql AS "
      "$$BEGIN IF NEW.label = 'ours' THEN PERFORM pg_advisory_xact_lock_shared(8); END IF; RETURN NEW; END$$;"
      "CREATE TRIGGER waits BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION wait_for_eight()");
  auto database = source();
  DatasetSpec spec = table("things");
  spec.watch_columns = {"n"};
  auto dataset = open(*database, spec);
  ASSERT_NE(dataset, nullptr);
  Session other(server_);
  other.run("SELECT pg_advisory_lock(8)");
  auto writing = std::async(std::launch::async, [&] {
    return dataset->write({"1"}, Upsert{{{"n", "2"}, {"label", "ours"}}}, within());
  });
  wait_for_statement("INSERT INTO");
  sql("INSERT INTO things VALUES (1, 1, 'theirs')");
  other.run("SELECT pg_advisory_unlock(8)");
  const auto written = writing.get();
  ASSERT_TRUE(written.has_value()) << written.error().message;
  EXPECT_TRUE(written->existed);
  EXPECT_EQ(written->images.before, (Fields{{"n", "1"}}));
  EXPECT_EQ(written->images.after, (Fields{{"n", "2"}}));
  EXPECT_EQ(sql("SELECT label FROM things"), "ours");
}

TEST_F(PostgresTable, EightThreadsWriteTheSameAbsentRowsOver) {
  auto database = source();
  DatasetSpec spec = table("things");
  spec.watch_columns = {"n"};
  auto dataset = open(*database, spec);
  ASSERT_NE(dataset, nullptr);
  std::atomic<int> created = 0;
  std::atomic<int> removed = 0;
  std::atomic<int> failures = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 60; ++i) {
          const KeyFields key = {std::to_string(i % 3)};
          const bool remove = (i + t) % 4 == 0;
          const Write what = remove ? Write(Remove{}) : Write(Upsert{{{"n", std::to_string(t)}}});
          const auto written = dataset->write(key, what, within());
          if (!written) {
            ADD_FAILURE() << written.error().message;
            ++failures;
            continue;
          }
          if (written->existed == written->images.before.empty()) ++failures;
          if (!remove && !written->existed) ++created;
          if (remove && written->existed) ++removed;
        }
      });
    }
  }
  EXPECT_EQ(failures.load(), 0);
  EXPECT_EQ(std::to_string(created - removed), sql("SELECT count(*) FROM things"));
}

TEST_F(PostgresTable, WhatTheRoleMayNotDoIsFoundWhenItIsOpened) {
  sql("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN");
  auto database = source(2, "reader");
  Error error = open_error(*database, table("things"));
  EXPECT_EQ(error.code, ErrorCode::kConfig);
  EXPECT_NE(error.message.find("may not SELECT"), std::string::npos) << error.message;
  sql("GRANT SELECT (id, n) ON things TO reader");
  auto some = open(*database, table("things", {"id"}, false));
  ASSERT_NE(some, nullptr);
  sql("INSERT INTO things VALUES (1, 2, 'secret')");
  EXPECT_EQ(load_one(*some, "1"), R"({"id":1,"n":2})");
  error = open_error(*database, table("things"));
  EXPECT_EQ(error.code, ErrorCode::kConfig);
  EXPECT_NE(error.message.find("INSERT"), std::string::npos) << error.message;
  sql("GRANT INSERT ON things TO reader");
  error = open_error(*database, table("things"));
  EXPECT_NE(error.message.find("UPDATE"), std::string::npos) << error.message;
  sql("GRANT UPDATE ON things TO reader");
  auto writing = open(*database, table("things"));
  ASSERT_NE(writing, nullptr);
  EXPECT_TRUE(writing->write({"1"}, Update{{{"n", "3"}}}, within()).has_value());
  error = write_error(*writing, "1", Remove{});
  EXPECT_EQ(error.code, ErrorCode::kRefused);
  EXPECT_NE(error.message.find("permission denied"), std::string::npos) << error.message;
  some.reset();
  writing.reset();
  database.reset();
  sql("DROP OWNED BY reader; DROP ROLE reader");
}

TEST_F(PostgresTable, AViewIsReadButNotWritten) {
  sql("CREATE VIEW seen AS SELECT id, n * 2 AS twice FROM things; INSERT INTO things VALUES (1, 21)");
  auto database = source();
  auto dataset = open(*database, table("seen", {"id"}, false));
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(load_one(*dataset, "1"), R"({"id":1,"twice":42})");
  const Error error = open_error(*database, table("seen"));
  EXPECT_EQ(error.code, ErrorCode::kConfig);
  EXPECT_NE(error.message.find("view"), std::string::npos) << error.message;
}

TEST_F(PostgresTable, OnlyAUniqueIndexThatCoversEveryRowCounts) {
  auto database = source();
  const auto refused = [&] { return open_error(*database, table("things", {"n"})).message; };
  EXPECT_NE(refused().find("unique"), std::string::npos);
  sql("CREATE UNIQUE INDEX partial ON things(n) WHERE n > 0");
  EXPECT_NE(refused().find("unique"), std::string::npos);
  sql("CREATE UNIQUE INDEX wider ON things(n, label)");
  EXPECT_NE(refused().find("unique"), std::string::npos);
  sql("CREATE UNIQUE INDEX expression ON things((n + 1))");
  EXPECT_NE(refused().find("unique"), std::string::npos);
  sql("ALTER TABLE things ADD CONSTRAINT late UNIQUE (n) DEFERRABLE");
  EXPECT_NE(refused().find("unique"), std::string::npos);
  sql("CREATE UNIQUE INDEX including ON things(n) INCLUDE (label)");
  EXPECT_NE(open(*database, table("things", {"n"})), nullptr);
}

TEST_F(PostgresTable, AVersionMayComeFromTheColumnsDefault) {
  sql("DROP SEQUENCE IF EXISTS versions; CREATE SEQUENCE versions START 100");
  sql("ALTER TABLE things ADD COLUMN ver bigint DEFAULT nextval('versions')");
  auto database = source();
  DatasetSpec spec = table("things");
  spec.version_column = "ver";
  auto dataset = open(*database, spec);
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(dataset->write({"1"}, Upsert{}, within())->after.version, 100U);
  EXPECT_EQ(dataset->write({"1"}, Upsert{{{"n", "1"}}}, within())->after.version, 101U);
}

// {"doc":"12"} and {"doc":12} are different rows, although both have the text 12.
TEST_F(PostgresTable, AStringOfAJsonColumnStaysOneWhateverItLooksLike) {
  sql("ALTER TABLE things ADD COLUMN doc jsonb");
  auto database = source();
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  for (const char* doc : {R"("12")", "12", R"("true")", "true", R"("null")", R"("{\"a\":1}")", R"("[1]")",
                          R"("\"quoted\"")", R"("\"")", R"("{")", R"("")", R"("text")", R"({"a": "1"})"}) {
    Upsert upsert;
    const std::string row = std::string(R"({"id":1,"n":null,"label":"12","doc":)") + doc + "}";
    auto fields = fields_of_row(row, &upsert.strings);
    ASSERT_TRUE(fields.has_value()) << row;
    upsert.fields = *std::move(fields);
    const auto written = dataset->write({"1"}, upsert, within());
    ASSERT_TRUE(written.has_value()) << row << written.error().message;
    EXPECT_EQ(written->after.value, row);
  }
}

TEST_F(PostgresTable, ManyDifferentSetsOfColumnsDoNotFillTheSession) {
  std::string columns;
  for (int i = 0; i < 9; ++i) columns += (i == 0 ? "c" : ", c") + std::to_string(i) + " integer";
  sql("DROP TABLE IF EXISTS wide; CREATE TABLE wide(id integer PRIMARY KEY, " + columns + ")");
  auto database = source(1);
  auto dataset = open(*database, table("wide"));
  auto held = open(*database, query("SELECT count(*) FROM pg_prepared_statements WHERE 'x' = {id}"));
  ASSERT_NE(dataset, nullptr);
  ASSERT_NE(held, nullptr);
  for (int set = 1; set < 512; ++set) {
    Fields fields;
    for (int i = 0; i < 9; ++i) {
      if ((set >> i & 1) != 0) fields.emplace_back("c" + std::to_string(i), std::to_string(set));
    }
    ASSERT_TRUE(dataset->write({"1"}, Upsert{fields}, within()).has_value());
  }
  EXPECT_LE(std::stoi(load_one(*held, "x").value_or("9999")), 256);
  EXPECT_EQ(sql("SELECT c0 + c8 FROM wide"), "1022");
}

}  // namespace
}  // namespace forebay
