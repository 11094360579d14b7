#include "layer/namespaces/tags.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "base/row_json.h"
#include "layer/namespaces/router.h"

namespace forebay::layer {
namespace {

constexpr std::uint64_t kOfClient = 1;

}  // namespace

void PackedTags::append(std::uint64_t word) {
  bytes_.append(reinterpret_cast<const char*>(&word), sizeof(word));
}

void PackedTags::add(std::uint64_t tag) {
  append(tag);
}

std::string_view PackedTags::bytes() const {
  return count() == 0 ? std::string_view() : std::string_view(bytes_);
}

std::uint64_t tag_of_template(std::string_view tag) {
  return hash_bytes(tag) & ~kOfClient;
}

std::uint64_t tag_of_client(std::string_view tag) {
  return hash_bytes(tag) | kOfClient;
}

TagTemplates::TagTemplates(const config::Namespace& space) {
  const std::vector<std::string>& fields = space.key.fields;
  for (const config::Pattern& pattern : space.tags) {
    Template made;
    for (std::size_t i = 0; i < pattern.literals.size(); ++i) {
      Part part{pattern.literals[i], std::nullopt, {}};
      if (i < pattern.fields.size()) {
        const auto field = std::ranges::find(fields, pattern.fields[i]);
        if (field != fields.end()) {
          part.field = static_cast<std::size_t>(field - fields.begin());
          of_key_ = true;
        } else {
          part.column = pattern.fields[i];
          made.of_row = true;
        }
      }
      made.parts.push_back(std::move(part));
    }
    templates_.push_back(std::move(made));
  }
}

bool TagTemplates::add_to(PackedTags& tags, const config::Pattern& pattern, std::string_view key,
                          std::optional<std::string_view> value) const {
  KeyFields fields;
  if (of_key_ && !match(pattern, key, &fields)) return false;
  std::string tag;
  for (const Template& each : templates_) {
    if (each.of_row && !value) continue;
    tag.clear();
    bool whole = true;
    for (const Part& part : each.parts) {
      tag += part.literal;
      if (part.field) {
        tag += fields[*part.field];
      } else if (!part.column.empty()) {
        const auto column = field_of_row(*value, part.column);
        if (!column || !*column) return false;
        whole = column->value().has_value();
        if (!whole) break;
        tag += *column->value();
      }
    }
    if (whole) tags.add(tag_of_template(tag));
  }
  return true;
}

}  // namespace forebay::layer
