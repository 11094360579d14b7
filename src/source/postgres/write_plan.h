#pragma once

// What a write to a row becomes: checked before the database is asked, and in the database's terms.

#include <string>
#include <vector>

#include "source/postgres/table_rows.h"
#include "source/row_write.h"

namespace forebay::source::postgres {

// What a write does, checked and in the database's terms.
struct Change {
  std::vector<std::string> columns;      // set in a row that exists and given to one that is created
  std::vector<OptionalText> parameters;  // the key's fields, then one a column
  std::string statement;                 // for a row that exists
  bool create = false;
  bool remove = false;
  bool insert = false;  // the row must not exist
  const Column* added = nullptr;
  bool whole = false;  // what is added is an integer
  // A write with a condition, and the column that is to be looked at for it.
  std::optional<Write> conditional = {};
  const Column* judged = nullptr;
};

// Whether a text is digits with a sign before them; with `fraction` also a point and an exponent.
bool is_number(std::string_view text, bool fraction);

// Plans the writes of one namespace. Errors don't say yet where. Thread-safe: nothing changes once it is
// made.
class WritePlanner {
 public:
  // `rows` is borrowed.
  explicit WritePlanner(const TableRows& rows);

  // Dataset::validate(). Without allocations, but for an error and where never_takes() needs them.
  Result<void> validate(const KeyFields& key, const Write& write) const;
  // Dataset::shown().
  Shown shown(std::string_view name, Given given, std::string& text) const;
  Result<Change> plan(const KeyFields& key, const Write& write) const;

 private:
  // The fields of an upsert or an update, and what Upsert says of them; null: it is another write.
  struct Named {
    const Fields* fields = nullptr;
    const std::vector<bool>* strings = nullptr;
    bool insert = false;
    bool is_string(std::size_t place) const {
      return strings != nullptr && place < strings->size() && (*strings)[place];
    }
  };
  static Named named(const Write& write);

  Result<void> check_key(const KeyFields& key) const;
  Result<void> check_number(const Column& column, const OptionalText& text) const;
  Result<void> may_be_set(const Column& column, bool insert) const;
  // Calls `set` for each field that sets a column, as WriteCheck does.
  template <class Set>
  Result<void> each_set(const KeyFields& key, const Fields& fields, Set set) const;
  Result<void> set_fields(Change& change, const KeyFields& key, const Named& named) const;
  Result<const Column*> add_column(const Add& add) const;
  Result<void> set_added(Change& change, const Add& add) const;

  const TableRows& rows_;
  const DatasetSpec& spec_;  // the rows'
  const TableSql& sql_;      // the rows'
  const WriteCheck<Column> checks_;
  const Column* counter_ = nullptr;  // kCounter: the value column, if something can be added to it
};

}  // namespace forebay::source::postgres
