#pragma once

// The rows of one namespace's table: read by key, in one statement for many keys.

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "source/column_index.h"
#include "source/sqlite/database.h"

namespace forebay::source::sqlite {

// Thread-safe: nothing changes once it is made.
class TableRows {
 public:
  // `database` is borrowed.
  TableRows(Database& database, DatasetSpec spec, std::vector<Column> columns,
            std::vector<ColumnKind> key_kinds, TableShape shape);
  TableRows(const TableRows&) = delete;
  TableRows& operator=(const TableRows&) = delete;

  // How many keys one statement reads; a batch takes the smallest that fits it, with parameters to spare left
  // NULL.
  static constexpr std::array<std::size_t, 4> kListSizes = {1, 8, 64, 512};

  // Whether the statements fit the table as it is. kConfig: they don't.
  Result<void> check(Connection& connection) const;
  // Appends what each key's row is: the one whose key columns are the key byte for byte; other spellings of
  // equal values are passed over. Requires at most kListSizes.back() keys.
  Result<void> read(Connection& connection, std::span<const KeyFields> keys, std::vector<Loaded>& out) const;

  // `n`: its place in a list of keys.
  void bind_key(Statement& statement, const KeyFields& key, std::size_t n = 0) const;
  // Whether the row that a statement is at, whose first columns are the key's, has this key.
  bool has_key(const Statement& row, const KeyFields& key) const;

  Database& database() const { return database_; }
  const DatasetSpec& spec() const { return spec_; }
  const TableSql& sql() const { return sql_; }
  std::size_t key_count() const { return key_kinds_.size(); }
  ColumnKind key_kind(std::size_t place) const { return key_kinds_[place]; }
  const ColumnIndex<Column>& columns() const { return by_name_; }

  // Puts the table and the namespace to an error's message, and the source where it has none.
  Error at(Error error) const;
  Error at_source(Error error) const;

 private:
  Loaded row_value(const Statement& row) const;

  Database& database_;
  const DatasetSpec spec_;
  const std::vector<Column> columns_;  // the table's, in its order
  const ColumnIndex<Column> by_name_;
  const std::vector<ColumnKind> key_kinds_;
  const TableSql sql_;
  const std::array<std::string, kListSizes.size()> reads_;  // sql_.read() of each list size
};

}  // namespace forebay::source::sqlite
