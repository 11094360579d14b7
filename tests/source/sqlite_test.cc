// SQLite under the contract of all sources, and what only SQLite does.

#include "source/sqlite.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "contract/source_contract.h"
#include "source/registry.h"
#include "source/sqlite/connection.h"
#include "source/sqlite_fixture.h"
#include "support/number_texts.h"

namespace forebay {
namespace {

class SqliteUnderTest final : public SourceUnderTest {
 public:
  SqliteUnderTest() : other_(file_.path()), source_(std::move(*source::open_source(file_.settings(), {}))) {}

  Source& source() override { return *source_; }
  void execute(const std::string& sql) override { other_.execute(sql); }
  std::string ask(const std::string& sql) override { return other_.ask(sql); }
  std::string bytes_type() const override { return "BLOB"; }
  std::string bytes_literal(const std::string& hex) const override { return "X'" + hex + "'"; }
  std::string json_type() const override { return "JSON"; }
  std::string json_list(const std::string& expression) const override {
    return "json_group_array(" + expression + ")";
  }
  std::string endless_query() const override {
    return "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000000) "
           "SELECT max(i) FROM n WHERE {name} IS NOT NULL";
  }
  bool stores_nul() const override { return true; }
  std::vector<Columns> columns_of_all_types() const override {
    return {{"",
             {"INTEGER", "BIGINT", "REAL", "DOUBLE", "NUMERIC", "DECIMAL(10,2)", "TEXT", "VARCHAR(20)",
              "BLOB", "BINARY", "BOOLEAN", "JSON", "JSON TEXT", "DATE", "", "ANY"}},
            {"STRICT", {"INT", "INTEGER", "REAL", "TEXT", "BLOB", "ANY"}}};
  }
  std::vector<std::string> types_of_keys() const override {
    return {"INTEGER", "BIGINT", "REAL", "NUMERIC", "TEXT", "BLOB", "BOOLEAN", "JSON", ""};
  }
  bool spells_alone(const std::string&, const std::string&) const override { return false; }

 private:
  source::SqliteFile file_;
  source::OtherProgram other_;
  std::shared_ptr<Source> source_;
};

std::unique_ptr<SourceUnderTest> make_sqlite() {
  return std::make_unique<SqliteUnderTest>();
}

INSTANTIATE_TEST_SUITE_P(Sqlite, SourceContract, testing::Values(&make_sqlite));
INSTANTIATE_TEST_SUITE_P(Sqlite, SourceBatches, testing::Values(&make_sqlite));
INSTANTIATE_TEST_SUITE_P(Sqlite, SourceOwners, testing::Values(&make_sqlite));
INSTANTIATE_TEST_SUITE_P(Sqlite, SourceSpelling, testing::Values(&make_sqlite));

// ---- What only SQLite does.

class Sqlite : public testing::Test {
 protected:
  static CallContext within(std::chrono::milliseconds timeout) {
    return {.timeout = timeout, .cancel = nullptr};
  }
  static CallContext patient() { return within(std::chrono::seconds(30)); }

  DatasetSpec items() const {
    DatasetSpec spec;
    spec.name = "item";
    spec.key_fields = {"name"};
    spec.table = "items";
    spec.writable = true;
    return spec;
  }
  std::unique_ptr<Dataset> open(const DatasetSpec& spec) {
    auto dataset = source_->open_dataset(spec);
    EXPECT_TRUE(dataset.has_value()) << (dataset ? "" : dataset.error().message);
    return dataset ? std::move(*dataset) : nullptr;
  }
  static std::string load(Dataset& dataset, const std::string& key) {
    const std::vector<KeyFields> keys = {{key}};
    auto loaded = dataset.load(keys, patient());
    EXPECT_TRUE(loaded.has_value()) << (loaded ? "" : loaded.error().message);
    return loaded && loaded->front().value ? *loaded->front().value : "absent";
  }

