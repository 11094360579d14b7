#include "layer/namespaces/change_index.h"

#include <algorithm>
#include <cctype>

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

std::string table_id(std::string_view table) {
  std::string id(table);
  std::ranges::transform(id, id.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const std::string_view schema : {"public.", "main."}) {
    if (id.size() > schema.size() && id.starts_with(schema)) {
      id.erase(0, schema.size());
      break;
    }
  }
  return id;
}

bool same_table(std::string_view a, std::string_view b) {
  return table_id(a) == table_id(b);
}

ChangeIndex::ChangeIndex(const std::vector<Namespace*>& spaces) {
  for (Namespace* space : spaces) {
    const config::Namespace& config = space->config;
    Tables& tables = sources_[config.source];
    // A query that names no table has never heard of changes.
    if (!config.table.empty() || !config.depends_on.empty()) tables.spaces.push_back(space);
    if (!config.table.empty())
      tables.by_name[table_id(config.table)].push_back({space, Why::kOwnTable, config.key.fields});
    for (const config::Dependency& dependency : config.depends_on) {
      tables.by_name[table_id(dependency.table)].push_back(
          {space, Why::kDependency, columns_of(config.key, dependency)});
    }
  }
}

const std::vector<ChangeIndex::Watch>& ChangeIndex::of(const std::string& source,
                                                       std::string_view table) const {
  static const std::vector<Watch> nobody;
  const auto tables = sources_.find(source);
  if (tables == sources_.end()) return nobody;
  const auto found = tables->second.by_name.find(table_id(table));
  return found == tables->second.by_name.end() ? nobody : found->second;
}

const std::vector<Namespace*>& ChangeIndex::of(const std::string& source) const {
  static const std::vector<Namespace*> none;
  const auto tables = sources_.find(source);
  return tables == sources_.end() ? none : tables->second.spaces;
}

}  // namespace forebay::layer
