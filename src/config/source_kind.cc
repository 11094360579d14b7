#include "config/source_kind.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace forebay::config {

const SourceKind* find_source_kind(std::string_view name) {
  const auto* const found = std::ranges::find(kSourceKinds, name, &SourceKind::name);
  return found == std::end(kSourceKinds) ? nullptr : found;
}

std::string source_kinds_that(bool (*has)(const SourceKind&)) {
  std::vector<std::string_view> names;
  for (const SourceKind& kind : kSourceKinds) {
    if (has(kind)) names.push_back(kind.name);
  }
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
    text += fmt::format("\"{}\"", names[i]);
  }
  return text;
}

}  // namespace forebay::config
