// What a table's name means, whether a table is still what it was, and which keys a changed row concerns.

#include <gmock/gmock.h>

#include "source/postgres/fixture.h"

namespace forebay {
namespace {

class PostgresShape : public PostgresTest {
 protected:
  static std::vector<KnownTable> known(Source& source, const std::vector<std::string>& names) {
    auto known = source.known_tables(names, within());
    EXPECT_TRUE(known.has_value()) << (known ? "" : known.error().message);
    return known ? std::move(*known) : std::vector<KnownTable>(names.size());
  }
  static Fit fit(Dataset& dataset) {
    auto fit = dataset.fit(within());
    EXPECT_TRUE(fit.has_value()) << (fit ? "" : fit.error().message);
    return fit.value_or(Fit::kUnknown);
  }
  // A query on the column `v` of `spelled`, by a field that is compared with it.
  DatasetSpec by_value(const std::string& condition = "v = {id}") {
    DatasetSpec spec = query("SELECT count(*) AS n FROM spelled WHERE " + condition);
    spec.depends_on = {{"spelled", {{"v", "id"}}}};
    return spec;
  }
  void make_spelled(const std::string& type, const std::string& value) {
    sql("DROP TABLE IF EXISTS spelled; CREATE TABLE spelled(v " + type + "); INSERT INTO spelled VALUES (" +
        value + ")");
  }
};

TEST_F(PostgresShape, ATableIsTheSameByEveryNameAndSoAreItsPartitions) {
  sql("DROP SCHEMA IF EXISTS app CASCADE; CREATE SCHEMA app;"
      "CREATE TABLE app.users(id int PRIMARY KEY, team text); CREATE TABLE app.\"Users\"(id int);"
      "CREATE TABLE app.sales(id int, at date) PARTITION BY RANGE (at);"
      "CREATE TABLE app.sales_26 PARTITION OF app.sales FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') "
      "PARTITION BY LIST (id);"
      "CREATE TABLE app.sales_26_1 PARTITION OF app.sales_26 FOR VALUES IN (1);"
      "CREATE TABLE app.parents(id int); CREATE TABLE app.child(more int) INHERITS (app.parents);"
      "CREATE VIEW app.teams AS SELECT team, count(*) FROM app.users GROUP BY team;"
      "CREATE VIEW app.over AS SELECT t.team FROM app.teams t JOIN app.sales_26_1 s ON s.id = 1;"
      "CREATE MATERIALIZED VIEW app.kept AS SELECT team FROM app.teams;"
      "DROP ROLE IF EXISTS namer; CREATE ROLE namer LOGIN; ALTER ROLE namer SET search_path = app;"
      "GRANT USAGE ON SCHEMA app TO namer; GRANT SELECT ON ALL TABLES IN SCHEMA app TO namer");
  auto database = source(2, "namer");
  const auto names = known(*database, {"users", "app.users", "\"app\".\"users\"", "Users", "nowhere", "sales",
                                       "sales_26", "app.sales_26_1", "parents", "child"});
  EXPECT_FALSE(names[0].id.empty());
  EXPECT_EQ(names[1].id, names[0].id);
  EXPECT_EQ(names[2].id, names[0].id);
  EXPECT_NE(names[3].id, names[0].id) << "quoted, with a capital letter";
  EXPECT_EQ(names[4].id, "");
  EXPECT_EQ(names[6].id, names[5].id);
  EXPECT_EQ(names[7].id, names[5].id);
  EXPECT_EQ(names[9].id, names[8].id);
  EXPECT_TRUE(names[0].shows.empty());
  const auto views = known(*database, {"teams", "over", "kept"});
  EXPECT_THAT(views[0].shows, testing::ElementsAre(names[0].id));
  EXPECT_THAT(views[1].shows, testing::UnorderedElementsAre(names[0].id, names[5].id));
  EXPECT_THAT(views[2].shows, testing::ElementsAre(names[0].id));
  sql("DROP SCHEMA app CASCADE; DROP ROLE namer");
}

TEST_F(PostgresShape, KeysThatTheDatabaseFindsEqualAreAbsentWhereItHasOneSpelling) {
  struct Case {
    std::string type, value, key;
    std::vector<std::string> others;
  };
  const Case cases[] = {
      {"integer", "7", "7", {"07", "+7", " 7", "7.0"}},
      {"uuid",
       "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",
       "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
       {"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc999c0b4ef8bb6d6bb9bd380a11"}},
      {"boolean", "true", "true", {"t", "TRUE", "1"}},
      {"char(5)", "'ab'", "ab", {"ab ", "ab   "}},
      {"date", "'2026-02-01'", "2026-02-01", {"2026-2-1", "20260201", "Feb 1 2026"}},
      {"timestamptz",
       "'2026-02-01 00:00Z'",
       "2026-02-01T00:00:00Z",
       {"2026-02-01 00:00:00+00", "2026-02-01"}},
      {"inet", "'10.0.0.1'", "10.0.0.1", {"10.0.0.1/32"}},
  };
  auto database = source();
  for (const Case& c : cases) {
    make_spelled(c.type, c.value);
    for (const char* more : {"", " AND 1 = ANY('{1}'::int[])"}) {
      auto dataset = open(*database, by_value("v = {id}" + std::string(more)));
      ASSERT_NE(dataset, nullptr);
      EXPECT_TRUE(dataset->found_by_spelling(0)) << c.type;
      EXPECT_EQ(load_one(*dataset, c.key), "1") << c.type;
      for (const std::string& other : c.others)
        EXPECT_EQ(load_one(*dataset, other), std::nullopt) << c.type << " '" << other << "'";
    }
  }
}

TEST_F(PostgresShape, AKeyIsTheColumnsSpellingAlsoWhereTheQueryCastsIt) {
  make_spelled("integer", "7");
  auto database = source();
  auto dataset = open(*database, by_value("v = {id}::text::numeric::integer"));
  ASSERT_NE(dataset, nullptr);
  EXPECT_TRUE(dataset->found_by_spelling(0));
  EXPECT_EQ(load_one(*dataset, "7"), "1");
  EXPECT_EQ(load_one(*dataset, "07"), std::nullopt);
  EXPECT_EQ(load_one(*dataset, "7.0"), std::nullopt);
}

// A key of which there are no arrays goes alone.
TEST_F(PostgresShape, AKeyThatIsAskedAloneIsTheColumnsSpellingToo) {
  make_spelled("date", "'2026-02-01'");
  auto database = source();
  DatasetSpec spec = query("SELECT count(*) AS n FROM spelled WHERE v = {id} AND {list}::text[] IS NOT NULL",
                           {"id", "list"});
  spec.depends_on = {{"spelled", {{"v", "id"}}}};
  auto dataset = open(*database, spec);
  ASSERT_NE(dataset, nullptr);
  ASSERT_FALSE(dataset->batches());
  EXPECT_EQ(load(*dataset, {{"2026-02-01", "{}"}}).front(), "1");
  EXPECT_EQ(load(*dataset, {{"2026-2-1", "{}"}}).front(), std::nullopt);
}

TEST_F(PostgresShape, WhereEqualValuesHaveSeveralSpellingsAnyChangeConcernsAllKeys) {
  sql("CREATE EXTENSION IF NOT EXISTS citext;"
      "DROP TABLE IF EXISTS spelled; DROP DOMAIN IF EXISTS mail; CREATE DOMAIN mail AS citext;"
      "DROP DOMAIN IF EXISTS price; CREATE DOMAIN price AS numeric;"
      "DROP DOMAIN IF EXISTS count; CREATE DOMAIN count AS integer CHECK (VALUE > 0);"
      "DROP COLLATION IF EXISTS loose; CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', "
      "deterministic = false)");
  auto database = source();
  const auto exact = [&](const std::string& type, const std::string& value,
                         const std::string& condition = "v = {id}") {
    make_spelled(type, value);
    auto dataset = open(*database, by_value(condition));
    return dataset != nullptr && dataset->found_by_spelling(0);
  };
  EXPECT_FALSE(exact("citext", "'Ann'"));
  EXPECT_FALSE(exact("mail", "'Ann'"));
  EXPECT_FALSE(exact("numeric", "1.0"));
  EXPECT_FALSE(exact("numeric(10, 2)", "1.0"));
  EXPECT_FALSE(exact("price", "1.0"));
  EXPECT_FALSE(exact("double precision", "1"));
  EXPECT_FALSE(exact("interval", "'1 day'"));
  EXPECT_FALSE(exact("text COLLATE loose", "'Ann'"));
  EXPECT_FALSE(exact("date", "'2026-02-01'", "v = {id}::text::date"));
  EXPECT_TRUE(exact("text", "'Ann'"));
  EXPECT_TRUE(exact("varchar(10)", "'Ann'"));
  EXPECT_TRUE(exact("count", "1"));
  EXPECT_TRUE(exact("smallint", "1"));
}

TEST_F(PostgresShape, ARowOfAnotherShapeIsNeverAnswered) {
  sql("DROP TABLE IF EXISTS shaped; CREATE TABLE shaped(id int PRIMARY KEY, a boolean, b text);"
      "INSERT INTO shaped VALUES (1, true, 'x')");
  auto database = source();
  auto rows = open(*database, table("shaped"));
  auto one = open(*database, query("SELECT a FROM shaped WHERE id = {id}"));
  ASSERT_TRUE(rows != nullptr && one != nullptr);
  EXPECT_EQ(load_one(*rows, "1"), R"({"id":1,"a":true,"b":"x"})");
  sql("ALTER TABLE shaped ALTER COLUMN a TYPE int USING 5");
  EXPECT_EQ(fit(*rows), Fit::kChanged);
  EXPECT_EQ(fit(*one), Fit::kChanged);
  load_error(*rows, "1", within());
  load_error(*one, "1", within());
  // Sessions that know no statement of before answer with the new types.
  open(*database, table("shaped"));
  EXPECT_EQ(load_error(*rows, "1", within()).code, ErrorCode::kConfig);
  EXPECT_EQ(load_error(*one, "1", within()).code, ErrorCode::kRefused);
  const Error error = write_error(*rows, "1", Update{{{"b", "y"}}});
  EXPECT_EQ(error.code, ErrorCode::kConfig) << error.message;
  EXPECT_EQ(sql("SELECT b FROM shaped"), "x");
}

TEST_F(PostgresShape, ATableThatWasTruncatedOrWrittenAnewIsAnotherOne) {
  sql("DROP TABLE IF EXISTS emptied; CREATE TABLE emptied(id int PRIMARY KEY, n int); INSERT INTO emptied "
      "VALUES (1, 1)");
  auto database = source();
  auto rows = open(*database, table("emptied"));
  sql("UPDATE emptied SET n = 2; DELETE FROM emptied; ANALYZE emptied");
  sql("VACUUM emptied");
  EXPECT_EQ(fit(*rows), Fit::kFits) << "rows are others' to tell of";
  sql("ALTER TABLE emptied ALTER COLUMN n TYPE int USING n + 1");
  EXPECT_EQ(fit(*rows), Fit::kChanged);
  rows = open(*database, table("emptied"));
  sql("TRUNCATE emptied");
  EXPECT_EQ(fit(*rows), Fit::kChanged);
}

TEST_F(PostgresShape, TriggersRightsAndViewsArePartOfWhatIsLookedAt) {
  sql("DROP TABLE IF EXISTS watched CASCADE; CREATE TABLE watched(id int, n int) PARTITION BY LIST (id);"
      "CREATE TABLE watched_1 PARTITION OF watched FOR VALUES IN (1); CREATE VIEW shown AS SELECT id, n FROM "
      "watched;"
      "CREATE OR REPLACE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'");
  auto database = source();
  const auto opened = [&](const std::string& name) { return open(*database, table(name, {"id"}, false)); };
  auto rows = opened("watched");
  sql("CREATE TRIGGER t AFTER INSERT ON watched_1 FOR EACH ROW EXECUTE FUNCTION nothing()");
  EXPECT_EQ(fit(*rows), Fit::kChanged);
  rows = opened("watched");
  EXPECT_EQ(fit(*rows), Fit::kFits);
  sql("ALTER TABLE watched_1 DISABLE TRIGGER t");
  EXPECT_EQ(fit(*rows), Fit::kChanged);
  rows = opened("watched");
  sql("DROP ROLE IF EXISTS looker; CREATE ROLE looker; GRANT SELECT ON watched TO looker");
  EXPECT_EQ(fit(*rows), Fit::kChanged);
  auto view = opened("shown");
  EXPECT_EQ(fit(*view), Fit::kFits);
  sql("CREATE OR REPLACE VIEW shown AS SELECT id, n + 1 AS n FROM watched");
  EXPECT_EQ(fit(*view), Fit::kChanged);
  sql("DROP TABLE watched CASCADE; DROP ROLE looker");
}

TEST_F(PostgresShape, AWatchedColumnThatIsMissingIsLeftOut) {
  sql("DROP TABLE IF EXISTS shared; CREATE TABLE shared(id int PRIMARY KEY, a text, b text);"
      "INSERT INTO shared VALUES (1, 'x', 'y')");
  auto database = source();
  DatasetSpec spec = table("shared");
  spec.watch_columns = {"a", "gone"};
  auto dataset = open(*database, spec);
  ASSERT_NE(dataset, nullptr) << "what others misspell is not this namespace's mistake";
  auto written = dataset->write({"1"}, Update{{{"b", "z"}}}, within());
  ASSERT_TRUE(written.has_value()) << written.error().message;
  EXPECT_EQ(written->images.after, (Fields{{"a", "x"}}));
}

}  // namespace
}  // namespace forebay
