// Types as JSON without loss, there and back, and the spellings of keys.

#include <gtest/gtest.h>

#include "source/mysql/fixture.h"

namespace forebay {
namespace {

class MysqlTypes : public MysqlTest {
 protected:
  // One value in a column of this type, as it is read.
  std::string read(const std::string& type, const std::string& literal) {
    sql("DROP TABLE IF EXISTS typed");
    sql("CREATE TABLE typed(id int PRIMARY KEY, v " + type + ")");
    sql("INSERT IGNORE INTO typed VALUES (1, " + literal + ")");
    auto database = source(1);
    auto dataset = open(*database, table("typed"));
    if (dataset == nullptr) return "";
    const std::string row = load_one(*dataset, "1").value_or("");
    // What was read can be written back, and changes nothing.
    auto fields = fields_of_row(row);
    if (!fields) return row;
    const Written written = write(*dataset, "1", Upsert{*fields});
    // JSON may lose its blanks.
    EXPECT_EQ(fields_of_row(written.after.value.value_or("")).value_or(Fields()), *fields) << type << literal;
    return row;
  }
  static std::string of(const std::string& value) { return "{\"id\":1,\"v\":" + value + "}"; }
};

TEST_F(MysqlTypes, AreJsonWithoutLossAndCanBeWrittenBack) {
  EXPECT_EQ(read("bigint unsigned", "18446744073709551615"), of("18446744073709551615"));
  EXPECT_EQ(read("bigint", "-9223372036854775808"), of("-9223372036854775808"));
  EXPECT_EQ(read("tinyint(1)", "1"), of("1"));
  EXPECT_EQ(read("mediumint", "-8388608"), of("-8388608"));
  EXPECT_EQ(read("decimal(65,30)", "12345678901234567890123456789012345.123456789012345678901234567890"),
            of("12345678901234567890123456789012345.123456789012345678901234567890"));
  EXPECT_EQ(read("float", "0.1"), of("0.1"));
  EXPECT_EQ(read("float", "16777217"), of("16777216"));
  EXPECT_EQ(read("double", "0.1e0 + 0.2e0"), of("0.30000000000000004"));
  EXPECT_EQ(read("bit(64)", "b'1111111111111111111111111111111111111111111111111111111111111111'"),
            of("18446744073709551615"));
  EXPECT_EQ(read("bit(1)", "b'1'"), of("1"));
  EXPECT_EQ(read("year", "2155"), of("2155"));
  EXPECT_EQ(read("enum('small','LARGE')", "'LARGE'"), of("\"LARGE\""));
  EXPECT_EQ(read("set('a','b','c')", "'a,c'"), of("\"a,c\""));
  EXPECT_EQ(read("json", "'{\"b\": 1.50, \"a\": [true, null]}'"), of(R"({"b": 1.50, "a": [true, null]})"));
  EXPECT_EQ(read("binary(4)", "X'00ff'"), of("\"AP8AAA==\""));
  EXPECT_EQ(read("blob", "X'00ff10'"), of("\"AP8Q\""));
  EXPECT_EQ(read("text", "'żółw 🐢'"), of("\"żółw 🐢\""));
  EXPECT_EQ(read("varchar(9) CHARACTER SET latin1", "'café'"), of("\"café\""));
  EXPECT_EQ(read("uuid", "'123E4567-E89B-12D3-A456-426655440000'"),
            of("\"123e4567-e89b-12d3-a456-426655440000\""));
  EXPECT_EQ(read("inet6", "'::1'"), of("\"::1\""));
  EXPECT_EQ(read("int", "NULL"), of("null"));
}

TEST_F(MysqlTypes, TimesAreIso8601InUtcWithTheDigitsOfTheirColumn) {
  EXPECT_EQ(read("date", "'2026-02-28'"), of("\"2026-02-28\""));
  EXPECT_EQ(read("date", "'0000-00-00'"), of("\"0000-00-00\""));
  EXPECT_EQ(read("date", "'2026-00-00'"), of("\"2026-00-00\""));
  EXPECT_EQ(read("datetime", "'2026-02-28 13:45:10'"), of("\"2026-02-28T13:45:10\""));
  EXPECT_EQ(read("datetime(6)", "'2026-02-28 13:45:10.5'"), of("\"2026-02-28T13:45:10.500000\""));
  EXPECT_EQ(read("datetime", "'0000-00-00 00:00:00'"), of("\"0000-00-00T00:00:00\""));
  EXPECT_EQ(read("timestamp(3) NULL", "'2026-02-28 13:45:10.123'"), of("\"2026-02-28T13:45:10.123Z\""));
  EXPECT_EQ(read("time", "'-838:59:59'"), of("\"-838:59:59\""));
  EXPECT_EQ(read("time(2)", "'01:02:03.04'"), of("\"01:02:03.04\""));
}

TEST_F(MysqlTypes, WhatDoesNotFitIsRefusedAndNotChanged) {
  sql("DROP TABLE IF EXISTS typed");
  sql("CREATE TABLE typed(id int PRIMARY KEY, n tinyint, t varchar(3), d date, u int unsigned, e enum('a'))");
  sql("INSERT INTO typed VALUES (1, 1, 'abc', '2026-01-01', 1, 'a')");
  auto database = source();
  auto dataset = open(*database, table("typed"));
  ASSERT_NE(dataset, nullptr);
  const auto before = load_one(*dataset, "1");
  const std::pair<const char*, const char*> wrong[] = {{"n", "128"},  {"n", "1.5"},  {"n", "many"},
                                                       {"t", "abcd"}, {"d", "soon"}, {"d", "2026-02-30"},
                                                       {"u", "-1"},   {"e", "b"},    {"n", "1x"}};
  for (const auto& [column, text] : wrong) {
    EXPECT_EQ(write_error(*dataset, "1", Update{{{column, text}}}).code, ErrorCode::kRefused) << text;
  }
  EXPECT_EQ(write_error(*dataset, "1", Add{"u", "-2"}).code, ErrorCode::kRefused);
  EXPECT_EQ(load_one(*dataset, "1"), before);
}

TEST_F(MysqlTypes, ARowHasOneKeyUnderEveryCollation) {
  sql("DROP TABLE IF EXISTS spelled");
  sql("CREATE TABLE spelled(name varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PRIMARY KEY, n "
      "int)");
  sql("INSERT INTO spelled VALUES ('Café', 1), ('zero', 2)");
  auto database = source();
  auto dataset = open(*database, table("spelled", {"name"}));
  ASSERT_NE(dataset, nullptr);
  const auto values = load(*dataset, {{"Café"}, {"café"}, {"Cafe"}, {"CAFÉ"}, {"Café "}, {"zero"}, {"ZERO"}});
  EXPECT_TRUE(values[0].has_value());
  for (const std::size_t i : {1u, 2u, 3u, 4u, 6u}) EXPECT_EQ(values[i], std::nullopt) << i;
  EXPECT_TRUE(values[5].has_value());
  for (const char* key : {"café", "Cafe", "Café "}) {
    EXPECT_EQ(write_error(*dataset, key, Upsert{{{"n", "9"}}}).code, ErrorCode::kRefused) << key;
    EXPECT_EQ(write_error(*dataset, key, Add{"n", "9"}).code, ErrorCode::kRefused) << key;
    EXPECT_EQ(write_error(*dataset, key, Remove{}).code, ErrorCode::kRefused) << key;
  }
  EXPECT_EQ(sql("SELECT sum(n) FROM spelled"), "3");
  EXPECT_EQ(write(*dataset, "Café", Update{{{"n", "5"}}}).after.value, R"({"name":"Café","n":5})");
}

TEST_F(MysqlTypes, ARowHasOneKeyHoweverItsNumberOrTimeMayBeSpelled) {
  sql("DROP TABLE IF EXISTS spelled");
  sql("CREATE TABLE spelled(k decimal(10,2) PRIMARY KEY, n int)");
  sql("INSERT INTO spelled VALUES (1.50, 1), (0, 2)");
  auto database = source();
  auto decimals = open(*database, table("spelled", {"k"}));
  ASSERT_NE(decimals, nullptr);
  auto values = load(
      *decimals, {{"1.50"}, {"1.5"}, {"01.50"}, {"+1.50"}, {"1.500"}, {"abc"}, {""}, {"0.00"}, {"-0.00"}});
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i].has_value(), i == 0 || i == 7) << i;
  EXPECT_EQ(write_error(*decimals, "2.5", Upsert{{{"n", "1"}}}).code, ErrorCode::kRefused);

