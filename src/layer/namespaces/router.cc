#include "layer/namespaces/router.h"

#include <algorithm>
#include <span>

namespace forebay::layer {

bool match(const config::Pattern& pattern, std::string_view key, KeyFields* fields) {
  if (fields) fields->clear();
  if (!key.starts_with(pattern.literals.front())) return false;
  std::string_view rest = key.substr(pattern.literals.front().size());
  for (std::size_t i = 0; i < pattern.fields.size(); ++i) {
    const std::string& literal = pattern.literals[i + 1];
    const bool last = i + 1 == pattern.fields.size();
    std::size_t end = 0;
    if (last) {
      // The last field reaches to the closing literal at the very end of the key.
      if (!rest.ends_with(literal)) return false;
      end = rest.size() - literal.size();
    } else {
      end = rest.find(literal, 1);
      if (end == std::string_view::npos) return false;
    }
    if (end == 0) return false;
    if (fields) fields->emplace_back(rest.substr(0, end));
    rest.remove_prefix(end + literal.size());
  }
  return rest.empty();
}

std::string make_key(const config::Pattern& pattern, const KeyFields& fields) {
  std::string key = pattern.literals.front();
  for (std::size_t i = 0; i < fields.size(); ++i) {
    key += fields[i];
    key += pattern.literals[i + 1];
  }
  return key;
}

Router::Router(std::vector<Namespace*> spaces, TableNames names)
    : spaces_(std::move(spaces)), changes_(spaces_, std::move(names)) {
  databases_.fill(spaces_.front());
  std::vector<Namespace*> ordered;
  for (Namespace* space : std::span(spaces_).subspan(1)) {
    if (space->database == 0) {
      ordered.push_back(space);
    } else {
      databases_.at(space->database) = space;
    }
  }
  // Of equally long prefixes the one that was configured first.
  std::ranges::sort(ordered, [](const Namespace* a, const Namespace* b) {
    const std::size_t length_a = a->config.key.literals.front().size();
    const std::size_t length_b = b->config.key.literals.front().size();
    return length_a != length_b ? length_a > length_b : a->info.index < b->info.index;
  });
  for (Namespace* space : ordered) {
    const std::string& prefix = space->config.key.literals.front();
    if (prefix.empty()) {
      for (auto& list : by_first_byte_) list.push_back(space);
    } else {
      by_first_byte_[static_cast<unsigned char>(prefix.front())].push_back(space);
    }
  }
}

Namespace& Router::route(std::string_view key) const {
  if (!key.empty()) {
    if (const unsigned database = database_of(key); database != 0) [[unlikely]]
      return *databases_.at(database);
    for (Namespace* space : by_first_byte_[static_cast<unsigned char>(key.front())]) {
      if (match(space->config.key, key, nullptr)) return *space;
    }
  }
  return *spaces_.front();
}

Namespace* Router::find(std::string_view name) const {
  for (Namespace* space : spaces_) {
    if (space->info.name == name && space->info.index != 0) return space;
  }
  return nullptr;
}

}  // namespace forebay::layer
