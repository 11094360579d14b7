#include "source/postgres/types.h"

#include <gtest/gtest.h>

#include <string>

namespace forebay::source::postgres {
namespace {

using namespace std::string_view_literals;

const Type kText{.cast = "text"};
const Type kInt4{.shape = Shape::kInteger, .integer_bytes = 4};
const Type kBytea{.shape = Shape::kBytes};

Type array_of(Type type) {
  type.array = true;
  return type;
}

std::string json(const Type& type, std::string_view text) {
  std::string out;
  append_json(out, type, text);
  return out;
}

TEST(PostgresTypes, ArraysBecomeJsonArraysOfTheirDimensions) {
  EXPECT_EQ(json(array_of(kInt4), "{}"), "[]");
  EXPECT_EQ(json(array_of(kInt4), "{1,NULL,-3}"), "[1,null,-3]");
  EXPECT_EQ(json(array_of(kInt4), "{{1,2},{3,4}}"), "[[1,2],[3,4]]");
  EXPECT_EQ(json(array_of(kInt4), "[0:1][2:3]={{1,2},{3,4}}"), "[[1,2],[3,4]]");
  EXPECT_EQ(json(array_of(kText), R"({a,"b c","\"","\\","NULL",NULL,"",",","{}"})"),
            R"(["a","b c","\"","\\","NULL",null,"",",","{}"])");
  EXPECT_EQ(json(array_of({.shape = Shape::kBoolean}), "{t,f}"), "[true,false]");
  EXPECT_EQ(json(array_of(kBytea), R"({"\\x00ff"})"), R"(["AP8="])");
  EXPECT_EQ(json(array_of({.shape = Shape::kJson}), R"({"{\"a\": [1.50]}",null})"),
            R"([{"a": [1.50]},null])");
  EXPECT_EQ(json(array_of({.shape = Shape::kText, .delimiter = ';'}), "{(1,1),(0,0);(2,2),(1,1)}"),
            R"json(["(1,1),(0,0)","(2,2),(1,1)"])json");
}

// Whatever the server may one day send, it reaches the reader whole.
TEST(PostgresTypes, TextThatIsNoArrayIsAString) {
  for (const std::string_view text :
       {"", "{", "}", "{1", "{1,", "{1,}", "{1}}", "{\"a}", "{\"a\\", "1", "[0:1]", "{{{{{{{1}}}}}}}"}) {
    const std::string out = json(array_of(kText), text);
    EXPECT_TRUE(out.starts_with('"') && out.ends_with('"')) << text << " became " << out;
  }
}

TEST(PostgresTypes, TimestampsAreIso8601) {
  const Type plain{.shape = Shape::kTimestamp};
  const Type zoned{.shape = Shape::kTimestampTz};
  EXPECT_EQ(json(plain, "2026-01-31 12:00:00"), "\"2026-01-31T12:00:00\"");
  EXPECT_EQ(json(zoned, "2026-01-31 12:00:00.5+00"), "\"2026-01-31T12:00:00.5Z\"");
  EXPECT_EQ(json(zoned, "infinity"), "\"infinity\"");
  EXPECT_EQ(json(plain, "0044-03-15 12:00:00 BC"), "\"0044-03-15 12:00:00 BC\"");
  EXPECT_EQ(plain_text(zoned, "2026-01-31 12:00:00+00"), "2026-01-31T12:00:00Z");
}

TEST(PostgresTypes, NumbersKeepTheirDigitsAndWhatIsNoneIsAString) {
  const Type numeric{.shape = Shape::kNumber};
  EXPECT_EQ(json(numeric, "123456789012345678901234567890.10"), "123456789012345678901234567890.10");
  EXPECT_EQ(json(numeric, "NaN"), "\"NaN\"");
  EXPECT_EQ(json(numeric, "-Infinity"), "\"-Infinity\"");
}

