#include "base/decimal.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <string_view>

namespace forebay {
namespace {

// What each text is to those who ask: a decimal number (and its parts, as sign|whole|fraction|exponent), an
// integer of 64 bits, an integer as Redis spells it.
struct Row {
  std::string_view text;
  std::string_view decimal;  // empty: none
  bool integer;
  bool canonical;
};

constexpr Row kRows[] = {
    {"0", "+|0||", true, true},
    {"7", "+|7||", true, true},
    {"-7", "-|7||", true, true},
    {"+7", "+|7||", true, false},
    {"007", "+|007||", true, false},
    {"-0", "-|0||", true, false},
    {"00", "+|00||", true, false},
    {"9223372036854775807", "+|9223372036854775807||", true, true},
    {"-9223372036854775808", "-|9223372036854775808||", true, true},
    {"9223372036854775808", "+|9223372036854775808||", false, false},
    {"-9223372036854775809", "-|9223372036854775809||", false, false},
    {"18446744073709551616", "+|18446744073709551616||", false, false},
    {"00000000000000000000007", "+|00000000000000000000007||", true, false},
    {"1.5", "+|1|5|", false, false},
    {"1.", "+|1||", false, false},
    {".5", "+||5|", false, false},
    {"-.50", "-||50|", false, false},
    {"1e3", "+|1||3", false, false},
    {"1E-3", "+|1||-3", false, false},
    {"+1.25e+07", "+|1|25|+07", false, false},
    {"1.e5", "+|1||5", false, false},
    {"1e99999999999999999999", "+|1||99999999999999999999", false, false},
    {"", "", false, false},
    {"+", "", false, false},
    {"-", "", false, false},
    {".", "", false, false},
    {"-.", "", false, false},
    {"e5", "", false, false},
    {".e5", "", false, false},
    {"1e", "", false, false},
    {"1e+", "", false, false},
    {"1e5.0", "", false, false},
    {"1.2.3", "", false, false},
    {"+-1", "", false, false},
    {"--1", "", false, false},
    {"1-", "", false, false},
    {" 1", "", false, false},
    {"1 ", "", false, false},
    {"1 2", "", false, false},
    {"1_000", "", false, false},
    {"1,5", "", false, false},
    {"0x10", "", false, false},
    {"1f", "", false, false},
    {"nan", "", false, false},
    {"inf", "", false, false},
    {std::string_view("1\0", 2), "", false, false},
};

TEST(Decimal, WhatEachTextIs) {
  for (const Row& row : kRows) {
    std::string found;
    if (const auto number = parse_decimal(row.text)) {
      found = number->negative ? "-|" : "+|";
      found.append(number->whole).append("|").append(number->fraction).append("|").append(number->exponent);
      EXPECT_EQ(number->pointed, row.text.find('.') != std::string_view::npos) << row.text;
    }
    EXPECT_EQ(found, row.decimal) << row.text;
    EXPECT_EQ(is_decimal(row.text), !row.decimal.empty()) << row.text;
    EXPECT_EQ(integer_of(row.text).has_value(), row.integer) << row.text;
    EXPECT_EQ(canonical_integer_of(row.text).has_value(), row.canonical) << row.text;
    // What is an integer in several spellings is the same one.
    if (row.canonical) {
      EXPECT_EQ(canonical_integer_of(row.text), integer_of(row.text)) << row.text;
    }
  }
}

TEST(Decimal, IntegersHaveTheirValue) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  for (const std::int64_t number :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1234567890}, kMost, kLeast}) {
    EXPECT_EQ(Digits(number).view(), std::to_string(number));
    EXPECT_EQ(integer_of(Digits(number).view()), number);
    EXPECT_EQ(canonical_integer_of(Digits(number).view()), number);
  }
  EXPECT_EQ(integer_of("+0012"), 12);
  EXPECT_EQ(integer_of("-0012"), -12);
  static_assert(canonical_integer_of("-12") == -12);
}

TEST(Decimal, BlanksAreWhatIsspaceNames) {
  EXPECT_EQ(without_blanks(" \t\n\v\f\r1 2\r "), "1 2");
  EXPECT_EQ(without_blanks(" \t "), "");
  EXPECT_EQ(without_blanks("\xC2\xA0"), "\xC2\xA0");
}

TEST(Decimal, TrailingZerosSayNothing) {
  const auto shown = [](std::string text) { return without_trailing_zeros(std::move(text)); };
  EXPECT_EQ(shown("5.0"), "5");
  EXPECT_EQ(shown("5.50"), "5.5");
  EXPECT_EQ(shown("-0.0"), "0");
  EXPECT_EQ(shown("-0"), "0");
  EXPECT_EQ(shown("500"), "500");
  EXPECT_EQ(shown("5.0e1"), "5.0e1");
  EXPECT_EQ(shown("a.0"), "a.0");
}

}  // namespace
}  // namespace forebay
