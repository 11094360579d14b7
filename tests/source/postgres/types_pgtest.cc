// Every type as the server really writes it.

#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "source/postgres/fixture.h"
#include "support/number_texts.h"

namespace forebay {
namespace {

class PostgresTypesTest : public PostgresTest {};

struct Value {
  std::string type;
  std::string literal;  // SQL
  std::string json;
};

const std::vector<Value>& values() {
  static const std::vector<Value> kValues = {
      {"smallint", "-32768", "-32768"},
      {"integer", "7", "7"},
      {"bigint", "9223372036854775807", "9223372036854775807"},
      {"numeric", "12345678901234567890.12345678901234567890", "12345678901234567890.12345678901234567890"},
      {"numeric", "1.10", "1.10"},
      {"numeric", "'NaN'", "\"NaN\""},
      {"numeric(6,2)", "3", "3.00"},
      {"real", "0.1", "0.1"},
      {"double precision", "0.1", "0.1"},
      {"double precision", "0.30000000000000004", "0.30000000000000004"},
      {"double precision", "1e300", "1e+300"},
      {"double precision", "'NaN'", "\"NaN\""},
      {"double precision", "'-Infinity'", "\"-Infinity\""},
      {"boolean", "true", "true"},
      {"boolean", "false", "false"},
      {"text", "'a\"b'", "\"a\\\"b\""},
      {"varchar(10)", "'abc'", "\"abc\""},
      {"char(5)", "'ab'", "\"ab\""},
      {"bytea", "'\\x00ff10'", "\"AP8Q\""},
      {"bytea", "''", "\"\""},
      {"uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\""},
      {"json", "'{\"b\": 1.50,  \"a\": 1e400}'", "{\"b\": 1.50,  \"a\": 1e400}"},
      {"jsonb", "'{\"b\": 1.50, \"a\": null}'", "{\"a\": null, \"b\": 1.50}"},
      {"jsonb", "'\"text\"'", "\"text\""},
      {"date", "'2026-02-28'", "\"2026-02-28\""},
      {"date", "'infinity'", "\"infinity\""},
      {"time", "'13:45:10.25'", "\"13:45:10.25\""},
      {"timestamp", "'2026-02-28 13:45:10.000001'", "\"2026-02-28T13:45:10.000001\""},
      {"timestamptz", "'2026-02-28 13:45:10+05:30'", "\"2026-02-28T08:15:10Z\""},
      {"timestamptz", "'-infinity'", "\"-infinity\""},
      {"interval", "'1 day 02:03:04'", "\"P1DT2H3M4S\""},
      {"inet", "'10.0.0.1/8'", "\"10.0.0.1/8\""},
      {"int4range", "'[1,5)'", "\"[1,5)\""},
      {"tsvector", "'a b'", "\"'a' 'b'\""},
      {"point", "'(1,2)'", "\"(1,2)\""},
      {"bit(3)", "B'101'", "\"101\""},
      {"mood", "'so so'", "\"so so\""},
      {"amount", "5", "5"},
      {"pair", "ROW(1, 'x y')", "\"(1,\\\"x y\\\")\""},
      {"integer[]", "'{1,NULL,3}'", "[1,null,3]"},
      {"integer[]", "'{}'", "[]"},
      {"integer[]", "'[5:6]={1,2}'", "[1,2]"},
      {"text[]", "ARRAY[['a','b c'],['\"','NULL']]", R"([["a","b c"],["\"","NULL"]])"},
      {"numeric[]", "'{1.10,NaN}'", R"([1.10,"NaN"])"},
      {"timestamptz[]", "ARRAY['2026-02-28 13:45:10+00'::timestamptz]", R"(["2026-02-28T13:45:10Z"])"},
      {"jsonb[]", R"(ARRAY['{"a": [1]}'::jsonb, 'null'])", R"([{"a": [1]},null])"},
      {"bytea[]", "ARRAY['\\x00ff'::bytea]", R"(["AP8="])"},
      {"mood[]", "ARRAY['ok','so so']::mood[]", R"(["ok","so so"])"},
      {"amount[]", "ARRAY[1,2]", "[1,2]"},
      {"box[]", "'{(1,1),(0,0);(2,2),(1,1)}'", R"json(["(1,1),(0,0)","(2,2),(1,1)"])json"},
      {"text", "NULL", "null"},
      {"integer[]", "NULL", "null"},
  };
  return kValues;
}

