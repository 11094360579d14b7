#pragma once

// The rows of one namespace's table: the statements that read and write them, and what a row that comes back is
// to the namespace.

#include <string>
#include <vector>

#include "source/column_index.h"
#include "source/mysql/catalog.h"
#include "source/mysql/rows.h"
#include "source/mysql/table_sql.h"

namespace forebay::source::mysql {

// Thread-safe: nothing changes once it is made.
class TableRows {
 public:
  TableRows(DatasetSpec spec, Table table, TableShape shape);
  TableRows(const TableRows&) = delete;
  TableRows& operator=(const TableRows&) = delete;

  const DatasetSpec& spec() const { return spec_; }
  const TableSql& sql() const { return sql_; }
  const std::vector<Type>& key_types() const { return key_types_; }
  const ColumnIndex<Column>& columns() const { return by_name_; }
  const TableName& table() const { return table_.name; }

  // Whether rows of TableSql::read() are of the columns that this was made of: not after the table has changed.
  bool are_ours(const Rows& rows) const;

  // Of a row of TableSql::read().
  KeyFields key_of(const Rows& rows, std::size_t row) const;
  Loaded loaded_row(const Rows& rows, std::size_t row) const;
  Fields watched(const Rows& rows, std::size_t row) const;
  // The column that was added to.
  OptionalText added_text(const Rows& rows, const Column* column) const;
  // As the database has it; nothing for NULL. Requires a column that is read.
  OptionalText text_of(const Rows& rows, std::size_t row, const Column* column) const;

 private:
  const DatasetSpec spec_;
  const Table table_;
  const ColumnIndex<Column> by_name_;
  const TableSql sql_;
  std::vector<Type> key_types_;
  std::vector<const Column*> columns_;  // those of sql_.shape().columns
};

}  // namespace forebay::source::mysql
