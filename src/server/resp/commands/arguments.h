#pragma once

// Reading commands' arguments the way Redis does, down to which texts are numbers.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace forebay::server {

// A signed decimal in the one form in which Redis would print it: no sign `+`, no blanks, no leading zeros,
// no "-0".
std::optional<std::int64_t> parse_integer(std::string_view text);

// What strtold() accepts of the whole text (decimal, exponent, hexadecimal, "inf"), without leading blanks;
// not NaN and not out of range. At most 5 KiB.
std::optional<long double> parse_float(std::string_view text);

// 17 digits after the point, trailing zeros removed: what INCRBYFLOAT stores and answers.
std::string format_float(long double number);

// a + b unless it overflows.
std::optional<std::int64_t> checked_add(std::int64_t a, std::int64_t b);

// Error texts that several commands share.
inline constexpr std::string_view kSyntaxError = "ERR syntax error";
inline constexpr std::string_view kNotAnInteger = "ERR value is not an integer or out of range";
inline constexpr std::string_view kNotAFloat = "ERR value is not a valid float";
inline constexpr std::string_view kNoSuchKey = "ERR no such key";
inline constexpr std::string_view kOutOfMemoryError =
    "OOM command not allowed when used memory > 'maxmemory'.";
inline constexpr std::string_view kStringTooLong =
    "ERR string exceeds maximum allowed size (proto-max-bulk-len)";

}  // namespace forebay::server
