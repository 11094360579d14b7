#include "source/mysql/table_rows.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/decimal.h"
#include "base/row_json.h"

namespace forebay::source::mysql {
namespace {

// CHAR comes without its padding, and is then a text like any other.
bool reads_alike(const Type& a, Type b) {
  if (b.shape == Shape::kPadded) b.shape = Shape::kText;
  return a == b;
}

}  // namespace

TableRows::TableRows(DatasetSpec spec, Table table, TableShape shape)
    : spec_(std::move(spec)), table_(std::move(table)), by_name_(table_.columns), sql_(std::move(shape)) {
  for (const std::string& key : sql_.shape().keys) key_types_.push_back(table_.column(key)->type);
  for (const std::string& column : sql_.shape().columns) columns_.push_back(table_.column(column));
}

bool TableRows::are_ours(const Rows& rows) const {
  std::size_t at = 0;
  const auto is_of = [&](const std::string& name) {
    return at < rows.fields.size() && reads_alike(rows.fields[at++].type, table_.column(name)->type);
  };
  return std::ranges::all_of(sql_.shape().keys, is_of) && std::ranges::all_of(sql_.shape().columns, is_of);
}

KeyFields TableRows::key_of(const Rows& rows, std::size_t row) const {
  KeyFields fields;
  for (std::size_t f = 0; f < key_types_.size(); ++f)
    fields.push_back(plain_text(key_types_[f], rows.cell(row, f)));
  return fields;
}

Loaded TableRows::loaded_row(const Rows& rows, std::size_t row) const {
  Loaded loaded;
  std::size_t at = key_types_.size();
  if (spec_.kind == ValueKind::kJson) {
    std::string json = "{";
    for (const Column* column : columns_) {
      if (json.size() > 1) json += ',';
      append_json_string(json, column->name);
      json += ':';
      if (rows.is_null(row, at)) {
        json += "null";
      } else {
        append_json(json, column->type, rows.cell(row, at));
      }
      ++at;
    }
    json += '}';
    loaded.value = std::move(json);
  } else {
    // The value column comes first; watched ones may follow.
    if (!rows.is_null(row, at)) loaded.value = raw_value(columns_.front()->type, rows.cell(row, at));
    if (loaded.value && spec_.kind == ValueKind::kCounter)
      loaded.value = without_trailing_zeros(std::move(*loaded.value));
    at += columns_.size();
  }
  if (!spec_.version_column.empty() && !rows.is_null(row, at)) {
    const std::string_view text = rows.cell(row, at);
    std::from_chars(text.data(), text.data() + text.size(), loaded.version);
  }
  return loaded;
}

OptionalText TableRows::text_of(const Rows& rows, std::size_t row, const Column* column) const {
  const auto found = std::ranges::find(columns_, column);
  const std::size_t at = key_types_.size() + static_cast<std::size_t>(found - columns_.begin());
  if (rows.is_null(row, at)) return std::nullopt;
  return std::string(rows.cell(row, at));
}

OptionalText TableRows::added_text(const Rows& rows, const Column* column) const {
  OptionalText text = text_of(rows, 0, column);
  if (text && spec_.kind == ValueKind::kCounter) text = without_trailing_zeros(std::move(*text));
  return text;
}

Fields TableRows::watched(const Rows& rows, std::size_t row) const {
  Fields fields;
  for (const std::string& name : spec_.watch_columns) {
    const Column* column = table_.column(name);
    OptionalText text = text_of(rows, row, column);
    if (text) text = plain_text(column->type, *text);
    fields.emplace_back(name, std::move(text));
  }
  return fields;
}

}  // namespace forebay::source::mysql