  source::SqliteFile file_;
  source::OtherProgram other_{file_.path()};
  std::shared_ptr<Source> source_ = *source::open_source(file_.settings(), {});
};

// What is refused before the journal has it would have been refused by the database.
TEST_F(Sqlite, WhatATableNeverTakesIsKnownAndTheDatabaseAgrees) {
  other_.execute(
      "CREATE TABLE strict(name TEXT PRIMARY KEY, i INTEGER, r REAL, t TEXT, b BLOB, a ANY) STRICT;"
      "CREATE TABLE loose(name TEXT PRIMARY KEY, i INTEGER, r REAL, t TEXT, b BLOB, a NUMERIC)");
  const std::vector<std::string> texts = {"",
                                          " ",
                                          "7",
                                          " 7 ",
                                          "+7",
                                          "-7",
                                          "7.0",
                                          "7.5",
                                          ".5",
                                          "5.",
                                          ".",
                                          "1e3",
                                          "1e",
                                          "0x1F",
                                          "1_0",
                                          "one",
                                          "nan",
                                          "inf",
                                          "AP8Q",
                                          "\x00",
                                          "\t7\n",
                                          "9223372036854775807",
                                          "9223372036854775808",
                                          "1e400"};
  std::size_t refused = 0;
  for (const char* name : {"strict", "loose"}) {
    DatasetSpec spec = items();
    spec.table = name;
    auto dataset = open(spec);
    ASSERT_NE(dataset, nullptr);
    for (const char* column : {"i", "r", "t", "b", "a"}) {
      for (const std::string& text : texts) {
        const Write write = Update{{{column, text}}, true};
        const auto known = dataset->validate({"a"}, write);
        if (known) continue;
        ++refused;
        EXPECT_FALSE(dataset->write({"a"}, write, patient()))
            << name << "." << column << " takes '" << text << "'";
      }
    }
  }
  EXPECT_GT(refused, 20U);
}

TEST_F(Sqlite, NumbersAreShownAsTheyAreReadOnceTheyAreWritten) {
  other_.execute("CREATE TABLE items(name INTEGER PRIMARY KEY, i INTEGER, r REAL, n NUMERIC)");
  auto dataset = open(items());
  ASSERT_NE(dataset, nullptr);
  test::SeededRandom random(5);
  std::vector<std::string> texts;
  std::vector<KeyFields> keys;
  std::string rows;
  for (int i = 0; i < 2000; ++i) {
    texts.push_back(test::number_text(random));
    keys.push_back({std::to_string(i)});
    rows += (i > 0 ? "," : "") + ("(" + keys.back().front());
    for (int column = 0; column < 3; ++column) rows += ",'" + texts.back() + "'";
    rows += ")";
  }
  other_.execute("INSERT INTO items VALUES " + rows);
  const auto loaded = dataset->load(keys, patient());
  ASSERT_TRUE(loaded) << loaded.error().message;
  int different = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    for (const char* column : {"i", "r", "n"}) {
      std::string text = texts[i];
      EXPECT_EQ(dataset->shown(column, Given::kText, text), Shown::kJson);
      const std::string read = field_of_row((*loaded)[i].value.value_or(""), column)->value().value_or("");
      if (read == text) continue;
      ++different;
      const double stored = std::stod(read);
      EXPECT_EQ(std::nextafter(std::stod(text), stored), stored) << column << " " << texts[i];
    }
  }
  EXPECT_LT(different, 60);
}

TEST_F(Sqlite, AKeyThatIsNoRowNumberIsKnownWhereTheKeyIsOne) {
  other_.execute(
      "CREATE TABLE numbered(name INTEGER PRIMARY KEY, body TEXT);"
      "CREATE TABLE odd(name INTEGER PRIMARY KEY DESC, body TEXT);"
      "CREATE TABLE wide(name BIGINT PRIMARY KEY, body TEXT)");
  const Write write = Update{{{"body", "x"}}, true};
  DatasetSpec spec = items();
  spec.table = "numbered";
  auto dataset = open(spec);
  ASSERT_NE(dataset, nullptr);
  for (const char* key : {"7", "-7", "9223372036854775807"})
    EXPECT_TRUE(dataset->validate({key}, write)) << key;
  for (const char* key : {"seven", "007", "+7", "7.0", "", "9223372036854775808"}) {
    EXPECT_FALSE(dataset->validate({key}, write)) << key;
    EXPECT_FALSE(dataset->write({key}, write, patient())) << key;
  }
  for (const char* table : {"odd", "wide"}) {
    spec.table = table;
    dataset = open(spec);
    ASSERT_NE(dataset, nullptr);
    EXPECT_TRUE(dataset->validate({"seven"}, write)) << table;
    EXPECT_TRUE(dataset->write({"seven"}, write, patient())) << table;
  }
}

TEST_F(Sqlite, AFileThatIsNoDatabaseIsNamed) {
  config::Source settings = file_.settings();
  settings.path = (file_.folder / "missing.db").string();
  auto source = source::open_source(settings, {});
  ASSERT_TRUE(source.has_value());
  auto answer = (*source)->ping(patient());
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(answer.error().message.find("missing.db"), std::string::npos) << answer.error().message;
  EXPECT_FALSE(std::filesystem::exists(settings.path)) << "a database must not be created by looking for it";

  std::ofstream(settings.path) << std::string(4096, 'x');
  answer = (*source)->ping(patient());
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(answer.error().message.find("not a database"), std::string::npos) << answer.error().message;

  std::filesystem::copy_file(file_.path(), settings.path, std::filesystem::copy_options::overwrite_existing);
  EXPECT_TRUE((*source)->ping(patient()).has_value()) << "it is there now";

  settings.path.clear();
  EXPECT_EQ(source::open_source(settings, {}).error().code, ErrorCode::kConfig);
}

TEST_F(Sqlite, WhileAnotherProgramWritesReadsGoOnAndAWriteWaitsAtMostItsTimeout) {
  other_.execute("CREATE TABLE items(name TEXT PRIMARY KEY, body TEXT)");
  other_.execute("INSERT INTO items VALUES ('a', 'old')");
  auto dataset = open(items());
  ASSERT_NE(dataset, nullptr);
  other_.execute("BEGIN IMMEDIATE; UPDATE items SET body = 'new'");
  EXPECT_EQ(load(*dataset, "a"), R"({"name":"a","body":"old"})");
  auto written = dataset->write({"a"}, Update{{{"body", "mine"}}}, within(std::chrono::milliseconds(40)));
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code, ErrorCode::kTimeout) << written.error().message;
  EXPECT_EQ(written.error().scope, ErrorScope::kCall);
  EXPECT_NE(written.error().message.find("waited for a lock"), std::string::npos) << written.error().message;
  other_.execute("COMMIT");
  EXPECT_EQ(load(*dataset, "a"), R"({"name":"a","body":"new"})");
  EXPECT_TRUE(dataset->write({"a"}, Update{{{"body", "mine"}}}, patient()).has_value());
  EXPECT_EQ(other_.ask("SELECT body FROM items"), "mine");
}