void make_types(const test::PostgresServer& server) {
  server.exec(
      "DROP TABLE IF EXISTS every_type; DROP TYPE IF EXISTS mood, pair; DROP DOMAIN IF EXISTS amount "
      "CASCADE");
  server.exec(
      "CREATE TYPE mood AS ENUM ('ok', 'so so'); CREATE TYPE pair AS (n integer, t text);"
      "CREATE DOMAIN amount AS integer CHECK (VALUE >= 0)");
}

TEST_F(PostgresTypesTest, EveryTypeIsJsonWithoutLossAndComesBack) {
  make_types(server_);
  std::string columns;
  std::string literals;
  std::string expected = "{\"id\":1";
  for (std::size_t i = 0; i < values().size(); ++i) {
    const std::string name = "c" + std::to_string(i);
    columns += ", " + name + " " + values()[i].type;
    literals += ", " + values()[i].literal;
    expected += ",\"" + name + "\":" + values()[i].json;
  }
  sql("CREATE TABLE every_type(id integer PRIMARY KEY" + columns + ")");
  sql("INSERT INTO every_type VALUES (1" + literals + ")");
  auto database = source();
  auto dataset = open(*database, table("every_type"));
  ASSERT_NE(dataset, nullptr);
  const auto row = load_one(*dataset, "1");
  EXPECT_EQ(row, expected + "}");

  // What was read can be written, into the same row and into another.
  auto fields = fields_of_row(row.value_or(""));
  ASSERT_TRUE(fields.has_value());
  EXPECT_TRUE(dataset->validate({"1"}, Upsert{*fields}));
  auto written = dataset->write({"1"}, Upsert{*fields}, within());
  ASSERT_TRUE(written.has_value()) << written.error().message;
  EXPECT_EQ(fields_of_row(written->after.value.value_or("")).value_or(Fields()), *fields);
  fields->erase(fields->begin());
  written = dataset->write({"2"}, Upsert{*fields}, within());
  ASSERT_TRUE(written.has_value()) << written.error().message;
  const std::string same =
      sql("SELECT (a.c3, a.c24, a.c42)::text = (b.c3, b.c24, b.c42)::text FROM every_type a, every_type b "
          "WHERE a.id = 1 AND b.id = 2");
  EXPECT_EQ(same, "t");
}

TEST_F(PostgresTypesTest, NumbersAreShownAsTheServerWritesThem) {
  test::SeededRandom random(5);
  std::vector<std::string> texts;
  for (int i = 0; i < 3000; ++i) texts.push_back(test::number_text(random));
  sql("DROP TABLE IF EXISTS every_type; CREATE TABLE every_type(id integer PRIMARY KEY, f8 float8, f4 real, "
      "n numeric)");
  auto database = source();
  auto dataset = open(*database, table("every_type"));
  ASSERT_NE(dataset, nullptr);
  for (const auto& [column, type] : {std::pair{"f8", "float8"}, {"f4", "real"}, {"n", "numeric"}}) {
    std::vector<std::string> asked;
    std::string list;
    for (const std::string& text : texts) {
      const bool exponent = text.find_first_of("eE") != std::string::npos;
      if (type == std::string("numeric") && exponent) continue;
      const double size = std::abs(std::stod(text));
      if (type == std::string("real") && size != 0 && (size < 1e-30 || size > 1e30)) continue;
      asked.push_back(text);
      list += (list.empty() ? "" : ",") + text;
    }
    std::istringstream answers(sql("SELECT x::" + std::string(type) + "::text FROM unnest('{" + list +
                                   "}'::text[]) WITH ORDINALITY AS t(x, n) ORDER BY n"));
    int different = 0;
    for (const std::string& text : asked) {
      std::string shown = text;
      EXPECT_EQ(dataset->shown(column, Given::kText, shown), Shown::kJson);
      std::string answer;
      std::getline(answers, answer);
      if (shown == answer) continue;
      ++different;
      if (type == std::string("real")) {
        EXPECT_EQ(std::stof(shown), std::stof(answer)) << type << " " << text;
      } else {
        EXPECT_EQ(std::stod(shown), std::stod(answer)) << type << " " << text;
      }
    }
    EXPECT_LT(different, type == std::string("numeric") ? 1 : 60) << type;
  }
}

