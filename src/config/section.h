#pragma once

// Typed access to one TOML table that reports everything that is wrong on the way: the sections' readers say
// what they expect, once, and need no error handling of their own.

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.h"
#include "config/mistake.h"

namespace forebay::config {

// Not thread-safe. Borrows the document, the table and the list of mistakes.
//
// A read function leaves `to` as it is, its default, if the key is absent or its value is wrong; the latter
// is reported. It returns whether the key was there with a good value.
class Section {
 public:
  // `name` as messages write it: "[server]". `at`: its header.
  Section(const Document& document, std::string name, const NodeTable& table, Position at,
          std::vector<Mistake>& mistakes)
      : document_(document), name_(std::move(name)), table_(table), at_(at), mistakes_(mistakes) {}

  bool text(std::string_view key, std::string& to);
  bool flag(std::string_view key, bool& to);
  template <std::unsigned_integral T>
  bool count(std::string_view key, T& to, T min, T max) {
    std::uint64_t number = to;
    if (!integer(key, number, min, max)) return false;
    to = static_cast<T>(number);
    return true;
  }
  bool share(std::string_view key, double& to, double min, double max);
  bool duration(std::string_view key, std::chrono::milliseconds& to, std::chrono::milliseconds min,
                std::chrono::milliseconds max);
  bool size(std::string_view key, std::size_t& to, std::size_t min, std::size_t max);
  // The index of the word in `words`. For a word in `later`, which a future version may know, the message
  // says so.
  std::optional<std::size_t> choice(std::string_view key, std::span<const std::string_view> words,
                                    std::span<const std::string_view> later = {});
  // A table within this one, such as flush = { every = "1s" }; nothing: absent, or no table (reported). To be
  // finished like any other.
  std::optional<Section> table(std::string_view key);
  // A list of texts; gives their nodes.
  std::vector<const Node*> texts(std::string_view key);

  // Keys that are known but that this version can't honour: `what` names the feature.
  void later(std::initializer_list<std::string_view> keys, std::string_view what);
  // Reports every key that none of the functions above asked for. Call last.
  void finish();

  Position header() const { return at_; }
  bool has(std::string_view key) const { return find(key) != nullptr; }
  // Where the value of a key stands; the header if it is absent.
  Position at(std::string_view key) const;
  Position key_at(std::string_view key) const;
  // Where a byte of a text value stands.
  Position inside(std::string_view key, std::size_t offset) const;
  Position inside(const Node& text, std::size_t offset) const { return document_.inside(text, offset); }
  const std::string& name() const { return name_; }
  // All of the table, for one whose keys are not ours to know.
  const NodeTable& entries() const { return table_; }

  void report(Position at, std::string what) { mistakes_.push_back({at, std::move(what)}); }
  // For what seems to be missing. Not reported while the text has mistakes of syntax, which may have
  // swallowed it.
  void report_missing(Position at, std::string what) {
    if (document_.mistakes.empty()) report(at, std::move(what));
  }

 private:
  const NodeEntry* find(std::string_view key) const;
  // As find(), and remembers the key as known.
  const NodeEntry* take(std::string_view key);
  bool integer(std::string_view key, std::uint64_t& to, std::uint64_t min, std::uint64_t max);
  void report_type(const NodeEntry& entry, std::string_view expected);

  const Document& document_;
  std::string name_;
  const NodeTable& table_;
  Position at_;
  std::vector<Mistake>& mistakes_;
  std::vector<std::string_view> known_;
};

}  // namespace forebay::config