TEST_F(Sqlite, AWriteThatIsStoppedHalfwayChangesNothing) {
  other_.execute("CREATE TABLE items(name TEXT PRIMARY KEY, body TEXT)");
  other_.execute("CREATE TABLE log(n INT)");
  other_.execute(
      "CREATE TRIGGER slow AFTER INSERT ON items BEGIN INSERT INTO log WITH RECURSIVE n(i) AS (SELECT 0 "
      "UNION ALL "
      "SELECT i + 1 FROM n WHERE i < 1000000000000) SELECT max(i) FROM n; END");
  auto dataset = open(items());
  ASSERT_NE(dataset, nullptr);
  auto written = dataset->write({"a"}, Upsert{{{"body", "x"}}}, within(std::chrono::milliseconds(40)));
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code, ErrorCode::kTimeout) << written.error().message;
  EXPECT_EQ(load(*dataset, "a"), "absent");
  other_.execute("DROP TRIGGER slow");
  EXPECT_TRUE(dataset->write({"a"}, Upsert{{{"body", "x"}}}, patient()).has_value());
}

TEST_F(Sqlite, TheValuesOwnTypesDecideWhatTheyBecome) {
  other_.execute("CREATE TABLE items(name TEXT PRIMARY KEY, any, body TEXT, doc JSON, flag BOOLEAN)");
  other_.execute(
      "INSERT INTO items VALUES ('a', 1.0, '{\"a\":1}', '{\"a\": 1}', 1), ('b', 9e999, CAST(X'41FF' AS "
      "TEXT), 'no json', 0), "
      "('c', X'00', '12', '12', NULL)");
  auto dataset = open(items());
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(load(*dataset, "a"), R"({"name":"a","any":1.0,"body":"{\"a\":1}","doc":{"a": 1},"flag":1})");
  EXPECT_EQ(
      load(*dataset, "b"),
      "{\"name\":\"b\",\"any\":\"Infinity\",\"body\":\"A\xEF\xBF\xBD\",\"doc\":\"no json\",\"flag\":0}");
  EXPECT_EQ(load(*dataset, "c"), R"({"name":"c","any":"AA==","body":"12","doc":12,"flag":null})");
  ASSERT_TRUE(dataset->write({"a"}, Update{{{"flag", "false"}, {"body", "true"}}}, patient()).has_value());
  EXPECT_EQ(load(*dataset, "a"), R"({"name":"a","any":1.0,"body":"true","doc":{"a": 1},"flag":0})");
}

