#pragma once

// Values of the binary log's rows, from their bytes to the text that the MySQL source gives them.
//
// Pure functions; thread-safe. Linear in a value's length. Nothing: the bytes are no such value, or what it is called is
// not known for sure.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace forebay::feed::mysql {

// The log's numbers of types (enum_field_types, and MariaDB's own).
namespace type {
enum : std::uint8_t {
  kTiny = 1,
  kShort = 2,
  kLong = 3,
  kFloat = 4,
  kDouble = 5,
  kNull = 6,
  kTimestamp = 7,
  kLongLong = 8,
  kInt24 = 9,
  kDate = 10,
  kTime = 11,
  kDateTime = 12,
  kYear = 13,
  kNewDate = 14,
  kVarchar = 15,
  kBit = 16,
  kTimestamp2 = 17,
  kDateTime2 = 18,
  kTime2 = 19,
  kBlobCompressed = 140,
  kVarcharCompressed = 141,
  kVector = 242,
  kJson = 245,
  kDecimal = 246,
  kEnum = 247,
  kSet = 248,
  kTinyBlob = 249,
  kMediumBlob = 250,
  kLongBlob = 251,
  kBlob = 252,
  kVarString = 253,
  kString = 254,
  kGeometry = 255,
};
}  // namespace type

// How a column's texts are written.
enum class Letters : std::uint8_t {
  kUtf8,
  kAscii,  // as ASCII where they are; others are not read
  kUnknown,
};

using Value = std::optional<std::string>;

Value integer_value(std::string_view bytes, bool is_unsigned);
Value year_value(std::string_view bytes);
Value bits_value(std::string_view bytes);
Value float_value(std::string_view bytes);  // of 4 or 8 bytes
Value date_value(std::string_view bytes);
// With so many digits of a second.
Value time_value(std::string_view bytes, std::size_t digits);
Value date_time_value(std::string_view bytes, std::size_t digits);
Value timestamp_value(std::string_view bytes, std::size_t digits);
// `padded`: blanks at the end are not part of it.
Value letters_value(std::string_view bytes, Letters letters, bool padded);
// In base64. The log leaves out zeros at the end of a BINARY(length); 0: another type.
Value bytes_value(std::string_view bytes, std::uint64_t length);
Value enum_value(std::string_view bytes, const std::vector<std::string>& words);
Value set_value(std::string_view bytes, const std::vector<std::string>& words);

// Of a DECIMAL(precision, scale). Nothing: there is no such type.
std::optional<std::size_t> decimal_bytes(std::size_t precision, std::size_t scale);
Value decimal_value(std::string_view bytes, std::size_t precision, std::size_t scale);

}  // namespace forebay::feed::mysql
