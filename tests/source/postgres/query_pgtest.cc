// Query mode: many keys in one statement, each answered as if it had been asked alone.

#include <gtest/gtest.h>

#include "source/postgres/fixture.h"

namespace forebay {
namespace {

class PostgresQuery : public PostgresTest {
 protected:
  static void SetUpTestSuite() {
    test::PostgresServer::shared().exec(
        "DROP TABLE IF EXISTS edges; CREATE TABLE edges(source text, target text, weight integer);"
        "INSERT INTO edges SELECT 'p' || i, 'p' || i % 10, i FROM generate_series(1, 200) AS i;"
        "CREATE INDEX ON edges(target)");
  }

  // Loads together and one by one: the answers must be the same.
  std::vector<std::optional<std::string>> both_ways(Dataset& dataset, const std::vector<KeyFields>& keys) {
    auto together = load(dataset, keys);
    for (std::size_t i = 0; i < keys.size(); ++i)
      EXPECT_EQ(load(dataset, {keys[i]}).front(), together[i]) << keys[i][0];
    return together;
  }
};

TEST_F(PostgresQuery, ABatchIsOneStatementAndAnswersEachKeyAsAlone) {
  auto database = source();
  const char* queries[] = {
      "SELECT source, weight FROM edges WHERE target = {id} ORDER BY weight DESC LIMIT 3",
      "SELECT json_agg(source ORDER BY weight) FROM edges WHERE target = {id}",
      "SELECT count(*) AS n, sum(weight) AS total FROM edges WHERE target = {id}",
      "SELECT target, max(weight) AS top FROM edges WHERE target = {id} OR source = {id} GROUP BY target "
      "ORDER BY target",
      "WITH RECURSIVE up(name) AS (SELECT {id}::text UNION SELECT e.target FROM edges e JOIN up ON e.source "
      "= up.name) "
      "SELECT name FROM up ORDER BY name;",
      "SELECT DISTINCT weight % 7 AS w FROM edges WHERE target = {id} ORDER BY w -- a comment",
      "SELECT source FROM edges WHERE target = {id} UNION ALL SELECT 'always' ORDER BY 1",
      "VALUES ({id}::text, 1), ('second', 2)",
      "SELECT row_number() OVER (ORDER BY weight) AS place, rank() OVER (ORDER BY weight % 3) AS r FROM "
      "edges "
      "WHERE target = {id} ORDER BY weight, source",
  };
  for (const char* text : queries) {
    auto dataset = open(*database, query(text));
    ASSERT_NE(dataset, nullptr) << text;
    EXPECT_TRUE(dataset->batches()) << text;
    const auto values = both_ways(*dataset, {{"p1"}, {"nothing"}, {"p0"}, {"p1"}, {"p9"}, {"p200"}, {""}});
    EXPECT_EQ(values[0], values[3]) << text;
    EXPECT_NE(values[0], values[1]) << text;
  }
}

TEST_F(PostgresQuery, SeveralFieldsOfDifferentTypesGoInOneBatch) {
  auto database = source();
  auto dataset =
      open(*database,
           query("SELECT source FROM edges WHERE target = {name} AND weight BETWEEN {low} AND {low} + 20 "
                 "ORDER BY weight LIMIT {most}",
                 {"name", "low", "most"}));
  ASSERT_NE(dataset, nullptr);
  EXPECT_TRUE(dataset->batches());
  const auto values = both_ways(
      *dataset, {{"p1", "1", "2"}, {"p1", "1", "1"}, {"p1", "x", "1"}, {"p2", "1", "9"}, {"p1", "01", "2"}});
  EXPECT_EQ(values[0], R"(["p1","p11"])");
  EXPECT_EQ(values[1], R"("p1")");
  EXPECT_EQ(values[2], std::nullopt);
  EXPECT_EQ(values[3], R"(["p2","p12"])");
  EXPECT_EQ(values[4], std::nullopt);
}

TEST_F(PostgresQuery, AQueryThatDoesNotFitIntoABatchIsAskedKeyByKey) {
  auto database = source();
  // A parameter that is an array itself: there are no arrays of arrays.
  auto arrays = open(*database, query("SELECT count(*) FROM edges WHERE target = ANY({id}::text[])"));
  ASSERT_NE(arrays, nullptr);
  EXPECT_FALSE(arrays->batches());
  EXPECT_EQ(load_one(*arrays, "{p1,p2}"), "40");
  EXPECT_EQ(load_one(*arrays, "no array"), std::nullopt);
  EXPECT_EQ(load(*arrays, {{"{p1}"}, {"nonsense"}, {"{p1,p2}"}}),
            (std::vector<std::optional<std::string>>{"20", std::nullopt, "40"}));
  // A name that the statement around it uses.
  auto named = open(*database, query("SELECT forebay_keys.n FROM (SELECT count(*) AS n FROM edges WHERE "
                                     "target = {id}) AS forebay_keys"));
  ASSERT_NE(named, nullptr);
  EXPECT_FALSE(named->batches());
  EXPECT_EQ(load(*named, {{"p1"}, {"p2"}}), (std::vector<std::optional<std::string>>{"20", "20"}));
}

TEST_F(PostgresQuery, OnlyWhatReadsIsOpened) {
  auto database = source();
  const char* queries[] = {
      "INSERT INTO edges VALUES ({id}, 'x', 1) RETURNING source",
      "WITH gone AS (DELETE FROM edges WHERE source = {id} RETURNING *) SELECT count(*) FROM gone",
      "SELECT source FROM edges WHERE source = {id} FOR UPDATE",
      "SELECT 1 WHERE {id} = 'a'; DROP TABLE edges",
      "SELECT source INTO stolen FROM edges WHERE source = {id}",
      "SELECT 1) AS x, (SELECT 2 WHERE {id} = 'a'",
      "TRUNCATE edges",
      "COPY edges TO STDOUT",
      "",
  };
  for (const char* text : queries) {
    const Error error = open_error(*database, query(text));
    EXPECT_EQ(error.code, ErrorCode::kConfig) << text << ": " << error.message;
    EXPECT_NE(error.message.find("source shop"), std::string::npos) << error.message;
  }
  EXPECT_EQ(sql("SELECT count(*) FROM edges"), "200");
}

TEST_F(PostgresQuery, AFunctionThatWritesIsRefusedByTheReadOnlySession) {
  sql("CREATE OR REPLACE FUNCTION sneak(text) RETURNS integer LANGUAGE sql AS "
      "'INSERT INTO edges VALUES ($1, $1, 0) RETURNING weight'");
  auto database = source();
  auto dataset = open(*database, query("SELECT sneak({id})"));
  ASSERT_NE(dataset, nullptr);
  const Error error = load_error(*dataset, "a", within());
  EXPECT_EQ(error.code, ErrorCode::kRefused);
  EXPECT_NE(error.message.find("read-only"), std::string::npos) << error.message;
  EXPECT_EQ(sql("SELECT count(*) FROM edges"), "200");
}

TEST_F(PostgresQuery, AnErrorInTheDataNamesTheQueryAndWhatTheDatabaseSaid) {
  auto database = source();
  auto dataset = open(*database, query("SELECT 100 / {id}::int AS share"));
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(load_one(*dataset, "4"), "25");
  const Error error = load_error(*dataset, "0", within());
  EXPECT_EQ(error.code, ErrorCode::kRefused);
  EXPECT_EQ(error.message, "source shop, query of answer: division by zero");
}

TEST_F(PostgresQuery, TextThatLooksLikeJsonStaysText) {
  auto database = source();
  auto dataset = open(*database, query("SELECT {id}::text AS t, ('[' || {id} || ']')::json AS j"));
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(load_one(*dataset, "12"), R"({"t":"12","j":[12]})");
}

TEST_F(PostgresQuery, ALargeBatchIsOneAnswer) {
  auto database = source();
  auto dataset =
      open(*database, query("SELECT json_agg(weight ORDER BY weight) FROM edges WHERE target = {id}"));
  ASSERT_NE(dataset, nullptr);
  std::vector<KeyFields> keys;
  for (int i = 0; i < 5000; ++i) keys.push_back({"p" + std::to_string(i % 13)});
  const auto values = load(*dataset, keys);
  for (std::size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(values[i].has_value(), i % 13 < 10) << i;
}

}  // namespace
}  // namespace forebay