TEST_F(Sqlite, BytesGoInAsBase64AndAsKeysAsTheyAre) {
  other_.execute("CREATE TABLE items(name BLOB PRIMARY KEY, data BLOB)");
  auto dataset = open(items());
  ASSERT_NE(dataset, nullptr);
  const std::string key("\0\xff", 2);
  auto written = dataset->write({key}, Upsert{{{"name", "AP8="}, {"data", "AQI="}}}, patient());
  ASSERT_TRUE(written.has_value()) << written.error().message;
  EXPECT_EQ(written->after.value, R"({"name":"AP8=","data":"AQI="})");
  EXPECT_EQ(other_.ask("SELECT hex(data) || typeof(name) FROM items WHERE name = X'00FF'"), "0102blob");
  written = dataset->write({key}, Upsert{{{"data", "not base64"}}}, patient());
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(written.error().message.find("data"), std::string::npos);
}

TEST_F(Sqlite, TheAnswerToAWriteShowsWhatTriggersDid) {
  other_.execute("CREATE TABLE items(name TEXT PRIMARY KEY, body TEXT, ver INT DEFAULT 10)");
  other_.execute(
      "CREATE TRIGGER up AFTER UPDATE OF body ON items BEGIN UPDATE items SET body = upper(NEW.body) WHERE "
      "name = NEW.name; END");
  DatasetSpec spec = items();
  spec.version_column = "ver";
  spec.watch_columns = {"body"};
  auto dataset = open(spec);
  ASSERT_NE(dataset, nullptr);
  auto written = dataset->write({"a"}, Upsert{{{"body", "x"}}}, patient());
  EXPECT_EQ(written->after.version, 10U) << "an insert leaves the version to its default";
  written = dataset->write({"a"}, Upsert{{{"body", "y"}}}, patient());
  EXPECT_EQ(written->after.value, R"({"name":"a","body":"Y","ver":11})");
  EXPECT_EQ(written->images.after, (Fields{{"body", "Y"}}));
}

// What a write changes besides its row (source/sqlite/changed_rows.h).
TEST_F(Sqlite, TheAnswerToAWriteNamesTheTablesThatChangedWithIt) {
  using Tables = std::vector<std::string>;
  other_.execute(
      "CREATE TABLE items(name TEXT PRIMARY KEY, body TEXT, slot INT UNIQUE ON CONFLICT REPLACE);"
      "CREATE TABLE parts(id INTEGER PRIMARY KEY, item TEXT REFERENCES items(name) ON DELETE CASCADE);"
      "CREATE TABLE tags(item TEXT REFERENCES items(name) ON DELETE SET NULL, tag TEXT PRIMARY KEY) WITHOUT "
      "ROWID;"
      "INSERT INTO items VALUES ('a', 'x', 1), ('b', 'y', 2), ('c', 'z', 3), ('d', 'z', 4);"
      "INSERT INTO parts VALUES (1, 'b'), (2, 'b'); INSERT INTO tags VALUES ('c', 'red')");
  auto dataset = open(items());
  ASSERT_NE(dataset, nullptr);
  const auto also = [&](const std::string& name, const Write& write) {
    auto written = dataset->write({name}, write, patient());
    EXPECT_TRUE(written.has_value()) << (written ? "" : written.error().message);
    return written ? written->also.tables : Tables{"failed"};
  };
  EXPECT_EQ(also("a", Update{{{"body", "1"}}}), Tables{});
  EXPECT_EQ(also("new", Upsert{{{"body", "1"}}}), Tables{});
  EXPECT_EQ(also("new", Remove{}), Tables{});
  EXPECT_EQ(also("b", Remove{}), (Tables{"parts"}));
  EXPECT_EQ(also("c", Remove{}), (Tables{"tags"}));
  EXPECT_EQ(also("a", Update{{{"slot", "4"}}}), (Tables{"items"})) << "it has pushed d out";
  other_.execute(
      "CREATE TRIGGER own AFTER UPDATE OF body ON items BEGIN UPDATE items SET slot = 77 WHERE name = "
      "NEW.name; "
      "END");
  EXPECT_EQ(also("a", Update{{{"body", "2"}}}), Tables{}) << "a trigger has changed the row itself";
  other_.execute(
      "CREATE TRIGGER log AFTER UPDATE OF body ON items BEGIN INSERT INTO parts(item) VALUES (NEW.name); "
      "END");
  EXPECT_EQ(also("a", Update{{{"body", "3"}}}), (Tables{"parts"}));
  other_.execute(
      "INSERT INTO items VALUES ('e', '', 99);"
      "CREATE TRIGGER siblings AFTER UPDATE OF body ON items BEGIN "
      "UPDATE items SET slot = slot + 100 WHERE name <> NEW.name; END");
  EXPECT_EQ(also("a", Update{{{"body", "4"}}}), (Tables{"items", "parts"}));
}

