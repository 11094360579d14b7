#include "layer/namespaces/change_index.h"

#include <algorithm>
#include <utility>

namespace forebay::layer {
namespace {

// The column of each field; empty if one is missing.
std::vector<std::string> columns_of(const config::Pattern& key, const config::Dependency& dependency) {
  std::vector<std::string> columns;
  for (const std::string& field : key.fields) {
    const auto mapped =
        std::ranges::find(dependency.columns, field, &std::pair<std::string, std::string>::second);
    if (mapped == dependency.columns.end()) return {};
    columns.push_back(mapped->first);
  }
  return columns;
}

}  // namespace

ChangeIndex::ChangeIndex(const std::vector<Namespace*>& spaces, TableNames names) : names_(std::move(names)) {
  for (Namespace* space : spaces) {
    // A query that names no table has never heard of changes.
    if (space->config.table.empty() && space->config.depends_on.empty()) continue;
    Tables& tables = sources_[space->config.source];
    tables.spaces.push_back(space);
    tables.all.push_back({space, Why::kDependency, {}});
    add(tables, space);
  }
}

void ChangeIndex::add(Tables& tables, Namespace* space) {
  const config::Namespace& config = space->config;
  std::vector<std::string> shown;
  if (!config.table.empty()) {
    tables.by_id[names_.id(config.source, config.table)].push_back(
        {space, Why::kOwnTable, config.key.fields});
    shown = names_.shows(config.source, config.table);
  }
  std::vector<std::string> said;
  for (std::size_t i = 0; i < config.depends_on.size(); ++i) {
    const config::Dependency& dependency = config.depends_on[i];
    const bool exact = space->port == nullptr || space->port->found_by_spelling(i);
    said.push_back(names_.id(config.source, dependency.table));
    tables.by_id[said.back()].push_back(
        {space, Why::kDependency, exact ? columns_of(config.key, dependency) : std::vector<std::string>()});
    const auto& more = names_.shows(config.source, dependency.table);
    shown.insert(shown.end(), more.begin(), more.end());
  }
  for (const std::string& table : shown) {
    if (std::ranges::find(said, table) != said.end()) continue;
    said.push_back(table);
    tables.by_id[table].push_back({space, Why::kDependency, {}});
  }
}

const std::vector<ChangeIndex::Watch>& ChangeIndex::of(const std::string& source,
                                                       std::string_view table) const {
  static const std::vector<Watch> nobody;
  const auto tables = sources_.find(source);
  if (tables == sources_.end()) return nobody;
  if (names_.is_open(source)) return tables->second.all;
  auto found = tables->second.by_id.find(names_.id(source, table));
  if (found == tables->second.by_id.end()) found = tables->second.by_id.find(table);
  return found == tables->second.by_id.end() ? nobody : found->second;
}

const std::vector<Namespace*>& ChangeIndex::of(const std::string& source) const {
  static const std::vector<Namespace*> none;
  const auto tables = sources_.find(source);
  return tables == sources_.end() ? none : tables->second.spaces;
}

}  // namespace forebay::layer
