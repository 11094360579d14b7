#include "source/sqlite/column.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

namespace forebay::source::sqlite {
namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

}  // namespace

bool is_number(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  std::size_t at = 0;
  const auto sign = [&] { at += at < text.size() && (text[at] == '+' || text[at] == '-') ? 1 : 0; };
  const auto digits = [&] {
    const std::size_t from = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at - from;
  };
  sign();
  std::size_t count = digits();
  if (at < text.size() && text[at] == '.') {
    ++at;
    count += digits();
  }
  if (count == 0) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    sign();
    if (digits() == 0) return false;
  }
  return at == text.size();
}

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

bool has_integer_affinity(std::string_view declared_type) {
  return upper(declared_type).find("INT") != std::string::npos;
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

}  // namespace forebay::source::sqlite
