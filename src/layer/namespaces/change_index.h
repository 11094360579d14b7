#pragma once

// From a changed row to the namespaces that it concerns: an index by source, table and column, made once for a
// configuration. Immutable, so thread-safe.
//
// A namespace watches a table for one of two reasons: its keys stand for the table's rows, or it depends on the
// table (depends_on). Either way it says in which columns of the table its key's fields are. A column may be
// missing: then any row may concern any key.

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "forebay/source.h"
#include "layer/namespaces/namespace.h"

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
  explicit ChangeIndex(const std::vector<Namespace*>& spaces);

  // Who watches a table of a source. Constant time on average.
  const std::vector<Watch>& of(const std::string& source, std::string_view table) const;
  // All namespaces of a source that watch anything.
  const std::vector<Namespace*>& of(const std::string& source) const;

 private:
  struct Tables {
    std::vector<Namespace*> spaces;
    std::unordered_map<std::string, std::vector<Watch>, StringHash, std::equal_to<>> by_name;
  };
  std::unordered_map<std::string, Tables, StringHash, std::equal_to<>> sources_;
};

// One spelling for all names of a table: case and a leading `public.` or `main.` don't matter.
std::string table_id(std::string_view table);

// Whether two names mean the same table.
bool same_table(std::string_view a, std::string_view b);

}  // namespace forebay::layer
