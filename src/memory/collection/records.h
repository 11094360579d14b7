#pragma once

// Keys and their values in the order of the keys' bytes: one of a stream's trees.

#include <cstdint>
#include <optional>
#include <string_view>

#include "memory/collection/collection.h"

namespace forebay::memory {

// Borrows the collection. What comes back lies in it, and is valid until it is edited. Neither a key nor a value may read
// as a number, as those have no text in there.
class Records {
 public:
  // Requires: a stream.
  Records(Collection& all, unsigned which) : all_(all), which_(which) {}

  std::uint32_t size() const { return all_.size(which_); }
  std::optional<std::string_view> find(std::string_view key) const;
  // How many keys come before this one.
  std::uint32_t rank(std::string_view key) const;
  // Gives the key this value, whether it was there or not.
  void put(std::string_view key, std::string_view value);
  // The same for a key that comes after all that there are.
  void append(std::string_view key, std::string_view value);
  // True: it was there.
  bool erase(std::string_view key);
  // Erases `count` from this rank on.
  void erase_ranks(std::uint32_t from, std::uint32_t count);
  // Shows records from a rank on. Show returns whether to go on.
  void visit(std::uint32_t from, bool backwards,
             FunctionRef<bool(std::string_view key, std::string_view value)> show) const;

 private:
  // The first record that is not before a key.
  struct Place {
    Tree::Path path;
    Tree::Leaf leaf;
    std::size_t offset = 0;
    std::uint32_t index = 0;  // in the leaf
    const char* record() const { return leaf.records + offset; }
    bool at_end() const { return offset == leaf.bytes; }  // of the leaf
  };
  Place seek(std::string_view key) const;
  // From there to the key itself; nothing: it isn't there.
  std::optional<Place> at_key(Place place, std::string_view key) const;
  std::optional<Place> seek_key(std::string_view key) const { return at_key(seek(key), key); }

  Collection& all_;
  unsigned which_;
};

}  // namespace forebay::memory
