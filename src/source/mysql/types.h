#pragma once

// MySQL's values as Forebay's, and back.
//
// A column's type says what its text means. As JSON: integers, YEAR and BIT as numbers, DECIMAL with every digit,
// FLOAT and DOUBLE in the shortest form that reads back the same, JSON spliced in, binary as base64, DATETIME as
// `2026-01-31T12:00:00`, TIMESTAMP (sessions are in UTC) the same with a Z, and with as many digits of a second
// as the column has; every other type as the text that the database writes. In the other direction the same
// forms are taken, and the database's own where they differ, except that binary is base64 only, and text that
// isn't JSON becomes a JSON string in a JSON column.
//
// Pure functions; thread-safe. Linear in the text's length.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "forebay/dataset.h"
#include "forebay/result.h"

namespace forebay::source::mysql {

// What a type's text means.
enum class Shape : std::uint8_t {
  kText,
  kPadded,   // CHAR: blanks at the end are not part of the value
  kInteger,  // also YEAR and BIT
  kDecimal,
  kFloat,
  kBytes,
  kJson,
  kDate,
  kTime,
  kDateTime,
  kTimestamp,  // in UTC
};

struct Type {
  Shape shape = Shape::kText;
  int bytes = 8;             // kInteger: 1, 2, 3, 4 or 8; kFloat: 4 or 8
  bool is_unsigned = false;  // kInteger
  // kDecimal: digits after the point; of times: digits of a second; kInteger: digits that its text must have, as those
  // of YEAR, for which 24 is another spelling of 2024; 0: any.
  int scale = 0;
  bool operator==(const Type&) const = default;
};

// A value to bind. The text of a kDecimal is a number's.
struct Bytes {
  std::string bytes;
};
struct Digits {
  std::string text;
};
using Parameter =
    std::variant<std::monostate, std::string, Bytes, Digits, std::int64_t, std::uint64_t, double>;

// Appends a value as JSON.
void append_json(std::string& out, const Type& type, std::string_view text);
// A value as text, the way a key or a watched column has it: as in JSON, without the quotes of a string.
std::string plain_text(const Type& type, std::string_view text);
// A text or counter namespace's value: as plain_text(), but bytes as they are.
std::string raw_value(const Type& type, std::string_view text);

// What to bind for a value given as JSON would have it. kRefused: it can't be one of this type, whatever the
// database might make of it (the text of a number that is none would be 0).
Result<Parameter> parameter(const Type& type, std::string_view text);
// The same where it is known to have been a JSON string: in a JSON column it stays one, whatever it looks like.
Result<Parameter> string_parameter(const Type& type, std::string_view text);
// The same for a text namespace's value: bytes as they are.
Result<Parameter> raw_parameter(const Type& type, std::string_view text);

// What a column of this type takes, in words, where it can't take this text; null: it may take it. `raw`: as
// raw_parameter() has it. Without allocations, but for JSON, bytes and errors.
const char* never_takes(const Type& type, std::string_view text, bool raw);

// Dataset::shown() of a value of this type, of a text namespace where `raw`.
Shown shown_as(const Type& type, Given given, bool raw, std::string& text);

// Whether a key's field can be the plain text of a value of this type: the database's own spelling, as far as
// this side knows it. A text column may have other collations than this side's bytes; what comes back is
// compared.
bool may_be_plain_text(const Type& type, std::string_view text);

// Whether values that are equal have the same plain_text(), where `text` says that texts do.
bool one_spelling(const Type& type, bool text);

}  // namespace forebay::source::mysql
