#include "base/row_json.h"

#include <gtest/gtest.h>

#include <string>

namespace forebay {
namespace {

using namespace std::string_view_literals;

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

std::string base64(std::string_view bytes) {
  std::string out;
  append_base64(out, bytes);
  return out;
}

TEST(RowJson, TextIsEscapedAndStaysJson) {
  EXPECT_EQ(json_string("plain"), "\"plain\"");
  EXPECT_EQ(json_string("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
  EXPECT_EQ(json_string("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"");
  EXPECT_EQ(json_string("\0\x1f\x7f"sv), "\"\\u0000\\u001f\x7f\"");
  EXPECT_EQ(json_string("żółw 🐢"), "\"żółw 🐢\"");
  for (int c = 0; c < 256; ++c) EXPECT_TRUE(is_json(json_string(std::string(3, static_cast<char>(c))))) << c;
}

TEST(RowJson, EveryLongestIllFormedPieceBecomesOneReplacementCharacter) {
  const std::string r = "\xEF\xBF\xBD";
  struct Case {
    std::string_view text;
    std::string expected;
  };
  const Case cases[] = {
      {"a\xffz", "a" + r + "z"},
      {"\x80\xbf", r + r},
      {"\xc0\xaf", r + r},  // an overlong slash
      {"\xe2\x82", r},      // a euro sign cut short
      {"\xe2\x82z", r + "z"},
      {"\xe2\x28\xa1", r + "(" + r},
      {"\xed\xa0\x80", r + r + r},  // a surrogate
      {"\xf0\x9f\x90\xa2", "🐢"},
      {"\xf0\x9f\x90", r},
      {"\xf0\x80\x80\x80", r + r + r + r},  // overlong
      {"\xf4\x90\x80\x80", r + r + r + r},  // beyond U+10FFFF
      {"\xf5\x80", r + r},
      // The example of Unicode's table 3-11.
      {"\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64", "a" + r + r + r + "b" + r + "c" + r + r + "d"},
  };
  for (const Case& c : cases) EXPECT_EQ(json_string(c.text), "\"" + c.expected + "\"") << c.text;
}

TEST(RowJson, ARowKeepsItsNumbersDigitForDigit) {
  RowJson row;
  row.number("id", "9007199254740993");
  row.number("price", "0.10000000000000000000000000000000000000001");
  row.number("nan", "NaN");
  row.number("inf", "-Infinity");
  row.number("zeros", "007");
  row.number("exponent", "1.5e+300");
  row.null("none");
  row.boolean("on", true);
  row.text("name", "a\"b");
  row.bytes("blob", "\x00\xff"sv);
  row.json("doc", R"({"b": [1.10, null]})");
  row.json("broken", "{nope");
  EXPECT_EQ(row.take(),
            R"({"id":9007199254740993,"price":0.10000000000000000000000000000000000000001,"nan":"NaN",)"
            R"("inf":"-Infinity","zeros":"007","exponent":1.5e+300,"none":null,"on":true,"name":"a\"b",)"
            R"("blob":"AP8=","doc":{"b": [1.10, null]},"broken":"{nope"})");
  EXPECT_EQ(row.take(), "{}");
}

TEST(RowJson, FieldsComeBackAsTextWithNothingLost) {
  auto fields = fields_of_row(
      " {\"id\": 9007199254740993, \"big\":123456789012345678901234567890.5, \"tiny\":-1.0E-7, "
      "\"s\":\"a\\u0000\\u017c\\\"\", "
      "\"t\":true, \"f\":false, \"n\":null, \"doc\": {\"k\\n\":[1, {\"x\":[]}, {}, \"y\\\"\", null, true, "
      "1.10]}, \"list\":[[1,2],[3]], "
      "\"\":\"\"} ");
  ASSERT_TRUE(fields.has_value());
  const Fields expected = {
      {"id", "9007199254740993"},
      {"big", "123456789012345678901234567890.5"},
      {"tiny", "-1.0E-7"},
      {"s", std::string("a\0\xc5\xbc\"", 5)},
      {"t", "true"},
      {"f", "false"},
      {"n", std::nullopt},
      {"doc", "{\"k\\n\":[1,{\"x\":[]},{},\"y\\\"\",null,true,1.10]}"},
      {"list", "[[1,2],[3]]"},
      {"", ""},
  };
  EXPECT_EQ(*fields, expected);
  EXPECT_TRUE(fields_of_row("{}")->empty());
}

TEST(RowJson, WhichFieldsWereStringsIsToldApart) {
  std::vector<bool> strings;
  ASSERT_TRUE(
      fields_of_row(R"({"a":"12","b":12,"c":["x"],"d":{"e":"f"},"g":null,"h":"","i":true})", &strings));
  EXPECT_EQ(strings, (std::vector<bool>{true, false, false, false, false, true, false}));
}

TEST(RowJson, LongStringsAndNumbersArriveWhole) {
  const std::string text(100'000, 'x');
  const std::string digits(5'000, '7');
  auto fields = fields_of_row("{\"" + text + "\":\"" + text + "\\n" + text + "\",\"n\":" + digits + "}");
  ASSERT_TRUE(fields.has_value());
  EXPECT_EQ((*fields)[0].first, text);
  EXPECT_EQ((*fields)[0].second, text + "\n" + text);
  EXPECT_EQ((*fields)[1].second, digits);
}

TEST(RowJson, RefusesWhatIsNoRow) {
  for (const std::string_view wrong : {"",
                                       " ",
                                       "1",
                                       "\"a\"",
                                       "null",
                                       "true",
                                       "[]",
                                       "[{\"a\":1}]",
                                       "{",
                                       "{\"a\"}",
                                       "{\"a\":}",
                                       "{\"a\":1,}",
                                       "{\"a\":1}}",
                                       "{\"a\":1} x",
                                       "{'a':1}",
                                       "{\"a\":01}",
                                       "{\"a\":NaN}",
                                       "{\"a\":\"\xff\"}",
                                       "{\"a\":1 /* c */}",
                                       "{\"a\":1,\"\\u0061\":2}"}) {
    auto fields = fields_of_row(wrong);
    ASSERT_FALSE(fields.has_value()) << wrong;
    EXPECT_EQ(fields.error().code, ErrorCode::kInvalidArgument);
  }
  std::string deep = "{\"a\":";
  for (int i = 0; i < 100'000; ++i) deep += '[';
  EXPECT_FALSE(fields_of_row(deep).has_value());
}

TEST(RowJson, OneFieldIsFoundWithoutTheRest) {
  const std::string_view row = R"({"id":7,"name":null,"doc":{"id":8},"s":"x"})";
  EXPECT_EQ(**field_of_row(row, "id"), OptionalText("7"));
  EXPECT_EQ(**field_of_row(row, "name"), OptionalText());
  EXPECT_EQ(**field_of_row(row, "doc"), OptionalText(R"({"id":8})"));
  EXPECT_EQ(**field_of_row(row, "s"), OptionalText("x"));
  EXPECT_FALSE(field_of_row(row, "nope")->has_value());
  EXPECT_FALSE(field_of_row("[1]", "id").has_value());
  EXPECT_FALSE(field_of_row("text", "id").has_value());
  EXPECT_FALSE(field_of_row("7", "id").has_value());
}

TEST(RowJson, KnowsJson) {
  for (const std::string_view good : {"1", " 1 ", "\"a\"", "null", "[1,2]", "{\"a\":{}}", "1e999", "-0"}) {
    EXPECT_TRUE(is_json(good)) << good;
  }
  for (const std::string_view bad :
       {"", "a", "1 2", "{a:1}", "[1,]", "\"\xff\"", "01", "+1", ".5", "'a'", "nul"}) {
    EXPECT_FALSE(is_json(bad)) << bad;
  }
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(is_json(nested(kJsonDepthMax)));
  EXPECT_FALSE(is_json(nested(kJsonDepthMax + 1)));
}

TEST(RowJson, KnowsUtf8) {
  for (const std::string_view good : {"", "plain", "żółw 🐢", "\x7f", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  for (const std::string_view bad :
       {"\x80", "a\xff", "\xc0\xaf", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80"}) {
    EXPECT_FALSE(is_utf8(bad)) << bad;
  }
}

TEST(RowJson, Base64GoesBothWays) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("\xfb\xff\xbf"), "+/+/");
  std::string all;
  for (int i = 0; i < 256; ++i) {
    all += static_cast<char>(i);
    EXPECT_EQ(decode_base64(base64(all)), all);
  }
  for (const std::string_view bad :
       {"Z", "Zg", "Zg=", "Zg===", "====", "Zh==", "Zm9=", "Z===", "Zm 9", "Zg==Zg==", "Zm-_"}) {
    EXPECT_EQ(decode_base64(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace forebay
