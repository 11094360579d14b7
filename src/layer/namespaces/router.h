#pragma once

// The namespaces of one configuration: from a key to its namespace (the longest literal prefix first, then the
// rest of the pattern; keys of other databases than the first have one for each database), and from a changed row to the namespaces that it concerns. Immutable once built.

#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "base/database_key.h"
#include "config/model.h"
#include "forebay/source.h"
#include "layer/namespaces/change_index.h"
#include "layer/namespaces/namespace.h"

namespace forebay::layer {

// Whether a key matches a pattern; fills `fields` (if given) with what its fields matched. Rules:
// config::Pattern.
bool match(const config::Pattern& pattern, std::string_view key, KeyFields* fields);

// The key that a pattern makes of these field values (as many as it has fields).
std::string make_key(const config::Pattern& pattern, const KeyFields& fields);

class Router {
 public:
  // spaces[0] is the namespace of keys that nothing else covers.
  explicit Router(std::vector<Namespace*> spaces, TableNames names = {});

  Namespace& route(std::string_view key) const;
  const std::vector<Namespace*>& spaces() const { return spaces_; }
  Namespace* find(std::string_view name) const;  // by its name; null if there is none
  const ChangeIndex& changes() const { return changes_; }

 private:
  std::vector<Namespace*> spaces_;
  ChangeIndex changes_;
  // Candidates by the first byte of their literal prefix, longest prefix first; those that begin with a field
  // are in every list, at the end.
  std::array<std::vector<Namespace*>, 256> by_first_byte_;
  std::array<Namespace*, kMostDatabases> databases_{};  // [0] is that of no namespace, as the absent are
};

}  // namespace forebay::layer
