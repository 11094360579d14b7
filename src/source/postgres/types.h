#pragma once

// PostgreSQL's values as Forebay's, and back.
//
// The server sends text; the column's type says what the text means. As JSON: booleans, integers, floats
// (shortest form that reads back the same) and numeric with every digit, NaN and infinities as strings; json
// and jsonb spliced in; arrays as arrays, nested by dimension; bytea as base64; timestamps as ISO 8601
// (`2026-01-31T12:00:00.5`, with time zone in UTC with a Z), dates and intervals likewise; char(n) without
// its padding; every other type as the text PostgreSQL writes. In the other direction the same forms are
// taken, and PostgreSQL's own where they differ, except that bytea is base64 only, and text that isn't JSON
// becomes a JSON string in a JSON column (one that begins like an object, array or string is refused
// instead).
//
// Pure functions; thread-safe. Linear in the text's length.

#include <libpq-fe.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "forebay/result.h"
#include "forebay/source.h"
#include "source/sql_mapping.h"

namespace forebay::source::postgres {

// What a type's text means.
enum class Shape : std::uint8_t {
  kText,
  kPadded,  // char(n): blanks at the end are not part of the value
  kBoolean,
  kInteger,
  kNumber,  // numeric and floats
  kBytes,
  kJson,
  kTimestamp,
  kTimestampTz,
  kUuid,
};

struct Type {
  Oid oid = 0;                 // what the server calls it in results: of a domain, the type below it
  Shape shape = Shape::kText;  // of the elements, for an array
  bool array = false;
  char delimiter = ',';    // between an array's elements
  std::string cast = {};   // its name as a cast takes it, with nothing that could truncate; empty: not known
  bool has_array = false;  // whether there is a type for arrays of it
  int integer_bytes = 0;   // kInteger: 2, 4 or 8; unsigned and 4 for oid, which has integer_bytes -4
  int float_bytes = 0;     // kNumber: 4 or 8; 0 for numeric
  // Values that are equal have the same plain_text(), under a collation that tells texts apart: not so for
  // numeric (1 = 1.0), floats (0 = -0), intervals, citext and types that are not known.
  bool one_spelling = false;
};

// Whether values of the one type read as those of the other: integers of another size, texts of another name.
bool reads_alike(Oid a, Oid b);

// Shape and size of a built-in type; the rest of the Type is not known here.
Type built_in_type(Oid oid);

// Appends a value as JSON.
void append_json(std::string& out, const Type& type, std::string_view text);

// A value as text, the way a key or a watched column has it: as in JSON, without the quotes of a string.
std::string plain_text(const Type& type, std::string_view text);

// A text or counter namespace's value: as plain_text(), but bytes as they are.
std::string raw_value(const Type& type, std::string_view text);

// What to bind for a value given as JSON would have it. kRefused: it can't be one of this type, whatever the
// database might say (bytes that are not base64, an array that is not one, text with a NUL or that is not
// UTF-8).
Result<std::string> parameter(const Type& type, std::string_view text);
// The same where it is known to have been a JSON string: in a JSON column it stays one, whatever it looks
// like.
Result<std::string> string_parameter(const Type& type, std::string_view text);
// The same for a text namespace's value: bytes as they are.
Result<std::string> raw_parameter(const Type& type, std::string_view text);

// What a column of this type takes, in words, where the database is sure to refuse this text for it; null: it
// may take it. `raw`: as raw_parameter() has it. Without allocations, but for JSON and bytes.
const char* never_takes(const Type& type, std::string_view text, bool raw);

// Dataset::shown() of a value of this type, of a text namespace where `raw`. The server's own: how many
// digits a numeric keeps, dates and times, what jsonb makes of its text, types that have no Shape of their
// own. Of a float it may write more digits, where the fewest are those of a bound of what reads back the
// same.
Shown shown_as(const Type& type, Given given, bool raw, std::string& text);

// How an update sets a column to a text, or to NULL, so that what was read of it can be written back. `known`:
// the text is known to have been a JSON string, or not to.
Take take_of(const Type& type, const OptionalText& text, bool known);

// Whether a key's field can be the plain text of a value of this type. False for a spelling that PostgreSQL
// would take for another ("007" for an integer) and for text that would make it refuse the statement. True
// may still be wrong for types that this side does not know well (well_known() says which): numeric, dates,
// enums.
bool may_be_plain_text(const Type& type, std::string_view text);
bool well_known(const Type& type);

// Appends one element to an array literal under construction ("{" at first; close with "}").
void append_array_element(std::string& literal, const Type& type, std::string_view text);

}  // namespace forebay::source::postgres
