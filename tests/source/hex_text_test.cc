#include "source/hex_text.h"

#include <gtest/gtest.h>

namespace forebay::source {
namespace {

using namespace std::string_literals;

TEST(HexText, BytesComeBackAsTheyWere) {
  for (const std::string& bytes : {""s, "a"s, "\0\xff\x10"s, "\\x"s}) {
    EXPECT_EQ(bytes_of_hex_text(hex_text(bytes)), bytes);
  }
  EXPECT_EQ(hex_text("\0\xff\x10"s), "\\x00ff10");
}

TEST(HexText, AnotherTextIsNone) {
  for (const char* text : {"", "\\", "00", "\\x0", "\\x0g", "\\xFF", "x00"}) {
    EXPECT_EQ(bytes_of_hex_text(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace forebay::source
