#include "source/postgres/table_rows.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <utility>

#include "base/decimal.h"
#include "base/row_json.h"

namespace forebay::source::postgres {

TableRows::TableRows(DatasetSpec spec, Table table, TableShape shape)
    : spec_(std::move(spec)),
      table_(std::move(table)),
      by_name_(table_.columns),
      sql_(Dialect::kPostgres, std::move(shape)),
      read_(sql_.read()) {
  for (const std::string& key : sql_.shape().keys) key_types_.push_back(table_.column(key)->type);
  for (const std::string& column : sql_.shape().columns) columns_.push_back(table_.column(column));
}

bool TableRows::are_ours(const ResultPtr& rows) const {
  int at = 0;
  const auto is_of = [&](const std::string& name) {
    return reads_alike(PQftype(rows.get(), at++), table_.column(name)->type.oid);
  };
  return std::ranges::all_of(sql_.shape().keys, is_of) && std::ranges::all_of(sql_.shape().columns, is_of);
}

KeyFields TableRows::key_of(const ResultPtr& rows, int row) const {
  KeyFields fields;
  for (std::size_t f = 0; f < key_types_.size(); ++f) {
    fields.push_back(plain_text(key_types_[f], cell(rows, row, static_cast<int>(f))));
  }
  return fields;
}

Loaded TableRows::loaded_row(const ResultPtr& rows, int row) const {
  Loaded loaded;
  int at = static_cast<int>(key_types_.size());
  if (spec_.kind == ValueKind::kJson) {
    std::string json = "{";
    for (const Column* column : columns_) {
      if (json.size() > 1) json += ',';
      append_json_string(json, column->name);
      json += ':';
      if (is_null(rows, row, at)) {
        json += "null";
      } else {
        append_json(json, column->type, cell(rows, row, at));
      }
      ++at;
    }
    json += '}';
    loaded.value = std::move(json);
  } else {
    // The value column comes first; watched ones may follow.
    if (!is_null(rows, row, at)) loaded.value = raw_value(columns_.front()->type, cell(rows, row, at));
    if (loaded.value && spec_.kind == ValueKind::kCounter)
      loaded.value = without_trailing_zeros(std::move(*loaded.value));
    at += static_cast<int>(columns_.size());
  }
  if (!spec_.version_column.empty() && !is_null(rows, row, at)) {
    const std::string_view text = cell(rows, row, at);
    std::from_chars(text.data(), text.data() + text.size(), loaded.version);
  }
  return loaded;
}

// As text. Requires one of columns_.
OptionalText TableRows::column_text(const ResultPtr& rows, int row, const Column* column) const {
  const auto found = std::ranges::find(columns_, column);
  const int at = static_cast<int>(key_types_.size() + static_cast<std::size_t>(found - columns_.begin()));
  if (is_null(rows, row, at)) return std::nullopt;
  return plain_text(column->type, cell(rows, row, at));
}

OptionalText TableRows::added_text(const ResultPtr& rows, const Column* column) const {
  OptionalText text = column_text(rows, 0, column);
  if (text && spec_.kind == ValueKind::kCounter) text = without_trailing_zeros(std::move(*text));
  return text;
}

Fields TableRows::watched(const ResultPtr& rows, int row) const {
  Fields fields;
  for (const std::string& name : spec_.watch_columns) {
    fields.emplace_back(name, column_text(rows, row, table_.column(name)));
  }
  return fields;
}

OptionalText TableRows::behind_image(const ResultPtr& rows, const Column& column) const {
  const int at = static_cast<int>(key_types_.size() + spec_.watch_columns.size());
  if (is_null(rows, 0, at)) return std::nullopt;
  return plain_text(column.type, cell(rows, 0, at));
}

Fields TableRows::before_image(const ResultPtr& rows) const {
  Fields fields;
  int at = static_cast<int>(key_types_.size());
  for (const std::string& name : spec_.watch_columns) {
    OptionalText text;
    if (!is_null(rows, 0, at)) text = plain_text(table_.column(name)->type, cell(rows, 0, at));
    fields.emplace_back(name, std::move(text));
    ++at;
  }
  return fields;
}

}  // namespace forebay::source::postgres
