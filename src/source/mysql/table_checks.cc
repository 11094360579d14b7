#include "source/mysql/table_checks.h"

#include <fmt/format.h>

#include <utility>

namespace forebay::source::mysql {
namespace {

Error config(std::string message) {
  return {ErrorCode::kConfig, std::move(message)};
}

Result<const Column*> readable(const Table& table, const std::string& name, std::string_view role) {
  const Column* column = table.column(name);
  if (column == nullptr) return config(fmt::format("there is no column {} ({})", name, role));
  if (!column->readable) return config(fmt::format("the role may not SELECT the column {} ({})", name, role));
  return column;
}

Result<void> check_value(const Table& table, const DatasetSpec& spec) {
  if (spec.kind == ValueKind::kJson) return {};
  auto column = readable(table, spec.value_column, "the value column");
  if (!column) return column.error();
  const Shape shape = (*column)->type.shape;
  const bool number = shape == Shape::kInteger || shape == Shape::kDecimal || shape == Shape::kFloat;
  if (spec.kind == ValueKind::kCounter && !number)
    return config(fmt::format("the value column {} of a counter must be a number", spec.value_column));
  return {};
}

Result<void> check_version(const Table& table, const DatasetSpec& spec) {
  if (spec.version_column.empty()) return {};
  auto column = readable(table, spec.version_column, "the version column");
  if (!column) return column.error();
  if ((*column)->type.shape != Shape::kInteger)
    return config(fmt::format("the version column {} must be an integer", spec.version_column));
  return {};
}

}  // namespace

Result<void> check(const Table& table, const DatasetSpec& spec) {
  for (const std::string& key : spec.key_fields) {
    auto column = readable(table, key, "the key's field");
    if (!column) return column.error();
    if ((*column)->type.shape == Shape::kJson)
      return config(fmt::format("the column {} can't be a key: it holds JSON", key));
  }
  if (auto good = check_value(table, spec); !good) return good;
  if (auto good = check_version(table, spec); !good) return good;
  if (!spec.writable) return {};
  if (!table.plain) return config("only a table can be written, not a view");
  if (!table.may_insert || !table.may_update)
    return config(fmt::format("the role may not {} rows there", table.may_insert ? "UPDATE" : "INSERT"));
  return {};
}

DatasetSpec with_known_columns(DatasetSpec spec, const Table& table) {
  std::erase_if(spec.watch_columns, [&](const std::string& name) {
    const Column* column = table.column(name);
    return column == nullptr || !column->readable;
  });
  return spec;
}

TableShape shape_of(const Table& table, const DatasetSpec& spec) {
  TableShape shape;
  shape.table = table.name;
  shape.keys = spec.key_fields;
  if (spec.kind == ValueKind::kJson) {
    for (const Column& column : table.columns) {
      if (column.readable) shape.columns.push_back(column.name);
    }
  } else {
    shape.columns.push_back(spec.value_column);
    for (const std::string& watched : spec.watch_columns) {
      if (watched != spec.value_column) shape.columns.push_back(watched);
    }
  }
  shape.version_column = spec.version_column;
  shape.version_has_default = !spec.version_column.empty() && table.column(spec.version_column)->has_default;
  return shape;
}

}  // namespace forebay::source::mysql