// What is refused before the journal has it would have been refused by the database.
TEST_F(PostgresTypesTest, WhatATypeNeverTakesIsKnownAndTheDatabaseAgrees) {
  const std::vector<std::string> types = {"smallint", "integer", "bigint", "oid",      "numeric", "real",
                                          "boolean",  "text",    "bytea",  "uuid",     "json",    "jsonb",
                                          "char(40)", "date",    "inet",   "integer[]"};
  const std::vector<std::string> texts = {"",
                                          " ",
                                          "0",
                                          "7",
                                          "-7",
                                          "+7",
                                          " 7 ",
                                          "7.0",
                                          "7.5",
                                          ".5",
                                          "5.",
                                          ".",
                                          "-",
                                          "1e3",
                                          "1e",
                                          "1e+",
                                          "0x1F",
                                          "1_0",
                                          "32767",
                                          "32768",
                                          "-32768",
                                          "-32769",
                                          "2147483647",
                                          "2147483648",
                                          "-2147483649",
                                          "4294967296",
                                          "9223372036854775807",
                                          "9223372036854775808",
                                          "-9223372036854775808",
                                          "-9223372036854775809",
                                          "99999999999999999999",
                                          "one",
                                          "NaN",
                                          "-inf",
                                          "Infinity",
                                          "infinit",
                                          "t",
                                          "tr",
                                          "TRUE",
                                          "truee",
                                          "yes",
                                          "o",
                                          "on",
                                          "of",
                                          "off",
                                          "AP8Q",
                                          "AP8",
                                          "\\x00",
                                          "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
                                          "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}",
                                          "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1",
                                          "{}",
                                          "{",
                                          "[1,2]",
                                          "{1,2}",
                                          "\"a",
                                          "nul",
                                          std::string("a\0b", 3),
                                          "\xff"};
  std::string columns;
  for (std::size_t i = 0; i < types.size(); ++i) columns += ", c" + std::to_string(i) + " " + types[i];
  sql("DROP TABLE IF EXISTS every_type; CREATE TABLE every_type(id integer PRIMARY KEY" + columns + ")");
  auto database = source();
  auto dataset = open(*database, table("every_type"));
  ASSERT_NE(dataset, nullptr);
  std::size_t refused = 0;
  std::size_t missed = 0;
  for (std::size_t i = 0; i < types.size(); ++i) {
    for (const std::string& text : texts) {
      const Write write = Update{{{"c" + std::to_string(i), text}}, true};
      const auto known = dataset->validate({"1"}, write);
      const auto written = dataset->write({"1"}, write, within());
      if (!known) {
        EXPECT_FALSE(written) << types[i] << " takes '" << text << "': " << known.error().message;
      }
      refused += known ? 0 : 1;
      missed += known && !written ? 1 : 0;
    }
  }
  EXPECT_GT(refused, 300U);
  EXPECT_LT(missed, 200U);  // dates, addresses, arrays, and what newer versions take
}

