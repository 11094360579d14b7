#pragma once

// The elements of a list.

#include <cstdint>
#include <string_view>

#include "memory/collection/collection.h"

namespace forebay::memory {

// Borrows the collection. What comes back as an Item lies in it, and is valid until it is edited.
class Sequence {
 public:
  // Requires: a list.
  explicit Sequence(Collection& all) : all_(all) {}

  std::uint32_t size() const { return all_.size(); }
  // Requires that there is one at this position.
  Item at(std::uint32_t position) const { return Item(all_.at(position)); }
  // Puts a text before the element at this position; size(): behind the last.
  void insert(std::uint32_t position, std::string_view text);
  // Puts another text in the place of an element.
  void set(std::uint32_t position, std::string_view text);
  // Erases `count` elements from this position on.
  void erase(std::uint32_t position, std::uint32_t count);
  // Shows elements from a position on. Show returns whether to go on.
  void visit(std::uint32_t from, bool backwards, FunctionRef<bool(Item element)> show) const;

 private:
  struct Place {
    Tree::Path path;
    Tree::Leaf leaf;
    std::size_t offset = 0;
    std::uint32_t index = 0;  // in the leaf
  };
  Place find(std::uint32_t position) const;

  Collection& all_;
};

}  // namespace forebay::memory
