// SQLite: which keys a changed row concerns, and whether a table is still what it was.

#include <gtest/gtest.h>

#include <filesystem>

#include "source/registry.h"
#include "source/sqlite_fixture.h"

namespace forebay::source {
namespace {

class SqliteShape : public testing::Test {
 protected:
  static CallContext patient() { return {.timeout = std::chrono::seconds(30), .cancel = nullptr}; }
  std::unique_ptr<Dataset> open(const DatasetSpec& spec) {
    auto dataset = source_->open_dataset(spec);
    EXPECT_TRUE(dataset.has_value()) << (dataset ? "" : dataset.error().message);
    return dataset ? std::move(*dataset) : nullptr;
  }
  static DatasetSpec table(const std::string& name) {
    DatasetSpec spec;
    spec.name = "row";
    spec.table = name;
    spec.key_fields = {"id"};
    return spec;
  }
  static DatasetSpec by_value() {
    DatasetSpec spec;
    spec.name = "count";
    spec.query = "SELECT count(*) FROM spelled WHERE v = {v}";
    spec.key_fields = {"v"};
    spec.depends_on = {{"spelled", {{"v", "v"}}}};
    return spec;
  }
  static Fit fit(Dataset& dataset) { return dataset.fit(patient()).value_or(Fit::kUnknown); }
  static Result<std::optional<std::string>> load(Dataset& dataset, const std::string& key) {
    const std::vector<KeyFields> keys = {{key}};
    auto loaded = dataset.load(keys, patient());
    if (!loaded) return std::move(loaded).error();
    return std::move(loaded->front().value);
  }
  static std::optional<std::string> value(Dataset& dataset, const std::string& key) {
    return load(dataset, key).value_or("an error");
  }
  void make_spelled(const std::string& type, const std::string& value) {
    other_.execute("DROP TABLE IF EXISTS spelled; CREATE TABLE spelled(v " + type +
                   "); INSERT INTO spelled VALUES (" + value + ")");
  }

