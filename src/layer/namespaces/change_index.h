#pragma once

// From a changed row to the namespaces that it concerns: an index by source, table and column, made once for a
// configuration. Immutable, so thread-safe.
//
// A namespace watches a table for one of two reasons: its keys stand for the table's rows, or it depends on the
// table (depends_on). Either way it says in which columns of the table its key's fields are. A column may be
// missing, or not say it by its text alone (Dataset::found_by_spelling()): then any row may concern any key.
//
// A namespace on a view watches what the view shows. Which of its rows are whose keys is not known, unless
// depends_on says it.

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "forebay/source.h"
#include "layer/namespaces/namespace.h"
#include "layer/namespaces/table_names.h"

namespace forebay::layer {

class ChangeIndex {
 public:
  enum class Why : std::uint8_t { kOwnTable, kDependency };
  struct Watch {
    Namespace* space;
    Why why;
    // For each field of the key, in order, the table's column that it stands in. Empty: which keys a row
    // concerns is not known.
    std::vector<std::string> columns;
  };

  ChangeIndex() = default;
  ChangeIndex(const std::vector<Namespace*>& spaces, TableNames names);

  // Who watches a table of a source, by any name that the configuration has for it, or by its id. While the source has not said what names mean, all
  // who watch any table of it, and none of them knows which keys.
  const std::vector<Watch>& of(const std::string& source, std::string_view table) const;
  // All namespaces of a source that watch anything.
  const std::vector<Namespace*>& of(const std::string& source) const;

 private:
  struct Tables {
    std::vector<Namespace*> spaces;
    std::vector<Watch> all;  // of `spaces`, without columns
    std::unordered_map<std::string, std::vector<Watch>, StringHash, std::equal_to<>> by_id;
  };
  void add(Tables& tables, Namespace* space);

  TableNames names_;
  std::unordered_map<std::string, Tables, StringHash, std::equal_to<>> sources_;
};

}  // namespace forebay::layer
