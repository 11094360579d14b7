#pragma once

// The tags that a namespace gives its entries: `tags = ["vendor:{vendor_id}"]`, where a field is one of the key's or a
// column of the row that the entry holds. How tags are kept and purged: memory/tag_purges.h. The tags of the
// configuration have their lowest bit clear, those that clients set (FOREBAY TAG) have it set.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/model.h"

namespace forebay::layer {

// An entry's tags, as the memory tier keeps them.
class PackedTags {
 public:
  // As of which purge the value is true.
  explicit PackedTags(std::uint64_t as_of) { append(as_of); }
  void add(std::uint64_t tag);
  // Empty: no tag was added.
  std::string_view bytes() const;
  std::size_t count() const { return (bytes_.size() / sizeof(std::uint64_t)) - 1; }

 private:
  void append(std::uint64_t word);
  std::string bytes_;
};

// A tag's word: of the configuration's, or of a client's. Purging either purges both.
std::uint64_t tag_of_template(std::string_view tag);
std::uint64_t tag_of_client(std::string_view tag);

// Immutable; thread-safe.
class TagTemplates {
 public:
  TagTemplates() = default;
  explicit TagTemplates(const config::Namespace& space);

  bool empty() const { return templates_.empty(); }
  std::size_t count() const { return templates_.size(); }

  // Adds the key's tags. `value`: what its entry holds; nothing: that there is no row, which has the tags that the
  // key alone tells. A column that is NULL makes no tag. False: one can't be told, as the value is no JSON object
  // with that column; such a value must not be kept, as a purge would miss it. Linear in key and value.
  bool add_to(PackedTags& tags, const config::Pattern& pattern, std::string_view key,
              std::optional<std::string_view> value) const;

 private:
  struct Part {
    std::string literal;               // before the field
    std::optional<std::size_t> field;  // of the key
    std::string column;                // or of the row; empty with no field: the literal ends the tag
  };
  struct Template {
    std::vector<Part> parts;
    bool of_row = false;
  };
  std::vector<Template> templates_;
  bool of_key_ = false;
};

}  // namespace forebay::layer
