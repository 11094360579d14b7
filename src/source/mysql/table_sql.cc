#include "source/mysql/table_sql.h"

#include <fmt/format.h>

#include "source/mysql/catalog.h"

namespace forebay::source::mysql {

std::string TableSql::read_columns() const {
  std::string out;
  const auto add = [&](const std::string& column) { out += (out.empty() ? "" : ", ") + quoted(column); };
  for (const std::string& key : shape_.keys) add(key);
  for (const std::string& column : shape_.columns) add(column);
  if (!shape_.version_column.empty()) add(shape_.version_column);
  return fmt::format("SELECT {} FROM {}", out, quoted(shape_.table));
}

std::string TableSql::where_key() const {
  std::string out;
  for (const std::string& key : shape_.keys)
    out += fmt::format("{}{} = ?", out.empty() ? "" : " AND ", quoted(key));
  return out;
}

// With several columns as alternatives, of which each is a range of the index: a list of row values is not one
// everywhere.
std::string TableSql::read(std::size_t keys) const {
  std::string out = read_columns() + " WHERE ";
  if (shape_.keys.size() == 1) {
    out += quoted(shape_.keys.front()) + " IN (";
    for (std::size_t i = 0; i < keys; ++i) out += i == 0 ? "?" : ", ?";
    return out + ")";
  }
  for (std::size_t i = 0; i < keys; ++i) out += fmt::format("{}({})", i == 0 ? "" : " OR ", where_key());
  return out;
}

std::string TableSql::lock() const {
  return fmt::format("{} WHERE {} FOR UPDATE", read_columns(), where_key());
}

std::string TableSql::raised_version() const {
  if (shape_.version_column.empty()) return {};
  const std::string version = quoted(shape_.version_column);
  return fmt::format("{0} = COALESCE({0}, 0) + 1", version);
}

std::string TableSql::insert(std::span<const std::string> columns) const {
  std::string names;
  std::string values;
  const auto add = [&](const std::string& column, const char* value) {
    names += (names.empty() ? "" : ", ") + quoted(column);
    values += fmt::format("{}{}", values.empty() ? "" : ", ", value);
  };
  for (const std::string& key : shape_.keys) add(key, "?");
  for (const std::string& column : columns) add(column, "?");
  if (!shape_.version_column.empty() && !shape_.version_has_default) add(shape_.version_column, "1");
  return fmt::format("INSERT INTO {} ({}) VALUES ({})", quoted(shape_.table), names, values);
}

std::string TableSql::update(std::span<const std::string> columns) const {
  std::string set = raised_version();
  for (const std::string& column : columns)
    set += fmt::format("{}{} = ?", set.empty() ? "" : ", ", quoted(column));
  if (set.empty()) return set;
  return fmt::format("UPDATE {} SET {} WHERE {}", quoted(shape_.table), set, where_key());
}

std::string TableSql::add(std::string_view column, std::string_view amount) const {
  const std::string name = quoted(column);
  const std::string version = raised_version();
  return fmt::format("UPDATE {} SET {}{}{} = COALESCE({}, 0) + {} WHERE {}", quoted(shape_.table), version,
                     version.empty() ? "" : ", ", name, name, amount, where_key());
}

std::string TableSql::remove() const {
  return fmt::format("DELETE FROM {} WHERE {}", quoted(shape_.table), where_key());
}

}  // namespace forebay::source::mysql
