#pragma once

// A table's columns by their names, for checks that are made for every write: O(1), without allocations.

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/hash.h"

namespace forebay::source {

// Points into the columns that it was made of, which have a `name` and outlive it where they are.
template <class Column>
class ColumnIndex {
 public:
  template <class Columns>
  explicit ColumnIndex(const Columns& columns) {
    by_name_.reserve(columns.size());
    for (const Column& column : columns) by_name_.try_emplace(column.name, &column);
  }

  // Null: there is none.
  const Column* find(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }

 private:
  std::unordered_map<std::string, const Column*, StringHash, std::equal_to<>> by_name_;
};

}  // namespace forebay::source
