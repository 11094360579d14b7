#include "layer/namespaces/table_names.h"

#include <algorithm>
#include <cctype>

namespace forebay::layer {
namespace {

// Where nothing is known of a table: case and a leading `public.` or `main.` don't matter.
std::string id_of_name(std::string_view table) {
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

}  // namespace

void TableNames::add(const std::string& source, const std::string& name, KnownTable table) {
  tables_.insert_or_assign({source, name}, std::move(table));
}

std::string TableNames::id(const std::string& source, std::string_view name) const {
  const auto known = tables_.find(std::pair(source, std::string(name)));
  if (known == tables_.end() || known->second.id.empty()) return id_of_name(name);
  return known->second.id;
}

const std::vector<std::string>& TableNames::shows(const std::string& source, std::string_view name) const {
  static const std::vector<std::string> nothing;
  const auto known = tables_.find(std::pair(source, std::string(name)));
  return known == tables_.end() ? nothing : known->second.shows;
}

}  // namespace forebay::layer
