#include "config/query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace forebay::config {
namespace {

using testing::ElementsAre;

struct Parsed {
  std::vector<std::string> texts;
  std::vector<std::string> names;
  std::vector<std::size_t> offsets;
  std::vector<TextMistake> mistakes;
};

Parsed parse(std::string_view text, Dialect dialect) {
  Parsed parsed;
  Query query = parse_query(text, dialect, parsed.mistakes);
  parsed.texts = std::move(query.texts);
  for (const Query::Parameter& parameter : query.parameters) {
    parsed.names.push_back(parameter.name);
    parsed.offsets.push_back(parameter.offset);
  }
  return parsed;
}

TEST(Query, IsSplitAtItsParameters) {
  const Parsed parsed = parse("SELECT a FROM t WHERE x = {x} AND y IN ({y}, {x})", Dialect::kSqlite);
  EXPECT_THAT(parsed.texts, ElementsAre("SELECT a FROM t WHERE x = ", " AND y IN (", ", ", ")"));
  EXPECT_THAT(parsed.names, ElementsAre("x", "y", "x"));
  EXPECT_THAT(parsed.offsets, ElementsAre(26, 40, 45));
  EXPECT_TRUE(parsed.mistakes.empty());
}

struct Row {
  const char* text;
  Dialect dialect;
};

TEST(Query, BracesInQuotesAndCommentsAreTheQuerysOwn) {
  const Row rows[] = {
      {"SELECT '{x}'", Dialect::kSqlite},       {"SELECT 'it''s {x}'", Dialect::kSqlite},
      {"SELECT \"{x}\"", Dialect::kPostgres},   {"SELECT `{x}`", Dialect::kSqlite},
      {"SELECT [{x}]", Dialect::kSqlite},       {"SELECT 1 -- {x}", Dialect::kPostgres},
      {"SELECT /* {x} */ 1", Dialect::kSqlite}, {"SELECT /* /* */ {x} */ 1", Dialect::kPostgres},
      {"SELECT $${x}$$", Dialect::kPostgres},   {"SELECT $tag$ $$ {x} $tag$", Dialect::kPostgres},
      {"SELECT '\\'{x}'", Dialect::kMysql},     {"SELECT \"a'{x}\"", Dialect::kMysql},
      {"SELECT `{x}`", Dialect::kMysql},        {"SELECT 1 # {x}", Dialect::kMysql},
      {"SELECT 1 -- {x}", Dialect::kMysql},     {"SELECT /* {x} */ 1", Dialect::kMysql},
      {"SELECT E'\\'{x}'", Dialect::kPostgres}, {"SELECT e'\\\\' , '{x}'", Dialect::kPostgres},
  };
  for (const Row& row : rows) {
    const Parsed parsed = parse(row.text, row.dialect);
    EXPECT_THAT(parsed.texts, ElementsAre(row.text));
    EXPECT_TRUE(parsed.mistakes.empty()) << row.text;
  }
}

TEST(Query, AParameterBehindWhatIsQuotedIsSeen) {
  const Row rows[] = {
      {"SELECT '\\' || {x}", Dialect::kPostgres},   {"SELECT -- no\n{x}", Dialect::kSqlite},
      {"SELECT /* no */ {x}", Dialect::kPostgres},  {"SELECT /* /* */ {x} -- */", Dialect::kSqlite},
      {"SELECT a$b$ {x} c$b$", Dialect::kPostgres}, {"SELECT tablE'\\' {x}", Dialect::kPostgres},
      {"SELECT E'\\' {x}", Dialect::kSqlite},       {"SELECT '''' {x}", Dialect::kSqlite},
      {"SELECT - {x} / 2", Dialect::kSqlite},       {"SELECT a[{x}]", Dialect::kPostgres},
      {"SELECT {x}::text", Dialect::kPostgres},     {"SELECT 1--{x}", Dialect::kMysql},
      {"SELECT @row, {x}", Dialect::kMysql},        {"SELECT 'it''s' + {x}", Dialect::kMysql},
      {"SELECT # no\n{x}", Dialect::kMysql},
  };
  for (const Row& row : rows) {
    const Parsed parsed = parse(row.text, row.dialect);
    EXPECT_THAT(parsed.names, ElementsAre("x")) << row.text;
    EXPECT_TRUE(parsed.mistakes.empty()) << row.text;
  }
}

TEST(Query, WhatIsNotClosedOrNotOursIsAMistakeWhereItStands) {
  const Row rows[] = {
      {"SELECT 'a", Dialect::kSqlite},   {"SELECT \"a", Dialect::kPostgres},
      {"SELECT /* a", Dialect::kSqlite}, {"SELECT $$ a", Dialect::kPostgres},
      {"SELECT {a", Dialect::kSqlite},   {"SELECT }", Dialect::kSqlite},
      {"SELECT ?", Dialect::kSqlite},    {"SELECT :a", Dialect::kSqlite},
      {"SELECT @a", Dialect::kSqlite},   {"SELECT $1", Dialect::kPostgres},
      {"SELECT [a", Dialect::kSqlite},   {"SELECT /*/", Dialect::kPostgres},
  };
  for (const Row& row : rows) {
    const Parsed parsed = parse(row.text, row.dialect);
    ASSERT_EQ(parsed.mistakes.size(), 1U) << row.text;
    EXPECT_EQ(parsed.mistakes.front().offset, 7U) << row.text;
  }
}

TEST(Query, WhatStandsInBracesIsLeftToTheCaller) {
  EXPECT_THAT(parse("{} {a b} {{x}", Dialect::kSqlite).names, ElementsAre("", "a b", "{x"));
}

}  // namespace
}  // namespace forebay::config
