#include "source/sqlite/column.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/decimal.h"

namespace forebay::source::sqlite {
namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

// A decimal's text as it is read from a column of this affinity.
std::string stored_number(Affinity affinity, std::string_view text) {
  text = without_blanks(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto read = [&](auto& number) {
    const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), number);
    return end == text.data() + text.size() ? wrong : std::errc::invalid_argument;
  };
  std::int64_t integer = 0;
  double real = 0;
  const bool whole = read(integer) == std::errc();
  if (whole && affinity != Affinity::kReal) return std::to_string(integer);
  if (whole) {
    real = static_cast<double>(integer);
  } else if (read(real) == std::errc::result_out_of_range) {
    const bool small = text.find("e-") != std::string_view::npos || text.find("E-") != std::string_view::npos;
    if (!small) real = std::numeric_limits<double>::infinity();
    if (text.starts_with('-')) real = -real;
  }
  // A whole number is stored as an integer where it is one of 64 bits.
  constexpr double kIntegers = 9223372036854775808.0;
  const bool fits = std::trunc(real) == real && real > -kIntegers && real < kIntegers;
  if (fits && affinity != Affinity::kReal) return std::to_string(static_cast<std::int64_t>(real));
  return real_text(real == 0 ? 0 : real);  // there is no -0.0 any more
}

}  // namespace

std::string real_text(double value) {
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  std::array<char, 32> buffer;
  const auto written = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  std::string text(buffer.data(), written.ptr);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

ColumnKind kind_of(std::string_view declared_type) {
  const std::string type = upper(declared_type);
  if (type.starts_with("JSON")) return ColumnKind::kJson;
  if (type.starts_with("BOOL")) return ColumnKind::kBool;
  if (type.find("BLOB") != std::string::npos || type.find("BINARY") != std::string::npos || type == "BYTEA") {
    return ColumnKind::kBytes;
  }
  return ColumnKind::kPlain;
}

Affinity affinity_of(std::string_view declared_type, bool strict) {
  const std::string type = upper(declared_type);
  const auto has = [&](std::string_view part) { return type.find(part) != std::string::npos; };
  if (has("INT")) return Affinity::kInteger;
  if (has("CHAR") || has("CLOB") || has("TEXT")) return Affinity::kText;
  if (has("BLOB") || type.empty()) return Affinity::kNone;
  if (has("REAL") || has("FLOA") || has("DOUB")) return Affinity::kReal;
  return strict && type == "ANY" ? Affinity::kNone : Affinity::kNumeric;
}

bool is_fraction_type(std::string_view declared_type) {
  const std::string type = upper(declared_type);
  if (type.find("INT") != std::string::npos) return false;
  for (const char* name : {"REAL", "FLOA", "DOUB", "NUMERIC", "DECIMAL"}) {
    if (type.find(name) != std::string::npos) return true;
  }
  return false;
}

bool is_integer_type(std::string_view declared_type) {
  return upper(declared_type) == "INTEGER";
}

ColumnTakes strict_column_takes(std::string_view declared_type) {
  const std::string type = upper(declared_type);
  if (type == "INT" || type == "INTEGER") return ColumnTakes::kIntegers;
  return type == "REAL" ? ColumnTakes::kNumbers : ColumnTakes::kAnything;
}

OptionalText column_text(const Statement& row, int column) {
  switch (row.type(column)) {
    case SQLITE_NULL:
      return std::nullopt;
    case SQLITE_INTEGER:
      return std::to_string(row.integer(column));
    case SQLITE_FLOAT:
      return real_text(row.real(column));
    default:
      return std::string(row.bytes(column));
  }
}

void append_column(RowJson& row_json, const Statement& row, int column, std::string_view name,
                   ColumnKind kind) {
  switch (row.type(column)) {
    case SQLITE_NULL:
      row_json.null(name);
      break;
    case SQLITE_INTEGER:
      row_json.number(name, std::to_string(row.integer(column)));
      break;
    case SQLITE_FLOAT:
      row_json.number(name, real_text(row.real(column)));
      break;
    case SQLITE_BLOB:
      row_json.bytes(name, row.bytes(column));
      break;
    default:
      if (kind == ColumnKind::kJson) {
        row_json.json(name, row.bytes(column));
      } else {
        row_json.text(name, row.bytes(column));
      }
  }
}

void append_value(std::string& json, const Statement& row, int column) {
  switch (row.type(column)) {
    case SQLITE_NULL:
      json += "null";
      break;
    case SQLITE_INTEGER:
      json += std::to_string(row.integer(column));
      break;
    case SQLITE_FLOAT:
      append_json_number(json, real_text(row.real(column)));
      break;
    case SQLITE_BLOB:
      json += '"';
      append_base64(json, row.bytes(column));
      json += '"';
      break;
    default:
      append_json_value(json, row.bytes(column));
  }
}

Take take_of(const Column& column, const OptionalText& value, bool known) {
  if (column.kind != ColumnKind::kJson) return {};
  if (!value) return {column.not_null ? Take::How::kAsItIs : Take::How::kUnlessNull};
  return {known ? Take::How::kAsItIs : Take::How::kUnlessSameString};
}

Result<void> bind_field(Statement& statement, int parameter, const Column& column, const OptionalText& value,
                        std::string& decoded) {
  if (!value) {
    statement.bind_null(parameter);
    return {};
  }
  if (column.kind == ColumnKind::kBytes) {
    auto bytes = decode_base64(*value);
    if (!bytes) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("column {} holds bytes: give them as base64", column.name)};
    }
    decoded = std::move(*bytes);
    statement.bind_blob(parameter, decoded);
  } else if (column.kind == ColumnKind::kBool && (*value == "true" || *value == "false")) {
    statement.bind_integer(parameter, *value == "true" ? 1 : 0);
  } else {
    statement.bind_text(parameter, *value);
  }
  return {};
}

void bind_raw(Statement& statement, int parameter, ColumnKind kind, std::string_view bytes) {
  if (kind == ColumnKind::kBytes) {
    statement.bind_blob(parameter, bytes);
  } else {
    statement.bind_text(parameter, bytes);
  }
}

Shown shown_as(const Column& column, Given given, bool raw, std::string& text) {
  if (column.kind == ColumnKind::kJson && given == Given::kJsonString && !raw) return Shown::kString;
  bool number = given == Given::kSum;
  if (column.kind == ColumnKind::kBytes && !number) {
    if (given != Given::kKey || raw) return Shown::kString;
    std::string bytes;
    append_base64(bytes, text);
    text = std::move(bytes);
    return Shown::kString;
  }
  if (column.kind == ColumnKind::kBool && given != Given::kKey && !raw &&
      (text == "true" || text == "false")) {
    text = text == "true" ? "1" : "0";
    number = true;
  }
  switch (column.affinity) {
    case Affinity::kNone:
      break;
    case Affinity::kText:
      number = false;
      break;
    case Affinity::kInteger:
    case Affinity::kReal:
    case Affinity::kNumeric:
      number = is_decimal(without_blanks(text));
      if (number) text = stored_number(column.affinity, text);
  }
  const bool json = number || (column.kind == ColumnKind::kJson && is_json(text));
  return json ? Shown::kJson : Shown::kString;
}

}  // namespace forebay::source::sqlite