  sql("DROP TABLE IF EXISTS spelled");
  sql("CREATE TABLE spelled(k datetime PRIMARY KEY, n int)");
  sql("INSERT INTO spelled VALUES ('2026-02-28 00:00:00', 1), ('0000-00-00 00:00:00', 2)");
  auto times = open(*database, table("spelled", {"k"}));
  ASSERT_NE(times, nullptr);
  values = load(*times, {{"2026-02-28T00:00:00"},
                         {"2026-02-28"},
                         {"2026-02-28 00:00:00"},
                         {"2026-02-30T00:00:00"},
                         {"garbage"},
                         {"20260228"},
                         {"0000-00-00T00:00:00"}});
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i].has_value(), i == 0 || i == 6) << i;
}

TEST_F(MysqlTypes, TheNumberZeroIsAKeyLikeAnyOther) {
  sql("DROP TABLE IF EXISTS counted");
  sql("CREATE TABLE counted(id bigint AUTO_INCREMENT PRIMARY KEY, n int)");
  auto database = source();
  auto dataset = open(*database, table("counted"));
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(write(*dataset, "0", Upsert{{{"n", "1"}}}).after.value, R"({"id":0,"n":1})");
  EXPECT_EQ(load(*dataset, {{"abc"}, {"0"}}),
            (std::vector<std::optional<std::string>>{std::nullopt, R"({"id":0,"n":1})"}));
}