TEST_F(PostgresTypesTest, WhatTheRoleMayNotWriteAndWhatTheDatabaseGivesIsKnown) {
  sql("DROP TABLE IF EXISTS guarded; DROP ROLE IF EXISTS careful; CREATE ROLE careful LOGIN;"
      "CREATE TABLE guarded(id integer PRIMARY KEY, free text, fixed text, whole text GENERATED ALWAYS AS "
      "(free || fixed) STORED);"
      "GRANT SELECT, INSERT ON guarded TO careful; GRANT UPDATE (id, free) ON guarded TO careful");
  auto database = source(4, "careful");
  auto dataset = open(*database, table("guarded"));
  ASSERT_NE(dataset, nullptr);
  EXPECT_TRUE(dataset->validate({"1"}, Update{{{"free", "x"}}, true}));
  const auto fixed = dataset->validate({"1"}, Update{{{"fixed", "x"}}, true});
  ASSERT_FALSE(fixed);
  EXPECT_NE(fixed.error().message.find("the role may not UPDATE the column fixed"), std::string::npos);
  EXPECT_FALSE(dataset->write({"1"}, Update{{{"fixed", "x"}}, true}, within()));
  EXPECT_TRUE(dataset->validate({"1"}, Upsert{{{"fixed", "x"}}, {}, true}));
  EXPECT_FALSE(dataset->validate({"1"}, Update{{{"whole", "x"}}, true}));
  EXPECT_FALSE(dataset->write({"1"}, Update{{{"whole", "x"}}, true}, within()));
}

TEST_F(PostgresTypesTest, AQueryGivesTheSameValuesAsATable) {
  make_types(server_);
  auto database = source();
  for (const Value& value : values()) {
    auto dataset =
        open(*database, query("SELECT (" + value.literal + ")::" + value.type + " AS v, {id}::text AS id"));
    ASSERT_NE(dataset, nullptr) << value.type;
    EXPECT_EQ(load_one(*dataset, "x"), "{\"v\":" + value.json + ",\"id\":\"x\"}") << value.type;
  }
}

TEST_F(PostgresTypesTest, SettingsOfTheRoleDoNotChangeWhatValuesLookLike) {
  sql("DROP ROLE IF EXISTS odd; CREATE ROLE odd LOGIN; ALTER ROLE odd SET TimeZone = 'Asia/Tokyo';"
      "ALTER ROLE odd SET DateStyle = 'SQL, DMY'; ALTER ROLE odd SET bytea_output = 'escape';"
      "ALTER ROLE odd SET extra_float_digits = -10; ALTER ROLE odd SET IntervalStyle = 'postgres_verbose'");
  auto database = source(4, "odd");
  auto dataset =
      open(*database, query("SELECT '2026-02-28 13:45:10+00'::timestamptz AS a, '\\x00ff'::bytea AS b, "
                            "0.30000000000000004::float8 AS c, '1 day'::interval AS d, {id}::text AS e"));
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(load_one(*dataset, "x"),
            R"({"a":"2026-02-28T13:45:10Z","b":"AP8=","c":0.30000000000000004,"d":"P1D","e":"x"})");
}

