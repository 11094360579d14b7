#pragma once

// What a write to a row becomes: checked before the database is asked, and in the database's terms.

#include <string>
#include <vector>

#include "source/mysql/table_rows.h"
#include "source/row_write.h"

namespace forebay::source::mysql {

// A column that a write sets.
struct Setting {
  const Column* column = nullptr;
  Parameter value;
  Take::How how = Take::How::kAsItIs;
  std::string text = {};  // kUnlessSameString: the string
};

// What a write does, checked and in the database's terms.
struct Change {
  std::vector<Setting> settings;  // of a row that exists, and of one that is created
  bool create = false;
  bool remove = false;
  bool insert = false;            // the row must not exist
  const Column* added = nullptr;  // what settings.front() is added to
  bool whole = false;             // what is added is an integer
  // A write with a condition, of what settings.front() is to change.
  std::optional<Write> conditional = {};
};

// Plans the writes of one namespace. Errors don't say yet where. Thread-safe: nothing changes once it is made.
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
    bool is_known(std::size_t place) const { return strings != nullptr && place < strings->size(); }
    bool is_string(std::size_t place) const { return is_known(place) && (*strings)[place]; }
  };
  static Named named(const Write& write);

  Result<void> check_key(const KeyFields& key) const;
  Result<void> check_number(const Column& column, const OptionalText& text) const;
  Result<void> check_value(const Column& column, const OptionalText& text, bool string) const;
  static Result<void> may_be_set(const Column& column, bool insert);
  // Calls `set` for each field that sets a column, as WriteCheck does.
  template <class Set>
  Result<void> each_set(const KeyFields& key, const Fields& fields, Set set) const;
  Result<Setting> setting(const Column& column, const OptionalText& text, const Named& named,
                          std::size_t place) const;
  Result<const Column*> add_column(const Add& add) const;

  const TableRows& rows_;
  const DatasetSpec& spec_;  // the rows'
  const WriteCheck<Column> checks_;
  const Column* counter_ = nullptr;  // kCounter: the value column, if something can be added to it
};

// Whether a text is digits with a sign before them; with `fraction` also a point and an exponent.
bool is_number(std::string_view text, bool fraction);

}  // namespace forebay::source::mysql
