#pragma once

// The entries of a stream, in the order of their ids, and what it knows of those that there were.
//
// One tree has the entries: the key is the id, the value the fields with their values. Their names are not repeated
// with each entry: the first few lists of names that come are kept once, in the head, and an entry says which of
// them it has. The other tree has the head, under the first key, and the consumer groups (stream_groups.h).
//
// An entry of two fields takes some 10 bytes beside its values.

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "memory/collection/records.h"

namespace forebay::memory {

struct StreamId {
  std::uint64_t ms = 0;
  std::uint64_t sequence = 0;

  auto operator<=>(const StreamId&) const = default;
  static constexpr StreamId most() { return {~std::uint64_t{0}, ~std::uint64_t{0}}; }
  // The id after this one, and the one before. Requires that there is one.
  StreamId next() const {
    return sequence == most().sequence ? StreamId{ms + 1, 0} : StreamId{ms, sequence + 1};
  }
  StreamId previous() const {
    return sequence == 0 ? StreamId{ms - 1, most().sequence} : StreamId{ms, sequence - 1};
  }
};

// The id as bytes in the same order.
void append_key(std::string& to, const StreamId& id);
StreamId id_of_key(std::string_view key);

// An entry where it lies.
class StreamEntry {
 public:
  StreamEntry(StreamId id, const char* names, const char* values, std::uint32_t fields)
      : id_(id), names_(names), values_(values), fields_(fields) {}
  const StreamId& id() const { return id_; }
  std::uint32_t fields() const { return fields_; }
  // Each field with its value.
  void visit(FunctionRef<void(Item field, Item value)> show) const;

 private:
  StreamId id_;
  const char* names_;   // null: each before its value
  const char* values_;  // items, one behind the other
  std::uint32_t fields_;
};

// Borrows the collection. What comes back as an entry lies in it, and is valid until it is edited.
class Stream {
 public:
  struct Head {
    StreamId last;          // given to an entry, or said to have been
    StreamId last_deleted;  // the largest that was deleted by itself
    std::uint64_t added = 0;
    std::uint32_t next_group = 0;
  };

  // Requires: a stream.
  explicit Stream(Collection& all);

  const Head& head() const { return head_; }
  void set_head(const Head& head);
  std::uint32_t size() const { return entries_.size(); }
  // How many entries have smaller ids.
  std::uint32_t rank(const StreamId& id) const;
  // Of the first and the last entry; 0-0 where there is none.
  StreamId first() const { return edge(0); }
  StreamId last() const { return edge(size() - 1); }
  bool has(const StreamId& id) const;
  // Shows entries from a rank on. Show returns whether to go on.
  void visit(std::uint32_t from, bool backwards, FunctionRef<bool(const StreamEntry&)> show) const;
  // Shows the entry of this id. False: there is none.
  bool show(const StreamId& id, FunctionRef<void(const StreamEntry&)> show) const;

  // Adds an entry of fields and values in turn, at least one pair. Requires that the id is larger than the last one.
  void append(const StreamId& id, std::span<const std::string_view> texts);
  // Deletes an entry. True: it was there.
  bool erase(const StreamId& id);
  // Drops the first `count`.
  void drop(std::uint32_t count) { entries_.erase_ranks(0, count); }

 private:
  static constexpr std::uint8_t kOwnNames =
      0;  // an entry that has its names itself; else which list it has, from 1

  void write_head();
  StreamId edge(std::uint32_t rank) const;
  StreamEntry entry(const StreamId& id, std::string_view value) const;
  // Which list of names these are, if they are one of those that are kept, or can be kept with them.
  std::uint8_t list_of(std::span<const std::string_view> texts);

  Records entries_;
  Records rest_;
  Head head_;
  std::string lists_;                // of names, as the head has them: their number, then their items
  std::vector<std::size_t> starts_;  // where in lists_ each begins
};

}  // namespace forebay::memory
