#pragma once

// Writes to the rows of one namespace's table: what is wrong with one before the database is asked, and the
// statements that make it.

#include <string>
#include <vector>

#include "source/row_write.h"
#include "source/sqlite/table_rows.h"

namespace forebay::source::sqlite {

// Thread-safe: nothing changes once it is made.
class TableWriter {
 public:
  // `rows` is borrowed.
  explicit TableWriter(const TableRows& rows);

  // Dataset::validate(). Without allocations, but for an error and where a row's bytes are decoded.
  Result<void> validate(const KeyFields& key, const Write& write) const;
  // Dataset::shown().
  Shown shown(std::string_view name, Given given, std::string& text) const;
  // Whether write() gets as far as the database. For writes of a transaction of their own.
  Result<void> check(const KeyFields& key, const Write& write) const;
  // Applies a write in the transaction that the connection is in.
  Result<Written> write(Connection& connection, const KeyFields& key, const Write& write) const;

 private:
  // A field of a write with the column it goes to. Points into the write and the table's columns.
  struct Assignment {
    const Column* column;
    const OptionalText* value;
    bool known = false;   // whether it was a JSON string is known
    bool string = false;  // and it was
  };
  // A write, checked.
  struct Plan {
    std::vector<Assignment> fields;
    const Column* add_to = nullptr;
  };
  // What the database has of the row.
  struct Existing;

  // The fields of an upsert or an update; null: it is another write.
  static const Fields* fields_of(const Write& write);
  // Calls `set` for each field that sets a column, as WriteCheck does.
  template <class Set>
  Result<void> each_set(const KeyFields& key, const Fields& fields, Set set) const;
  Result<void> possible(const Column& column, const OptionalText& value) const;
  Result<const Column*> add_column(const Add& add) const;
  Result<Plan> plan(const KeyFields& key, const Write& write) const;

  Result<Existing> read_existing(Connection& connection, const KeyFields& key, const Column* add_to) const;
  static bool bind_json(Statement& statement, int parameter, const Assignment& field, std::string& text);
  Result<void> assign(Connection& connection, const KeyFields& key, const std::vector<Assignment>& fields,
                      bool exists) const;
  Result<void> add(Connection& connection, const KeyFields& key, const Add& add, const Column& column,
                   const Existing& before) const;
  Result<void> remove(Connection& connection, const KeyFields& key) const;

  Error mistake(std::string message) const {
    return rows_.at({ErrorCode::kInvalidArgument, std::move(message)});
  }

  const TableRows& rows_;
  const DatasetSpec& spec_;  // the rows'
  const TableSql& sql_;      // the rows'
  const WriteCheck<Column> checks_;
  std::vector<const Column*> key_columns_;
  const Column* counter_ = nullptr;  // kCounter: the value column, if something can be added to it
};

}  // namespace forebay::source::sqlite
