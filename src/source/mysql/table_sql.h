#pragma once

// The statements of one table, in MySQL's SQL. Parameters are named by their order only.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "source/sql_mapping.h"

namespace forebay::source::mysql {

class TableSql {
 public:
  // Requires shape.keys to be filled.
  explicit TableSql(TableShape shape) : shape_(std::move(shape)) {}

  const TableShape& shape() const { return shape_; }

  // Reads the rows of so many keys: columns are the keys, then shape.columns, then the version column if there is
  // one. Parameters: each key's fields. Rows come in any order, and once each.
  std::string read(std::size_t keys) const;
  // The same of one key, locked until the transaction ends.
  std::string lock() const;
  // Inserts a row. Parameters: the key's fields, then one a column.
  std::string insert(std::span<const std::string> columns) const;
  // Sets columns of the row. Parameters: one a column, then the key's fields. Empty: there is nothing to set.
  std::string update(std::span<const std::string> columns) const;
  // Adds to a column, NULL being 0. Parameters: the amount, then the key's fields.
  std::string add(std::string_view column, std::string_view amount) const;
  std::string remove() const;

 private:
  std::string read_columns() const;
  std::string where_key() const;
  std::string raised_version() const;

  TableShape shape_;
};

}  // namespace forebay::source::mysql