  SqliteFile file_;
  OtherProgram other_{file_.path()};
  std::shared_ptr<Source> source_ = *open_source(file_.settings(), {});
};

TEST_F(SqliteShape, AKeyThatItsColumnWouldSpellOtherwiseIsAbsent) {
  struct Case {
    const char *type, *value, *key;
    std::vector<std::string> others;
  };
  const Case cases[] = {
      {"INTEGER", "7", "7", {"07", "7.0", " 7", "+7", "7e0", "7.", "0x7"}},
      {"NUMERIC", "1.5", "1.5", {"1.50", "01.5", "15e-1", "+1.5"}},
      {"INTEGER", "-3", "-3", {"-03", "-3.0"}},
      {"NUMERIC", "'abc'", "abc", {"ABC", "abc "}},
      {"TEXT", "'07'", "07", {"7", "07 "}},
  };
  for (const Case& c : cases) {
    make_spelled(c.type, c.value);
    auto dataset = open(by_value());
    ASSERT_NE(dataset, nullptr);
    EXPECT_TRUE(dataset->found_by_spelling(0)) << c.type;
    EXPECT_EQ(value(*dataset, c.key), "1") << c.type;
    for (const std::string& key : c.others) {
      const auto other = value(*dataset, key);
      EXPECT_TRUE(!other || other == "0") << c.type << " '" << key << "': " << *other;
    }
  }
}

TEST_F(SqliteShape, WhereTextsAreEqualThatDifferAnyChangeConcernsAllKeys) {
  const auto exact = [&](const std::string& type) {
    make_spelled(type, "1");
    auto dataset = open(by_value());
    return dataset != nullptr && dataset->found_by_spelling(0);
  };
  EXPECT_FALSE(exact("TEXT COLLATE NOCASE"));
  EXPECT_FALSE(exact("TEXT COLLATE RTRIM"));
  EXPECT_FALSE(exact("INTEGER COLLATE NOCASE"));
  EXPECT_FALSE(exact("REAL"));
  EXPECT_FALSE(exact(""));
  EXPECT_FALSE(exact("BLOB"));
  EXPECT_TRUE(exact("TEXT"));
  EXPECT_TRUE(exact("INT"));
  EXPECT_TRUE(exact("DECIMAL(10, 2)"));
}

TEST_F(SqliteShape, ARowOfAnotherShapeIsNeverAnswered) {
  other_.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, '[1]')");
  auto rows = open(table("t"));
  DatasetSpec all = by_value();
  all.query = "SELECT * FROM t WHERE id = {v}";
  all.depends_on.clear();
  auto query = open(all);
  ASSERT_TRUE(rows != nullptr && query != nullptr);
  EXPECT_EQ(value(*rows, "1"), R"({"id":1,"a":"[1]"})");
  EXPECT_EQ(value(*query, "1"), R"({"id":1,"a":"[1]"})");
  other_.execute("ALTER TABLE t ADD COLUMN b JSON DEFAULT '[2]'");
  EXPECT_EQ(value(*rows, "1"), R"({"id":1,"a":"[1]"})") << "what it knew is there";
  EXPECT_EQ(load(*query, "1").error().code, ErrorCode::kConfig);
  rows = open(table("t"));
  EXPECT_EQ(value(*rows, "1"), R"({"id":1,"a":"[1]","b":[2]})");
  other_.execute(
      "DROP TABLE t; CREATE TABLE t(id INTEGER PRIMARY KEY, a JSON, b JSON);"
      "INSERT INTO t VALUES (1, '[1]', '[2]')");
  EXPECT_EQ(load(*rows, "1").error().code, ErrorCode::kConfig);
}

TEST_F(SqliteShape, AnotherFileWithAnEqualVersionNumberIsLookedInto) {
  other_.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, 'x')");
  auto rows = open(table("t"));
  EXPECT_EQ(value(*rows, "1"), R"({"id":1,"a":"x"})");
  const std::string path = (file_.folder / "new.db").string();
  {
    OtherProgram maker(path);
    maker.execute("PRAGMA journal_mode = WAL; PRAGMA user_version = 1");
    maker.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, b TEXT); INSERT INTO t VALUES (1, 'y')");
    ASSERT_EQ(maker.ask("PRAGMA schema_version"), other_.ask("PRAGMA schema_version"));
  }
  other_.execute("PRAGMA wal_checkpoint(TRUNCATE)");
  for (const char* ending : {"-wal", "-shm"}) std::filesystem::remove(file_.path() + ending);
  std::filesystem::rename(path, file_.path());
  EXPECT_EQ(fit(*rows), Fit::kChanged);
  EXPECT_FALSE(load(*rows, "1").has_value());
}

TEST_F(SqliteShape, NamesOfTablesKnowNoCaseNorThatTheyAreOfMain) {
  other_.execute("CREATE TABLE Users(id INTEGER PRIMARY KEY)");
  const std::vector<std::string> names = {"Users", "users", "main.USERS", "\"main\".\"uSers\"", "user"};
  auto known = source_->known_tables(names, patient());
  ASSERT_TRUE(known.has_value());
  for (std::size_t i = 1; i < 4; ++i) EXPECT_EQ((*known)[i].id, (*known)[0].id) << names[i];
  EXPECT_NE((*known)[4].id, (*known)[0].id);
}

TEST_F(SqliteShape, AWatchedColumnThatIsMissingIsLeftOut) {
  other_.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, 'x')");
  DatasetSpec spec = table("t");
  spec.writable = true;
  spec.watch_columns = {"gone", "a"};
  auto dataset = open(spec);
  ASSERT_NE(dataset, nullptr);
  auto written = dataset->write({"1"}, Update{{{"a", "y"}}}, patient());
  ASSERT_TRUE(written.has_value()) << written.error().message;
  EXPECT_EQ(written->images.after, (Fields{{"a", "y"}}));
}

}  // namespace
}  // namespace forebay::source
