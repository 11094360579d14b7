#pragma once

// A row as JSON object text: how a row leaves a database and how a client's row comes in.
//
// Out: numbers keep the digits the database gave, so that nothing is rounded; bytes become base64; a column
// of a JSON type is spliced in as it is; text that is not UTF-8 loses what is not: each longest ill-formed
// piece of it becomes one U+FFFD (the practice recommended in Unicode 15, section 3.9), since JSON has no
// other way to carry it. In: a value's text is what a database takes: strings decoded, numbers digit for
// digit, true and false as words, null as SQL's NULL, nested objects and arrays as compact JSON text.
//
// No state, no I/O; thread-safe as far as their arguments are. Everything is linear in the text's length.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "forebay/source.h"

namespace forebay {

// Deepest nesting of objects and arrays that is accepted as JSON. PostgreSQL itself takes some 6,000 levels; the
// parser's stack takes 80 bytes a level, and several times as much under sanitizers.
inline constexpr std::size_t kJsonDepthMax = 5000;

// Appends `text` as a JSON string with its quotes.
void append_json_string(std::string& out, std::string_view text);

// Whether `text` is exactly one JSON value (RFC 8259, UTF-8, nested no deeper than kJsonDepthMax), blanks
// around it allowed.
bool is_json(std::string_view text);

// Whether `text` is well-formed UTF-8 (Unicode 15, table 3-7).
bool is_utf8(std::string_view text);

// Standard base64 with padding (RFC 4648, section 4).
void append_base64(std::string& out, std::string_view bytes);
// Nothing: not base64. Padding is required, blanks are not allowed, unused bits must be zero: one text per
// byte string.
std::optional<std::string> decode_base64(std::string_view text);

// Builds `{"column":value,…}` column by column, in the order given; the caller sees to it that names differ.
class RowJson {
 public:
  void null(std::string_view column);
  void boolean(std::string_view column, bool value);
  // `digits`: a JSON number as the database wrote it; anything that is none (NaN, Infinity, 0x1) goes in as a
  // string.
  void number(std::string_view column, std::string_view digits);
  void text(std::string_view column, std::string_view value);
  void bytes(std::string_view column, std::string_view value);
  // A JSON value spliced in as it is; text that isn't JSON goes in as a string.
  void json(std::string_view column, std::string_view value);

  // The object; this builder is then empty.
  std::string take();

 private:
  void name(std::string_view column);

  std::string out_;
};

// Appends one value the way RowJson does, without a name: for a query's single column.
void append_json_number(std::string& out, std::string_view digits);
void append_json_value(std::string& out, std::string_view value);  // spliced in if it is JSON, else a string

// The columns of a row given as a JSON object, in its order. kInvalidArgument: not JSON, not an object, or a
// name twice. `strings`: gets one element for each column, true where the value was a JSON string. `depth`:
// of nesting that is accepted, the row's own level included.
Result<Fields> fields_of_row(std::string_view json, std::vector<bool>* strings = nullptr,
                             std::size_t depth = kJsonDepthMax + 1);

// One column of such a row, stopping where it is found (what follows is not checked). Nothing: no such
// column; the inner optional is empty for null. kInvalidArgument: what was read is no JSON object.
Result<std::optional<OptionalText>> field_of_row(std::string_view json, std::string_view column);

}  // namespace forebay