TEST_F(MysqlTypes, OnlyColumnsWhoseEqualTextsAreTheSameBytesAreFoundBySpelling) {
  sql("DROP TABLE IF EXISTS spelled");
  sql("CREATE TABLE spelled(id int PRIMARY KEY, exact varchar(9) COLLATE utf8mb4_nopad_bin, padded "
      "varchar(9) COLLATE "
      "utf8mb4_bin, fixed char(9) COLLATE utf8mb4_bin, folded varchar(9) COLLATE utf8mb4_general_ci, n int)");
  auto database = source();
  DatasetSpec spec = query("SELECT count(*) AS n FROM spelled WHERE exact = {id}");
  for (const char* column : {"exact", "padded", "fixed", "folded", "n"})
    spec.depends_on.push_back({"spelled", {{column, "id"}}});
  auto dataset = open(*database, spec);
  ASSERT_NE(dataset, nullptr);
  const bool expected[] = {true, false, true, false, true};
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(dataset->found_by_spelling(i), expected[i]) << i;
}

// The database finds 2024 by 24, too, and no change of the row would name that key.
TEST_F(MysqlTypes, AYearIsFoundByItsFourDigitsOnly) {
  sql("DROP TABLE IF EXISTS years");
  sql("CREATE TABLE years(id int PRIMARY KEY, y year, t varchar(9))");
  sql("INSERT INTO years VALUES (1, 2024, 'leap')");
  auto database = source();
  DatasetSpec spec = query("SELECT t FROM years WHERE y = {id}");
  spec.depends_on.push_back({"years", {{"y", "id"}}});
  auto dataset = open(*database, spec);
  ASSERT_NE(dataset, nullptr);
  const auto loaded = load(*dataset, {{"2024"}, {"24"}});
  EXPECT_NE(loaded.at(0).value_or("").find("leap"), std::string::npos);
  EXPECT_EQ(loaded.at(1).value_or("").find("leap"), std::string::npos) << loaded.at(1).value_or("");
}

}  // namespace
}  // namespace forebay