TEST_F(Sqlite, DeclaredReferencesAreKept) {
  other_.execute("CREATE TABLE owners(id INTEGER PRIMARY KEY)");
  other_.execute(
      "CREATE TABLE items(name TEXT PRIMARY KEY, owner INT REFERENCES owners(id) DEFERRABLE INITIALLY "
      "DEFERRED)");
  auto dataset = open(items());
  ASSERT_NE(dataset, nullptr);
  auto written = dataset->write({"a"}, Upsert{{{"owner", "7"}}}, patient());
  ASSERT_FALSE(written.has_value()) << "this one fails in COMMIT";
  EXPECT_EQ(written.error().code, ErrorCode::kRefused);
  EXPECT_EQ(other_.ask("SELECT count(*) FROM items"), "0");
  other_.execute("INSERT INTO owners VALUES (7)");
  EXPECT_TRUE(dataset->write({"a"}, Upsert{{{"owner", "7"}}}, patient()).has_value());
}

TEST_F(Sqlite, ATextThatIsNoNumberIsNotAddedTo) {
  other_.execute("CREATE TABLE items(name TEXT PRIMARY KEY, n INT, r REAL, big INT)");
  other_.execute("INSERT INTO items VALUES ('a', 'seven', 1e308, 9223372036854775807)");
  auto dataset = open(items());
  ASSERT_NE(dataset, nullptr);
  const Add refused[] = {{"n", "1"}, {"r", "1e308", true}, {"big", "1"}};
  for (const Add& add : refused) {
    auto written = dataset->write({"a"}, add, patient());
    ASSERT_FALSE(written.has_value()) << add.field;
    EXPECT_EQ(written.error().code, ErrorCode::kRefused);
    EXPECT_NE(written.error().message.find(add.field), std::string::npos);
  }
  EXPECT_EQ(load(*dataset, "a"), R"({"name":"a","n":"seven","r":1e+308,"big":9223372036854775807})");
}

TEST_F(Sqlite, AColumnMisspelledInQuotesIsNotTakenForAString) {
  other_.execute("CREATE TABLE items(name TEXT PRIMARY KEY, body TEXT)");
  DatasetSpec spec = items();
  spec.table.clear();
  spec.writable = false;
  spec.query = "SELECT \"bdoy\" FROM items WHERE name = {name}";
  auto refused = source_->open_dataset(spec);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("bdoy"), std::string::npos) << refused.error().message;
  spec.query = "SELECT count(*) FROM items WHERE name = {name};  -- with an end\n";
  EXPECT_EQ(load(*open(spec), "a"), "0");
}

TEST_F(Sqlite, AKeyUnderALooseCollationIsItsOwnSpelling) {
  other_.execute("CREATE TABLE items(name TEXT PRIMARY KEY COLLATE NOCASE, body TEXT)");
  other_.execute("INSERT INTO items VALUES ('Ada', 'x')");
  auto dataset = open(items());
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(load(*dataset, "ADA"), "absent");
  EXPECT_EQ(load(*dataset, "Ada"), R"({"name":"Ada","body":"x"})");
  auto written = dataset->write({"ADA"}, Remove{}, patient());
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code, ErrorCode::kRefused);
  EXPECT_EQ(other_.ask("SELECT count(*) FROM items"), "1");
}

