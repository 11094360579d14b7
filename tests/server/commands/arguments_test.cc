#include "server/resp/commands/arguments.h"

#include <gtest/gtest.h>

#include <limits>

namespace forebay::server {
namespace {

TEST(Arguments, IntegersAreWhatRedisPrints) {
  EXPECT_EQ(parse_integer("0"), 0);
  EXPECT_EQ(parse_integer("-1"), -1);
  EXPECT_EQ(parse_integer("9223372036854775807"), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(parse_integer("-9223372036854775808"), std::numeric_limits<std::int64_t>::min());
}

TEST(Arguments, OtherSpellingsAreNoIntegers) {
  for (const char* text :
       {"", "-", "+1", "01", "-0", "00", " 1", "1 ", "1.0", "1e3", "0x10", "--1", "1a", "9223372036854775808",
        "-9223372036854775809", "92233720368547758070", "18446744073709551616", "999999999999999999999"}) {
    EXPECT_EQ(parse_integer(text), std::nullopt) << text;
  }
}

TEST(Arguments, FloatsAreWhatStrtoldTakesWhole) {
  EXPECT_EQ(parse_float("3.5"), 3.5L);
  EXPECT_EQ(parse_float("-1e3"), -1000.0L);
  EXPECT_EQ(parse_float("0x10"), 16.0L);
  EXPECT_EQ(parse_float("inf"), std::numeric_limits<long double>::infinity());
  for (const char* text : {"", " 1", "1 ", "1a", "nan", "1e5000", "abc", "1,5"}) {
    EXPECT_EQ(parse_float(text), std::nullopt) << text;
  }
  EXPECT_EQ(parse_float(std::string_view("1\0", 2)), std::nullopt);
  EXPECT_EQ(parse_float(std::string(6000, '1')), std::nullopt);
}

TEST(Arguments, FloatsArePrintedWithoutTrailingZerosOrExponent) {
  EXPECT_EQ(format_float(3.0L), "3");
  EXPECT_EQ(format_float(10.6L), "10.6");
  EXPECT_EQ(format_float(0.1L + 0.2L), "0.3");
  EXPECT_EQ(format_float(-0.0L), "0");
  EXPECT_EQ(format_float(1e17L), "100000000000000000");
  EXPECT_EQ(format_float(3.0e3L), "3000");
  EXPECT_EQ(format_float(1e-20L), "0");
}

TEST(Arguments, AdditionNoticesOverflow) {
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(checked_add(kMost - 1, 1), kMost);
  EXPECT_EQ(checked_add(kMost, 1), std::nullopt);
  EXPECT_EQ(checked_add(std::numeric_limits<std::int64_t>::min(), -1), std::nullopt);
}

}  // namespace
}  // namespace forebay::server
