#pragma once

// One column's value between SQLite and Forebay: as text, as JSON, and back into a parameter.
//
// SQLite types values, not columns, so what a value becomes follows from its own type, with the column's
// declared type deciding only what that leaves open: JSON or plain text, base64 or plain text on the way in.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/row_json.h"
#include "source/sql_mapping.h"
#include "source/sqlite/connection.h"

namespace forebay::source::sqlite {

enum class ColumnKind : std::uint8_t {
  kPlain,
  kJson,   // declared JSON or JSONB: text that holds JSON is spliced in
  kBytes,  // declared BLOB (or bytea, binary, varbinary): takes base64 in a row
  kBool,   // declared BOOL or BOOLEAN: takes true and false for 1 and 0
};
ColumnKind kind_of(std::string_view declared_type);
// What a column makes of a text that is stored in it ("Datatypes In SQLite", section 3).
enum class Affinity : std::uint8_t {
  kNone,
  kText,
  kInteger,  // as kNumeric
  kReal,
  kNumeric,
};
Affinity affinity_of(std::string_view declared_type, bool strict);
// Of numbers with a fraction, NUMERIC and DECIMAL included.
bool is_fraction_type(std::string_view declared_type);
bool is_integer_type(std::string_view declared_type);

// What SQLite is sure to refuse in a column, whatever its constraints say.
enum class ColumnTakes : std::uint8_t {
  kAnything,
  kIntegers,  // a STRICT table's INTEGER
  kNumbers,   // a STRICT table's REAL
  kRowId,     // INTEGER PRIMARY KEY: 64 bits
};

struct Column {
  std::string name;
  ColumnKind kind = ColumnKind::kPlain;
  Affinity affinity = Affinity::kNone;
  bool writable = true;  // false: generated
  bool not_null = false;
  ColumnTakes takes = ColumnTakes::kAnything;
  // What is declared, for counters: SQLite itself would hold anything.
  bool fraction = false;
};

// Of a column of a STRICT table.
ColumnTakes strict_column_takes(std::string_view declared_type);

// A real as column_text() gives it.
std::string real_text(double value);

// The value as text: integers in decimal, reals in the shortest form that reads back as the same number and
// always with a '.' or an exponent, text and blobs byte for byte. Nothing: NULL. Keys are compared in this
// form.
OptionalText column_text(const Statement& row, int column);

// Appends it to a row's JSON.
void append_column(RowJson& row_json, const Statement& row, int column, std::string_view name,
                   ColumnKind kind);
// The same without a name, text that holds JSON spliced in: for queries of one column.
void append_value(std::string& json, const Statement& row, int column);

// How an update sets a column to a text, or to NULL, so that what was read of it can be written back. `known`:
// the text is known to have been a JSON string, or not to.
Take take_of(const Column& column, const OptionalText& value, bool known);

// Binds what a client gave for a column of a row. kInvalidArgument: bytes that aren't base64. `decoded` keeps
// what a parameter points to and must live as long as the statement's use.
Result<void> bind_field(Statement& statement, int parameter, const Column& column, const OptionalText& value,
                        std::string& decoded);
// Binds a key's field or a text namespace's value, byte for byte.
void bind_raw(Statement& statement, int parameter, ColumnKind kind, std::string_view bytes);

// Dataset::shown() of what bind_field() or, with `raw`, bind_raw() stores, or of a number. A real may be the
// next one to what SQLite makes of its text, which does not always round right.
Shown shown_as(const Column& column, Given given, bool raw, std::string& text);

}  // namespace forebay::source::sqlite
