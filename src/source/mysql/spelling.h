#pragma once

// Scalars as MySQL takes them and as this side writes what it returns.
//
// Pure functions; thread-safe. Linear in the text's length.

#include <optional>
#include <string>
#include <string_view>

namespace forebay::source::mysql {

// The library's compilers have it; ISO C++ has not.
__extension__ using WideInteger = __int128;

// Digits with a minus sign or none, of at most 64 bits and a sign; nothing: the text is none.
std::optional<WideInteger> wide_integer_of(std::string_view text);
// Whether blanks, a sign, digits and blanks are an integer of so many bytes.
bool is_integer_of(std::string_view text, int bytes, bool is_unsigned);
// A decimal number that is finite; nothing: it is none.
std::optional<double> double_of(std::string_view text);

// What is read of a text that was written; what no column takes stays.
std::string integer_text(std::string_view text);
// Of a column with so many digits after the point; what would be rounded, or has an exponent, stays.
std::string decimal_text(std::string_view text, int scale);
// Of 4 or 8 bytes: the shortest that reads back the same.
std::string float_text(std::string_view text, int bytes);
std::string float_text(double value, int bytes);

// As plain_text() writes them, with so many digits of a second. A date may be 0000-00-00, or have zeros in part.
bool is_date(std::string_view text);
bool is_time_of_day(std::string_view text, int scale);
bool is_date_time(std::string_view text, int scale);

}  // namespace forebay::source::mysql