TEST(PostgresTypes, ArraysComeBackAsTheyWere) {
  EXPECT_EQ(*parameter(array_of(kInt4), "[1,null,-3]"), R"({"1",NULL,"-3"})");
  EXPECT_EQ(*parameter(array_of(kInt4), " [[1, 2], [3, 4]] "), R"({{"1","2"},{"3","4"}})");
  EXPECT_EQ(*parameter(array_of(kInt4), "[]"), "{}");
  EXPECT_EQ(*parameter(array_of(kText), R"(["a","b \"c\\","{}","NULL",""])"),
            R"({"a","b \"c\\","{}","NULL",""})");
  EXPECT_EQ(*parameter(array_of(kText), R"(["a]b","[c,d"])"), R"({"a]b","[c,d"})");
  EXPECT_EQ(*parameter(array_of({.shape = Shape::kJson}), R"([{"a":[1.50,"]"]},[2]])"),
            R"({"{\"a\":[1.50,\"]\"]}","[2]"})");
  EXPECT_EQ(*parameter(array_of(kBytea), R"(["AP8="])"), R"({"\\x00ff"})");
  EXPECT_EQ(*parameter(array_of(kInt4), "{1,2}"), "{1,2}");
  EXPECT_EQ(parameter(array_of(kBytea), R"(["?"])").error().code, ErrorCode::kRefused);
  EXPECT_EQ(parameter(array_of(kInt4), "[[[[[[[1]]]]]]]").error().code, ErrorCode::kRefused);
}

TEST(PostgresTypes, BytesGoInAsBase64AndInATextNamespaceAsTheyAre) {
  EXPECT_EQ(*parameter(kBytea, "AP8="), "\\x00ff");
  EXPECT_EQ(parameter(kBytea, "\\x00ff").error().code, ErrorCode::kRefused);
  EXPECT_EQ(*raw_parameter(kBytea, "\x00\xff"sv), "\\x00ff");
  EXPECT_EQ(raw_value(kBytea, "\\x00ff"), "\x00\xff"sv);
  EXPECT_EQ(plain_text(kBytea, "\\x00ff"), "AP8=");
}

TEST(PostgresTypes, AJsonColumnTakesJsonAndTextThatCannotBeMeantAsSuch) {
  const Type type{.shape = Shape::kJson};
  EXPECT_EQ(*parameter(type, R"({"a": 1.50})"), R"({"a": 1.50})");
  EXPECT_EQ(*parameter(type, "12"), "12");
  EXPECT_EQ(*parameter(type, "null"), "null");
  EXPECT_EQ(*parameter(type, "some \"text\""), R"("some \"text\"")");
  EXPECT_EQ(*parameter(type, ""), "\"\"");
  EXPECT_EQ(*parameter(type, R"( {"a": )"), R"( {"a": )");
}

TEST(PostgresTypes, WhatPostgresCannotStoreIsRefusedBeforeItIsSent) {
  EXPECT_EQ(parameter(kText, "a\0b"sv).error().code, ErrorCode::kRefused);
  EXPECT_EQ(parameter(kText, "\xff").error().code, ErrorCode::kRefused);
}

TEST(PostgresTypes, AKeyIsTheTextThatPostgresWrites) {
  const Type int2{.shape = Shape::kInteger, .integer_bytes = 2};
  const Type int8{.shape = Shape::kInteger, .integer_bytes = 8};
  const Type oid{.shape = Shape::kInteger, .integer_bytes = -4};
  const Type uuid{.shape = Shape::kUuid};
  struct Case {
    const Type& type;
    std::string_view text;
    bool possible;
  };
  const Case cases[] = {
      {kInt4, "0", true},
      {kInt4, "-1", true},
      {kInt4, "2147483647", true},
      {kInt4, "-2147483648", true},
      {kInt4, "2147483648", false},
      {int2, "32767", true},
      {int2, "-32769", false},
      {int8, "9223372036854775807", true},
      {int8, "9223372036854775808", false},
      {int8, "-9223372036854775808", true},
      {oid, "4294967295", true},
      {oid, "-1", false},
      {kInt4, "", false},
      {kInt4, "-", false},
      {kInt4, "-0", false},
      {kInt4, "007", false},
      {kInt4, "+7", false},
      {kInt4, " 7", false},
      {kInt4, "7 ", false},
      {kInt4, "7.0", false},
      {kInt4, "0x7", false},
      {kInt4, "abc", false},
      {uuid, "00000000-0000-0000-0000-00000000000f", true},
      {uuid, "00000000-0000-0000-0000-00000000000F", false},
      {uuid, "0000000000000000000000000000000f", false},
      {uuid, "{00000000-0000-0000-0000-00000000000f}", false},
      {uuid, "abc", false},
      {kText, "abc", true},
      {kText, "\xff", false},
      {kText, "a\0"sv, false},
      {kBytea, "AP8=", true},
      {kBytea, "AP8", false},
      {{.shape = Shape::kBoolean}, "true", true},
      {{.shape = Shape::kBoolean}, "t", false},
  };
  for (const Case& c : cases) EXPECT_EQ(may_be_plain_text(c.type, c.text), c.possible) << c.text;
}

}  // namespace
}  // namespace forebay::source::postgres