TEST_F(Sqlite, ATableAlteredMeanwhileIsStillRead) {
  other_.execute("CREATE TABLE items(name TEXT PRIMARY KEY, body TEXT)");
  other_.execute("INSERT INTO items VALUES ('a', 'x')");
  auto dataset = open(items());
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(load(*dataset, "a"), R"({"name":"a","body":"x"})");
  other_.execute("ALTER TABLE items ADD COLUMN more TEXT");
  EXPECT_EQ(load(*dataset, "a"), R"({"name":"a","body":"x"})");
  other_.execute("ALTER TABLE items DROP COLUMN body");
  const std::vector<KeyFields> keys = {{"a"}};
  auto loaded = dataset->load(keys, patient());
  ASSERT_FALSE(loaded.has_value());
  EXPECT_NE(loaded.error().message.find("body"), std::string::npos) << loaded.error().message;
}

TEST_F(Sqlite, GeneratedColumnsAreReadAndNotWritten) {
  other_.execute("CREATE TABLE items(name TEXT PRIMARY KEY, n INT, twice INT GENERATED ALWAYS AS (n * 2))");
  auto dataset = open(items());
  ASSERT_NE(dataset, nullptr);
  auto written = dataset->write({"a"}, Upsert{{{"n", "4"}, {"twice", "0"}}}, patient());
  ASSERT_TRUE(written.has_value()) << written.error().message;
  EXPECT_EQ(written->after.value, R"({"name":"a","n":4,"twice":8})");
}

// ---- Batches of writes.

TEST(SqliteCause, TheCodeSaysWhetherAWriteIsRefusedOrTheBatchIsTriedAgain) {
  using source::Cause;
  const struct {
    int code;
    bool compiles;
    Cause cause;
  } rows[] = {
      {SQLITE_CONSTRAINT_CHECK, true, Cause::kData},
      {SQLITE_CONSTRAINT_FOREIGNKEY, true, Cause::kData},
      {SQLITE_CONSTRAINT_NOTNULL, true, Cause::kData},
      {SQLITE_CONSTRAINT_TRIGGER, true, Cause::kData},
      {SQLITE_CONSTRAINT_UNIQUE, true, Cause::kData},
      {SQLITE_CONSTRAINT_DATATYPE, true, Cause::kData},
      {SQLITE_MISMATCH, true, Cause::kData},
      {SQLITE_TOOBIG, true, Cause::kData},
      {SQLITE_ERROR, true, Cause::kData},
      {SQLITE_ERROR, false, Cause::kSchema},
      {SQLITE_READONLY, true, Cause::kSchema},
      {SQLITE_READONLY_DBMOVED, true, Cause::kSchema},
      {SQLITE_PERM, true, Cause::kSchema},
      {SQLITE_AUTH, false, Cause::kSchema},
      {SQLITE_SCHEMA, true, Cause::kSchema},
      {SQLITE_BUSY, true, Cause::kPassing},
      {SQLITE_BUSY_SNAPSHOT, true, Cause::kPassing},
      {SQLITE_LOCKED, true, Cause::kPassing},
      {SQLITE_INTERRUPT, true, Cause::kPassing},
      {SQLITE_FULL, true, Cause::kPassing},
      {SQLITE_IOERR_WRITE, true, Cause::kPassing},
      {SQLITE_IOERR_FSYNC, true, Cause::kPassing},
      {SQLITE_NOMEM, true, Cause::kPassing},
      {SQLITE_CANTOPEN, true, Cause::kPassing},
      {SQLITE_CORRUPT, true, Cause::kPassing},
      {SQLITE_PROTOCOL, true, Cause::kPassing},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(source::sqlite::cause_of({row.code, row.compiles}), row.cause) << row.code;
  }
}

class SqliteBatch : public Sqlite {
 protected:
  void make(const std::string& items_table) {
    other_.execute(items_table);
    dataset_ = open(items());
    ASSERT_NE(dataset_, nullptr);
    ASSERT_TRUE(source_->ledger()->open("j", 1, patient()).has_value());
  }
  Result<BatchOutcome> apply(const std::vector<std::pair<std::string, std::string>>& bodies,
                             std::chrono::milliseconds timeout = std::chrono::seconds(30)) {
    WriteBatch batch;
    batch.journal = "j";
    batch.after = 0;
    batch.upto = 1;
    for (const auto& [key, body] : bodies)
      batch.writes.push_back({dataset_.get(), {key}, {Upsert{{{"body", body}}}}});
    return source_->ledger()->apply(batch, within(timeout));
  }
  // What is refused, and that nothing has changed.
  std::vector<std::size_t> refused(const std::vector<std::pair<std::string, std::string>>& bodies) {
    const auto outcome = apply(bodies);
    EXPECT_TRUE(outcome.has_value()) << outcome.error().message;
    EXPECT_EQ(other_.ask("SELECT count(*) FROM items"), "0");
    std::vector<std::size_t> places;
    if (!outcome) return places;
    for (const auto& refusal : outcome->refused) places.push_back(refusal.write);
    return places;
  }

