#pragma once

// The fields of a hash with their values, or the members of a set.

#include <cstdint>
#include <optional>
#include <string_view>

#include "memory/collection/collection.h"

namespace forebay::memory {

// Borrows the collection. What comes back as an Item lies in it, and is valid until it is edited.
class Fields {
 public:
  // Requires: a hash or a set. A sorted set is one of members with scores, as long as nothing is edited.
  explicit Fields(Collection& all) : all_(all) {}

  std::uint32_t size() const { return all_.size(); }
  bool has(std::string_view field) const { return find(field).record != nullptr; }
  // A hash: the field's value.
  std::optional<Item> value(std::string_view field) const;
  static Item value_of(Item field) { return Item(field.end()).inside(); }

  // Gives the field this value, or adds the member. True: it was not there before. A field that was to end stays,
  // unless kKept.
  enum class Ends : bool { kForgotten, kKept };
  bool put(std::string_view field, std::string_view value, Ends ends = Ends::kForgotten);
  bool add(std::string_view member);
  // True: it was there.
  bool erase(std::string_view field);

  // ---- A hash's fields that end, in milliseconds of Unix time (0 to 2^48 - 1). The collection does nothing by itself
  // when that time has come.

  // When the field ends; nothing: it stays, or there is none.
  std::optional<std::int64_t> until(std::string_view field) const;
  // Nothing: it stays. Requires that there is such a field.
  void set_until(std::string_view field, std::optional<std::int64_t> until);
  // When the first of them ends; nothing: none does. O(fields) while it is packed, else O(log fields).
  std::optional<std::int64_t> first_end() const;
  // Erases fields whose end is not after this, at most so many, the first ones first. Returns how many.
  std::size_t erase_ended(std::int64_t now, std::size_t most);

  // Shows all of them, in no particular order, from one on. Show returns whether to go on.
  void visit(FunctionRef<bool(Item field)> show, std::uint32_t from = 0) const;
  // The field at some position of that order; its value is the item behind it. Requires that there is one.
  Item at(std::uint32_t position) const { return Item(all_.at(position)); }
  // Shows the next ones of a walk that began with cursor 0, about `count` of them, and returns the next cursor, 0
  // at the end. One that is there during the whole walk is shown, perhaps more than once, whatever is edited
  // meanwhile.
  std::uint64_t scan(std::uint64_t cursor, std::size_t count, FunctionRef<void(Item field)> show) const;

 private:
  struct Found {
    Tree::Path path;
    Tree::Leaf leaf;
    const char* record = nullptr;
    std::size_t offset() const { return static_cast<std::size_t>(record - leaf.records); }
  };
  Found find(std::string_view field) const;
  std::optional<std::int64_t> until(const Found& found) const;
  void replace(const Found& found, std::string_view value, std::optional<std::int64_t> until);
  void forget_end(std::string_view field, std::int64_t until);
  void note(std::string_view text);

  Collection& all_;
};

}  // namespace forebay::memory