// "ż" is a key like any other for a client, and nothing that a LATIN1 database could hold.
TEST_F(PostgresTypesTest, AKeyThatTheDatabasesEncodingLacksIsAbsentAndSpoilsNoBatch) {
  sql("DROP DATABASE IF EXISTS latin");
  sql("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
  {
    auto database = source(1, "postgres", "&dbname=latin");
    auto dataset = open(*database, query("SELECT {id}::text || '!' AS said"));
    ASSERT_NE(dataset, nullptr);
    EXPECT_EQ(load(*dataset, {{"ż"}, {"ü"}, {"a"}}),
              (std::vector<std::optional<std::string>>{std::nullopt, "\"ü!\"", "\"a!\""}));
    EXPECT_EQ(load_one(*dataset, "ż"), std::nullopt);
  }
  sql("DROP DATABASE latin WITH (FORCE)");
}

// Keys of every type: found by their plain text, and whatever is none is absent without failing the others.
TEST_F(PostgresTypesTest, AKeyOfAnyTypeIsItsPlainText) {
  make_types(server_);
  struct Key {
    std::string type;
    std::string literal;
    std::string plain;
    std::vector<std::string> wrong;
    std::vector<std::string> wrong_in_table = {};  // the plain text of another value that is equal
  };
  const std::vector<Key> keys = {
      {"integer", "7", "7", {"07", "abc", "7.0", "99999999999"}},
      {"uuid",
       "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",
       "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
       {"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "abc"}},
      {"boolean", "true", "true", {"t", "yes", "abc"}},
      {"bytea", "'\\x00ff'", "AP8=", {"\\x00ff", "abc"}},
      {"numeric", "1.50", "1.50", {"abc", "1e999999"}, {"1.5"}},
      {"date", "'2026-02-28'", "2026-02-28", {"2026-2-28", "2026-02-30", "abc", ""}},
      {"timestamptz", "'2026-02-28 13:45:10+00'", "2026-02-28T13:45:10Z", {"2026-02-28 13:45:10+00", "abc"}},
      {"mood", "'so so'", "so so", {"so", "abc", ""}},
      {"amount", "5", "5", {"-5", "abc"}},
      {"char(5)", "'ab'", "ab", {"ab   ", "abcdef"}},
      {"varchar(5)", "'ab'", "ab", {"abcdefgh"}},
      {"inet", "'10.0.0.1'", "10.0.0.1", {"10.0.0.1/32", "10.0.0.256", "abc"}},
  };
  auto database = source();
  for (const Key& key : keys) {
    sql("DROP TABLE IF EXISTS keyed");
    sql("CREATE TABLE keyed(id " + key.type + " PRIMARY KEY, part text); INSERT INTO keyed VALUES (" +
        key.literal + ", 'x')");
    auto rows = open(*database, table("keyed"));
    ASSERT_NE(rows, nullptr) << key.type;
    auto found = open(*database, query("SELECT part FROM keyed WHERE id = {id}"));
    ASSERT_NE(found, nullptr) << key.type;
    EXPECT_TRUE(found->batches()) << key.type;
    std::vector<KeyFields> asked;
    for (const std::string& wrong : key.wrong) asked.push_back({wrong});
    asked.push_back({key.plain});
    asked.push_back({std::string("a\0", 2)});
    asked.push_back({key.plain});
    for (Dataset* dataset : {rows.get(), found.get()}) {
      const auto loaded = load(*dataset, asked);
      for (std::size_t i = 0; i < asked.size(); ++i) {
        EXPECT_EQ(loaded[i].has_value(), asked[i][0] == key.plain) << key.type << ": " << asked[i][0];
      }
    }
    auto written = rows->write({key.plain}, Update{{{"part", "y"}}}, within());
    ASSERT_TRUE(written.has_value()) << key.type << ": " << written.error().message;
    EXPECT_TRUE(written->existed) << key.type;
    for (const std::string& wrong : key.wrong) {
      EXPECT_EQ(write_error(*rows, wrong, Upsert{{{"part", "z"}}}).code, ErrorCode::kRefused)
          << key.type << ": " << wrong;
    }
    for (const std::string& equal : key.wrong_in_table) {
      EXPECT_EQ(load_one(*rows, equal), std::nullopt) << key.type << ": " << equal;
      EXPECT_EQ(load_one(*found, equal), "\"y\"") << key.type << ": " << equal;
      EXPECT_EQ(write_error(*rows, equal, Upsert{{{"part", "z"}}}).code, ErrorCode::kRefused) << equal;
    }
    EXPECT_EQ(sql("SELECT count(*) FROM keyed"), "1") << key.type;
  }
}

}  // namespace
}  // namespace forebay