  std::unique_ptr<Dataset> dataset_;
};

TEST_F(SqliteBatch, WhatTriggersChangeIsSaid) {
  other_.execute("CREATE TABLE log(id INTEGER PRIMARY KEY, item TEXT)");
  make(
      "CREATE TABLE items(name TEXT PRIMARY KEY, body TEXT);"
      "CREATE TRIGGER log AFTER INSERT ON items WHEN NEW.body = 'x' BEGIN INSERT INTO log(item) VALUES "
      "(NEW.name); "
      "END");
  const auto outcome = apply({{"a", "x"}, {"b", "y"}});
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  ASSERT_EQ(outcome->written.size(), 2u);
  EXPECT_EQ(outcome->written[0]->also.tables, (std::vector<std::string>{"log"}));
  EXPECT_EQ(outcome->written[1]->also.tables, std::vector<std::string>{});
}

TEST_F(SqliteBatch, ATriggerRefusesInAnyOfItsWays) {
  make("CREATE TABLE items(name TEXT PRIMARY KEY, body TEXT)");
  for (const std::string how : {"ABORT", "FAIL"}) {
    other_.execute(
        "DROP TRIGGER IF EXISTS refuse; CREATE TRIGGER refuse BEFORE INSERT ON items WHEN NEW.body = "
        "'bad' BEGIN SELECT RAISE(" +
        how + ", 'no'); END");
    EXPECT_EQ(refused({{"a", "good"}, {"b", "bad"}, {"c", "good"}, {"d", "bad"}}),
              (std::vector<std::size_t>{1, 3}))
        << how;
  }
  // This one ends the transaction: the others can't be tried.
  other_.execute(
      "DROP TRIGGER refuse; CREATE TRIGGER refuse BEFORE INSERT ON items WHEN NEW.body = 'bad' BEGIN SELECT "
      "RAISE(ROLLBACK, 'no'); END");
  EXPECT_EQ(refused({{"a", "good"}, {"b", "bad"}, {"c", "good"}, {"d", "bad"}}),
            (std::vector<std::size_t>{1}));
}

TEST_F(SqliteBatch, AWriteThatATriggerPassesOverSucceeds) {
  make("CREATE TABLE items(name TEXT PRIMARY KEY, body TEXT)");
  other_.execute("INSERT INTO items VALUES ('a', 'kept')");
  for (const std::string what : {"INSERT", "UPDATE", "DELETE"}) {
    other_.execute("CREATE TRIGGER pass_over_" + what + " BEFORE " + what +
                   " ON items BEGIN SELECT RAISE(IGNORE); END");
  }
  for (const std::string key : {"a", "b"}) {
    const auto written = dataset_->write({key}, Upsert{{{"body", "new"}}}, patient());
    ASSERT_TRUE(written.has_value()) << written.error().message;
    EXPECT_EQ(written->existed, key == "a");
    EXPECT_EQ(written->after.value.has_value(), key == "a");
  }
  ASSERT_TRUE(dataset_->write({"a"}, Remove{}, patient()).has_value());
  const auto outcome = apply({{"a", "new"}, {"b", "new"}});
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_TRUE(outcome->refused.empty());
  EXPECT_EQ(other_.ask("SELECT group_concat(name || body) FROM items"), "akept");
}

TEST_F(SqliteBatch, WhatFailsWhileItRunsIsRefusedAndWhatDoesNotCompileIsAPersons) {
  make("CREATE TABLE items(name TEXT PRIMARY KEY, body TEXT, part TEXT AS (body ->> '$.a') STORED)");
  EXPECT_EQ(refused({{"a", "{}"}, {"b", "{malformed"}, {"c", "{}"}}), (std::vector<std::size_t>{1}));
  other_.execute("CREATE TRIGGER audit AFTER INSERT ON items BEGIN INSERT INTO log VALUES (NEW.name); END");
  auto outcome = apply({{"a", "{}"}});
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, ErrorCode::kConfig) << outcome.error().message;
  EXPECT_NE(outcome.error().message.find("log"), std::string::npos) << outcome.error().message;
  other_.execute("CREATE TABLE log(name TEXT)");
  outcome = apply({{"a", "{}"}});
  EXPECT_TRUE(outcome.has_value()) << outcome.error().message;
}

