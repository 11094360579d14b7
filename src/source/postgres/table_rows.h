#pragma once

// The rows of one namespace's table: the statements that read and write them, and what a row that comes back
// is to the namespace.

#include <string>
#include <vector>

#include "source/column_index.h"
#include "source/postgres/catalog.h"
#include "source/postgres/result.h"
#include "source/sql_mapping.h"

namespace forebay::source::postgres {

// Thread-safe: nothing changes once it is made.
class TableRows {
 public:
  TableRows(DatasetSpec spec, Table table, TableShape shape);
  TableRows(const TableRows&) = delete;
  TableRows& operator=(const TableRows&) = delete;

  const DatasetSpec& spec() const { return spec_; }
  const TableSql& sql() const { return sql_; }
  const std::string& read() const { return read_; }  // sql().read(), made once
  const std::vector<Type>& key_types() const { return key_types_; }
  const ColumnIndex<Column>& columns() const { return by_name_; }
  Oid table() const { return table_.oid; }
  bool row_security() const { return table_.row_security; }

  // Whether rows of read() or RETURNING are of the columns that this was made of: not after the table has
  // changed.
  bool are_ours(const ResultPtr& rows) const;

  // The key columns, columns and version of a row of read() or RETURNING.
  KeyFields key_of(const ResultPtr& rows, int row) const;
  Loaded loaded_row(const ResultPtr& rows, int row) const;
  Fields watched(const ResultPtr& rows, int row) const;
  // The column that was added to, of the first row.
  OptionalText added_text(const ResultPtr& rows, const Column* column) const;
  // A row of read_for_write(watch_columns).
  Fields before_image(const ResultPtr& rows) const;
  // The column that read_for_write() was asked for behind those, of the first row.
  OptionalText behind_image(const ResultPtr& rows, const Column& column) const;

 private:
  OptionalText column_text(const ResultPtr& rows, int row, const Column* column) const;

  const DatasetSpec spec_;
  const Table table_;
  const ColumnIndex<Column> by_name_;
  const TableSql sql_;
  const std::string read_;
  std::vector<Type> key_types_;
  std::vector<const Column*> columns_;  // those of sql_.shape().columns
};

}  // namespace forebay::source::postgres
