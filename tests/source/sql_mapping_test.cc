#include "source/sql_mapping.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <string>
#include <vector>

namespace forebay::source {
namespace {

const std::vector<std::string> kFields = {"region", "id"};

std::string compiled(std::string_view query, Dialect dialect) {
  auto sql = compile_query(query, kFields, dialect);
  EXPECT_TRUE(sql.has_value()) << query << ": " << (sql ? "" : sql.error().message);
  return sql.value_or("");
}

std::string refusal(std::string_view query, Dialect dialect) {
  auto sql = compile_query(query, kFields, dialect);
  EXPECT_FALSE(sql.has_value()) << query << " became " << sql.value_or("");
  if (sql) return {};
  EXPECT_EQ(sql.error().code, ErrorCode::kConfig);
  return sql.error().message;
}

// Both fields, so that a case is about one thing.
constexpr std::string_view kTail = " {region} {id}";

TEST(SqlMapping, FieldsBecomeNumberedParametersHoweverOftenTheyStand) {
  EXPECT_EQ(compiled("a = {id} OR b = {region} OR c={id}", Dialect::kSqlite),
            "a =  ?2  OR b =  ?1  OR c= ?2 ");
  EXPECT_EQ(compiled("a = {id}::int AND b={region}", Dialect::kPostgres), "a =  $2 ::int AND b= $1 ");
}

TEST(SqlMapping, WhatTheDatabaseReadsAsTextIsCopied) {
  const std::string_view both[] = {
      "'{id}'",       "'it''s {id}'", "\"{id}\"", "\"a\"\"{id}\"", "-- {nothing}\n",
      "/* {id} ' */", "'--'",         "'/*'",     "1-1",
  };
  for (const Dialect dialect : {Dialect::kSqlite, Dialect::kPostgres}) {
    const std::string tail = dialect == Dialect::kSqlite ? "  ?1   ?2 " : "  $1   $2 ";
    for (const std::string_view text : both) {
      EXPECT_EQ(compiled(std::string(text) + std::string(kTail), dialect), std::string(text) + tail);
    }
  }
  const std::string_view sqlite[] = {"`{id}`", "[{id}]", "/* /* {id} */"};
  for (const std::string_view text : sqlite) {
    EXPECT_EQ(compiled(std::string(text) + std::string(kTail), Dialect::kSqlite),
              std::string(text) + "  ?1   ?2 ");
  }
  const std::string_view postgres[] = {"$${id}$$",         "$tag${id} $$ {id}$tag$",
                                       "E'\\'{id}'",       "e'{id}\\\\'",
                                       "/* /* */ {id} */", "x::text",
                                       "j ? 'a'",          "a[1:2]",
                                       "name$1",           "j @> '{}'"};
  for (const std::string_view text : postgres) {
    EXPECT_EQ(compiled(std::string(text) + std::string(kTail), Dialect::kPostgres),
              std::string(text) + "  $1   $2 ");
  }
  // A backslash is an ordinary character here: the literal ends, and the field after it is one.
  EXPECT_EQ(compiled("'\\' = {id} OR {region}", Dialect::kPostgres), "'\\' =  $2  OR  $1 ");
  EXPECT_EQ(compiled("a[{id}] = {region}", Dialect::kPostgres), "a[ $2 ] =  $1 ");
}

TEST(SqlMapping, RefusesAQueryThatWouldNotMeanWhatItSays) {
  struct Case {
    std::string_view query;
    Dialect dialect;
    std::string_view part;
  };
  const Case cases[] = {
      {"{region}", Dialect::kSqlite, "does not use the key's field {id}"},
      {"'{region}' {id}", Dialect::kSqlite, "does not use the key's field {region}"},
      {"{region} {id} {name}", Dialect::kSqlite,
       "uses {name}, which is no field of the key (it has {region}, {id})"},
      {"{{id}} {region}", Dialect::kSqlite, "which is no field of the key"},
      {"{region} {id} {}", Dialect::kSqlite, "which is no field of the key"},
      {"{region} {id", Dialect::kSqlite, "not closed, at byte 10"},
      {"{region} {id} }", Dialect::kSqlite, "at byte 15"},
      {"{region} {id} ?", Dialect::kSqlite, "write {field} instead, at byte 15"},
      {"{region} {id} ?3", Dialect::kSqlite, "a parameter of its own"},
      {"{region} {id} :name", Dialect::kSqlite, "a parameter of its own"},
      {"{region} {id} @name", Dialect::kSqlite, "a parameter of its own"},
      {"{region} {id} $name", Dialect::kSqlite, "a parameter of its own"},
      {"{region} {id} $1", Dialect::kPostgres, "a parameter of its own"},
      {"{region} {id} 'open", Dialect::kSqlite, "string literal that is not closed, at byte 15"},
      {"{region} {id} 'open\\'", Dialect::kSqlite, ""},
      {"{region} {id} E'open\\'", Dialect::kPostgres, "string literal that is not closed"},
      {"{region} {id} \"open", Dialect::kPostgres, "quoted name that is not closed"},
      {"{region} {id} [open", Dialect::kSqlite, "quoted name that is not closed"},
      {"{region} {id} /* open", Dialect::kSqlite, "comment that is not closed"},
      {"{region} {id} /* /* */", Dialect::kPostgres, "comment that is not closed"},
      {"{region} {id} /*/", Dialect::kSqlite, "comment that is not closed"},
      {"{region} {id} $x$ $y$", Dialect::kPostgres, "dollar-quoted string that is not closed"},
  };
  for (const Case& c : cases) {
    if (c.part.empty()) {
      compiled(c.query, c.dialect);
      continue;
    }
    const std::string message = refusal(c.query, c.dialect);
    EXPECT_NE(message.find(c.part), std::string::npos) << c.query << ": " << message;
  }
}

TEST(SqlMapping, NamesAreQuotedWhateverTheyContain) {
  EXPECT_EQ(quote_identifier("order"), "\"order\"");
  EXPECT_EQ(quote_identifier("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(quote_identifier("x; DROP TABLE t --"), "\"x; DROP TABLE t --\"");
  EXPECT_EQ(parse_table_name("packages")->quoted(), "\"packages\"");
  EXPECT_EQ(parse_table_name("shop.order")->quoted(), "\"shop\".\"order\"");
  EXPECT_EQ(parse_table_name("\"odd.na\"\"me\"")->quoted(), "\"odd.na\"\"me\"");
  EXPECT_EQ(parse_table_name("\"a.b\".c")->text(), "a.b.c");
  for (const std::string_view wrong : {"", ".", "a.", ".a", "a.b.c", "\"a", "\"\"", "a\"b\"", "\"a\"b"}) {
    EXPECT_FALSE(parse_table_name(wrong).has_value()) << wrong;
  }
  EXPECT_FALSE(parse_table_name(std::string_view("a\0b", 3)).has_value());
}

TableShape orders() {
  return {.table = {"shop", "orders"},
          .keys = {"region", "id"},
          .key_types = {"text", "bigint"},
          .columns = {"region", "id", "total"},
          .version_column = "ver",
          .version_has_default = false};
}

TEST(SqlMapping, APostgresBatchIsOneStatementWithOneArrayAKeyColumn) {
  const TableSql composite(Dialect::kPostgres, orders());
  EXPECT_EQ(composite.read(),
            "SELECT t.\"region\", t.\"id\", t.\"region\", t.\"id\", t.\"total\", t.\"ver\" FROM (SELECT "
            "DISTINCT * FROM "
            "unnest($1::text[], $2::bigint[]) AS u(k1, k2)) AS forebay_keys JOIN \"shop\".\"orders\" AS t ON "
            "t.\"region\" = forebay_keys.k1 AND t.\"id\" = forebay_keys.k2");
  const TableSql single(
      Dialect::kPostgres,
      {.table = {"", "users"}, .keys = {"id"}, .key_types = {"bigint"}, .columns = {"name"}});
  EXPECT_EQ(single.read(), "SELECT \"id\", \"name\" FROM \"users\" WHERE \"id\" = ANY($1::bigint[])");
}

TEST(SqlMapping, WritesNameOnlyTheirColumnsAndRaiseTheVersion) {
  const TableSql sql(Dialect::kPostgres, orders());
  const std::vector<std::string> total = {"total"};
  const std::string returning =
      " RETURNING t.\"region\", t.\"id\", t.\"region\", t.\"id\", t.\"total\", t.\"ver\"";
  EXPECT_EQ(sql.update(total),
            "UPDATE \"shop\".\"orders\" AS t SET \"total\" = $3, \"ver\" = coalesce(t.\"ver\", 0) + 1 WHERE "
            "\"region\" = $1 AND \"id\" = $2" +
                returning);
  EXPECT_EQ(
      sql.insert(total),
      "INSERT INTO \"shop\".\"orders\" AS t (\"region\", \"id\", \"total\", \"ver\") VALUES ($1, $2, $3, 1) "
      "ON "
      "CONFLICT (\"region\", \"id\") DO UPDATE SET \"total\" = $3, \"ver\" = coalesce(t.\"ver\", 0) + 1" +
          returning);
  EXPECT_EQ(sql.remove(),
            "DELETE FROM \"shop\".\"orders\" AS t WHERE \"region\" = $1 AND \"id\" = $2" + returning);
  EXPECT_EQ(sql.read_for_write(total),
            "SELECT \"region\", \"id\", \"total\" FROM \"shop\".\"orders\" WHERE \"region\" = $1 AND \"id\" "
            "= $2 FOR UPDATE");
}

// What SQLite makes of the statements, since it is at hand; PostgreSQL's are run by the contract tests.
TEST(SqlMapping, SqliteAcceptsEveryStatementAndFindsRowsByTheIndex) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(":memory:", &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db,
                         "CREATE TABLE \"or\"\"ders\"(region TEXT, id INTEGER, \"to tal\" INT, ver INT, "
                         "PRIMARY KEY(region, id))",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  for (const std::string& version : {std::string("ver"), std::string()}) {
    const TableSql sql(Dialect::kSqlite, {.table = {"main", "or\"ders"},
                                          .keys = {"region", "id"},
                                          .key_types = {},
                                          .columns = {"to tal"},
                                          .version_column = version});
    const std::vector<std::string> some = {"to tal"};
    for (const std::string& text :
         {sql.read(), sql.read(3), sql.read_for_write(some), sql.update(some), sql.update({}),
          sql.insert(some), sql.insert({}), sql.add("to tal"), sql.insert_add("to tal"), sql.remove()}) {
      sqlite3_stmt* statement = nullptr;
      EXPECT_EQ(sqlite3_prepare_v2(db, text.c_str(), -1, &statement, nullptr), SQLITE_OK)
          << text << ": " << sqlite3_errmsg(db);
      sqlite3_finalize(statement);
    }
    for (const std::size_t keys : {1, 3, 512}) {
      sqlite3_stmt* plan = nullptr;
      ASSERT_EQ(sqlite3_prepare_v2(db, ("EXPLAIN QUERY PLAN " + sql.read(keys)).c_str(), -1, &plan, nullptr),
                SQLITE_OK);
      std::string steps;
      while (sqlite3_step(plan) == SQLITE_ROW)
        steps += reinterpret_cast<const char*>(sqlite3_column_text(plan, 3));
      EXPECT_NE(steps.find("(region=? AND id=?)"), std::string::npos) << steps;
      sqlite3_finalize(plan);
    }
  }
  sqlite3_close(db);
}

}  // namespace
}  // namespace forebay::source
