#pragma once

// What the databases' tables do alike with a write: the checks before the database is asked, and the errors
// of a row that is not what its key says (sql_mapping.h: one row, one key).
//
// Errors say what is wrong, and not yet where: who calls puts the source and the table to them.

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "forebay/dataset.h"
#include "source/column_index.h"

namespace forebay::source {

// Whether a row has this key: its key columns, as text, are the key's fields byte for byte. `text_of(i)` is
// the i-th of them; nothing for NULL.
template <class TextOf>
bool is_key(const KeyFields& key, TextOf text_of) {
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (text_of(i) != key[i]) return false;
  }
  return true;
}

// All but the last are kRefused.
Error misspelled_key();  // a row equals the key for the database, and is spelled otherwise
Error several_rows();    // have one key
Error row_exists();      // where it must not
// kConfig: its columns are not those that the dataset was opened with. Opened anew, it may be tried again.
Error table_has_changed();

// The checks of one namespace's writes. Thread-safe; allocates for errors only.
template <class Column>
class WriteCheck {
 public:
  // Both are borrowed.
  WriteCheck(const DatasetSpec& spec, const ColumnIndex<Column>& columns) : spec_(spec), columns_(columns) {}

  // kUnsupported: the namespace was not opened for writing. kInternal: the key has another number of fields.
  Result<void> may_write(const KeyFields& key) const;

  // Calls `set(column, value, place)`, which returns a Result<void>, for each field that sets a column: not
  // for the version, which Forebay keeps itself, nor for a column of the key, which must say what the key
  // says: `same(place in the key, value)`. kInvalidArgument: a column that there isn't, or is not this
  // namespace's to set, or is named twice, or contradicts the key. Ends at the first error.
  template <class Same, class Set>
  Result<void> fields(const Fields& fields, Same same, Set set) const;

  // The column that something is to be added to. kInvalidArgument: there is none, or it can't be changed.
  Result<const Column*> addend(const std::string& name) const;

  bool is_version(std::string_view name) const {
    return !spec_.version_column.empty() && name == spec_.version_column;
  }
  // The column's place in the key; the key's length if it is not in it.
  std::size_t key_place(std::string_view name) const {
    return static_cast<std::size_t>(std::ranges::find(spec_.key_fields, name) - spec_.key_fields.begin());
  }

 private:
  const DatasetSpec& spec_;
  const ColumnIndex<Column>& columns_;
};

// What WriteCheck says, each of kind kInvalidArgument but for the first two.
namespace write_mistake {
Error not_writable();
Error wrong_key(std::size_t fields, std::size_t wanted);
Error other_column(std::string_view value_column);
Error given_twice(std::string_view column);
Error contradicts_key(std::string_view column);
Error no_column(std::string_view column);
Error no_addend(std::string_view column);
}  // namespace write_mistake

template <class Column>
Result<void> WriteCheck<Column>::may_write(const KeyFields& key) const {
  if (!spec_.writable) return write_mistake::not_writable();
  if (key.size() != spec_.key_fields.size())
    return write_mistake::wrong_key(key.size(), spec_.key_fields.size());
  return {};
}

template <class Column>
template <class Same, class Set>
Result<void> WriteCheck<Column>::fields(const Fields& fields, Same same, Set set) const {
  if (spec_.kind != ValueKind::kJson && (fields.size() != 1 || fields.front().first != spec_.value_column))
    return write_mistake::other_column(spec_.value_column);
  for (auto field = fields.begin(); field != fields.end(); ++field) {
    const auto& [name, value] = *field;
    if (std::any_of(fields.begin(), field, [&](const auto& other) { return other.first == name; }))
      return write_mistake::given_twice(name);
  }
  for (std::size_t place = 0; place < fields.size(); ++place) {
    const auto& [name, value] = fields[place];
    if (const std::size_t at = key_place(name); at < spec_.key_fields.size()) {
      if (!same(at, value)) return write_mistake::contradicts_key(name);
      continue;
    }
    if (is_version(name)) continue;
    const Column* column = columns_.find(name);
    if (column == nullptr) return write_mistake::no_column(name);
    if (Result<void> good = set(*column, value, place); !good) return good;
  }
  return {};
}

template <class Column>
Result<const Column*> WriteCheck<Column>::addend(const std::string& name) const {
  const Column* column = columns_.find(name);
  if (column == nullptr) return write_mistake::no_column(name);
  if (spec_.kind != ValueKind::kJson && name != spec_.value_column)
    return write_mistake::other_column(spec_.value_column);
  if (key_place(name) < spec_.key_fields.size() || is_version(name)) return write_mistake::no_addend(name);
  return column;
}

}  // namespace forebay::source
