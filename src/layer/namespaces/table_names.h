#pragma once

// Which names of tables mean the same table, as the sources say it. Made once for a configuration, and
// immutable then, so thread-safe.

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "forebay/source.h"

namespace forebay::layer {

class TableNames {
 public:
  // What a source says of a name (Source::known_tables()).
  void add(const std::string& source, const std::string& name, KnownTable table);
  // The source can't be asked yet, so that any name may mean any of its tables.
  void leave_open(const std::string& source) { open_.insert(source); }

  // The same for all names of one table.
  std::string id(const std::string& source, std::string_view name) const;
  bool same(const std::string& source, std::string_view a, std::string_view b) const {
    return id(source, a) == id(source, b);
  }
  // Ids of the tables that a view shows; of a table, none.
  const std::vector<std::string>& shows(const std::string& source, std::string_view name) const;
  bool is_open(const std::string& source) const { return open_.contains(source); }

 private:
  std::map<std::pair<std::string, std::string>, KnownTable, std::less<>> tables_;  // by source and name
  std::set<std::string, std::less<>> open_;
};

}  // namespace forebay::layer