TEST_F(SqliteBatch, ALockThatOthersHoldIsWaitedForAndTriedAgain) {
  make("CREATE TABLE items(name TEXT PRIMARY KEY, body TEXT)");
  other_.execute("BEGIN IMMEDIATE");
  auto outcome = apply({{"a", "x"}}, std::chrono::milliseconds(40));
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, ErrorCode::kTimeout) << outcome.error().message;
  EXPECT_EQ(outcome.error().scope, ErrorScope::kCall);
  other_.execute("COMMIT");
  outcome = apply({{"a", "x"}});
  EXPECT_TRUE(outcome.has_value()) << outcome.error().message;
}

TEST_F(SqliteBatch, ABatchThatIsTooSlowKeepsTheRefusalsThatItHasFound) {
  make("CREATE TABLE items(name TEXT PRIMARY KEY, body TEXT CHECK (body <> 'bad'))");
  other_.execute(
      "CREATE TRIGGER slow AFTER INSERT ON items WHEN NEW.body = 'slow' BEGIN DELETE FROM items WHERE name = "
      "(WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000000) SELECT "
      "max(i) "
      "FROM n); END");
  auto outcome = apply({{"a", "x"}, {"b", "bad"}, {"c", "slow"}}, std::chrono::milliseconds(100));
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  ASSERT_EQ(outcome->refused.size(), 1u);
  EXPECT_EQ(outcome->refused.front().write, 1u);
  outcome = apply({{"a", "x"}, {"c", "slow"}}, std::chrono::milliseconds(100));
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, ErrorCode::kTimeout) << outcome.error().message;
  EXPECT_EQ(other_.ask("SELECT count(*) FROM items"), "0");
}

TEST_F(SqliteBatch, ADatabaseThatIsOnlyReadHasNoLedger) {
  make("CREATE TABLE items(name TEXT PRIMARY KEY, body TEXT)");
  dataset_.reset();
  source_ = *source::open_source(file_.settings(), {});
  other_.execute("PRAGMA journal_mode = DELETE");
  {
    // A file that says that it was written by a later SQLite is only read; root may write any other.
    std::fstream file(file_.path(), std::ios::in | std::ios::out | std::ios::binary);
    constexpr std::streamoff kWriteVersion = 18;
    file.seekp(kWriteVersion);
    file.put(3);
  }
  const auto opened = source_->ledger()->open("j", 1, patient());
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::kConfig) << opened.error().message;
  EXPECT_NE(opened.error().message.find("readonly database"), std::string::npos) << opened.error().message;
  const auto outcome = apply({});
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, ErrorCode::kConfig) << outcome.error().message;
}

TEST_F(SqliteBatch, ALedgerThatAnotherProgramHoldsUpIsTriedAgain) {
  other_.execute("BEGIN IMMEDIATE");
  const auto opened = source_->ledger()->open("j", 1, within(std::chrono::milliseconds(40)));
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::kTimeout) << opened.error().message;
  other_.execute("COMMIT");
  EXPECT_TRUE(source_->ledger()->open("j", 1, patient()).has_value());
}

int turn_synchronous_off(sqlite3* connection, char**, const sqlite3_api_routines*) {
  return sqlite3_exec(connection, "PRAGMA synchronous = OFF", nullptr, nullptr, nullptr);
}

TEST_F(Sqlite, TheConnectionThatWritesSyncsEachCommitWhateverTheDefaultIs) {
  using namespace source::sqlite;
  const auto entry = reinterpret_cast<void (*)()>(&turn_synchronous_off);
  sqlite3_auto_extension(entry);
  const Deadline deadline(patient());
  auto connection = Connection::open("catalog", file_.path(), Access::kWrite, deadline);
  sqlite3_cancel_auto_extension(entry);
  ASSERT_TRUE(connection.has_value()) << connection.error().message;
  EXPECT_EQ((*connection)->ask("PRAGMA synchronous").value(), 2);
}

}  // namespace
}  // namespace forebay
