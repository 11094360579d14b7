#include "config/section.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "config/suggest.h"
#include "config/units.h"

namespace forebay::config {

const NodeEntry* Section::find(std::string_view key) const {
  const auto found = std::ranges::find(table_, key, &NodeEntry::key);
  return found == table_.end() ? nullptr : &*found;
}

const NodeEntry* Section::take(std::string_view key) {
  known_.push_back(key);
  return find(key);
}

Position Section::at(std::string_view key) const {
  const NodeEntry* entry = find(key);
  return entry == nullptr ? at_ : entry->value.front().at;
}

Position Section::key_at(std::string_view key) const {
  const NodeEntry* entry = find(key);
  return entry == nullptr ? at_ : entry->at;
}

Position Section::inside(std::string_view key, std::size_t offset) const {
  const NodeEntry* entry = find(key);
  return entry == nullptr ? at_ : document_.inside(entry->value.front(), offset);
}

void Section::report_type(const NodeEntry& entry, std::string_view expected) {
  const Node& node = entry.value.front();
  report(node.at, fmt::format("{} must be {}, not {}", entry.key, expected, node.kind()));
}

bool Section::text(std::string_view key, std::string& to) {
  const NodeEntry* entry = take(key);
  if (entry == nullptr) return false;
  const auto* value = std::get_if<std::string>(&entry->value.front().value);
  if (value == nullptr) {
    report_type(*entry, "a text");
    return false;
  }
  if (value->contains('\0')) {
    report(entry->value.front().at, fmt::format("{} must not contain a zero byte", key));
    return false;
  }
  to = *value;
  return true;
}

bool Section::flag(std::string_view key, bool& to) {
  const NodeEntry* entry = take(key);
  if (entry == nullptr) return false;
  const auto* value = std::get_if<bool>(&entry->value.front().value);
  if (value == nullptr) {
    report_type(*entry, "true or false");
    return false;
  }
  to = *value;
  return true;
}

bool Section::integer(std::string_view key, std::uint64_t& to, std::uint64_t min, std::uint64_t max) {
  const NodeEntry* entry = take(key);
  if (entry == nullptr) return false;
  const auto* value = std::get_if<std::int64_t>(&entry->value.front().value);
  if (value == nullptr) {
    report_type(*entry, "an integer");
    return false;
  }
  if (*value < 0 || static_cast<std::uint64_t>(*value) < min || static_cast<std::uint64_t>(*value) > max) {
    report(entry->value.front().at, fmt::format("{} must be {} to {}, not {}", key, min, max, *value));
    return false;
  }
  to = static_cast<std::uint64_t>(*value);
  return true;
}

bool Section::share(std::string_view key, double& to, double min, double max) {
  const NodeEntry* entry = take(key);
  if (entry == nullptr) return false;
  const Node& node = entry->value.front();
  double number = 0;
  if (const auto* real = std::get_if<double>(&node.value)) {
    number = *real;
  } else if (const auto* whole = std::get_if<std::int64_t>(&node.value)) {
    number = static_cast<double>(*whole);
  } else {
    report_type(*entry, "a number");
    return false;
  }
  if (!(number >= min && number <= max)) {  // a NaN is neither
    report(node.at, fmt::format("{} must be {} to {}, not {}", key, min, max, number));
    return false;
  }
  to = number;
  return true;
}

bool Section::duration(std::string_view key, std::chrono::milliseconds& to, std::chrono::milliseconds min,
                       std::chrono::milliseconds max) {
  const NodeEntry* entry = take(key);
  if (entry == nullptr) return false;
  const Node& node = entry->value.front();
  std::optional<std::chrono::milliseconds> value;
  if (const auto* text = std::get_if<std::string>(&node.value)) {
    value = parse_duration(*text);
    if (!value) {
      report(node.at,
             fmt::format(
                 "{} = \"{}\" is no duration: write \"250ms\", \"30s\", \"5m\", \"1h\", \"7d\" or \"1h30m\"",
                 key, *text));
      return false;
    }
  } else if (const auto* number = std::get_if<std::int64_t>(&node.value)) {
    if (*number != 0) {
      report(node.at,
             fmt::format("{} = {} needs a unit: write \"{}ms\" or \"{}s\"", key, *number, *number, *number));
      return false;
    }
    value = std::chrono::milliseconds(0);
  } else {
    report_type(*entry, "a duration such as \"5m\"");
    return false;
  }
  if (*value < min || *value > max) {
    report(node.at, fmt::format("{} must be \"{}\" to \"{}\", not \"{}\"", key, format_duration(min),
                                format_duration(max), format_duration(*value)));
    return false;
  }
  to = *value;
  return true;
}

bool Section::size(std::string_view key, std::size_t& to, std::size_t min, std::size_t max) {
  const NodeEntry* entry = take(key);
  if (entry == nullptr) return false;
  const Node& node = entry->value.front();
  std::optional<std::size_t> value;
  if (const auto* text = std::get_if<std::string>(&node.value)) {
    value = parse_size(*text);
    if (!value) {
      report(node.at, fmt::format("{} = \"{}\" is no size: write \"512MiB\", \"64kB\" or a number of bytes",
                                  key, *text));
      return false;
    }
  } else if (const auto* number = std::get_if<std::int64_t>(&node.value); number != nullptr && *number >= 0) {
    value = static_cast<std::size_t>(*number);
  } else if (number != nullptr) {
    report(node.at, fmt::format("{} must not be negative", key));
    return false;
  } else {
    report_type(*entry, "a size such as \"512MiB\"");
    return false;
  }
  if (*value < min || *value > max) {
    report(node.at, fmt::format("{} must be {} to {}, not {}", key, format_size(min), format_size(max),
                                format_size(*value)));
    return false;
  }
  to = *value;
  return true;
}

std::optional<std::size_t> Section::choice(std::string_view key, std::span<const std::string_view> words,
                                           std::span<const std::string_view> later) {
  std::string word;
  if (!text(key, word)) return std::nullopt;
  const auto found = std::ranges::find(words, word);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  if (std::ranges::find(later, word) != later.end()) {
    report(at(key), fmt::format("{} = \"{}\" is not available in this version; there is {}", key, word,
                                quoted_list(words)));
  } else {
    const std::string hint = did_you_mean(word, words);
    report(at(key), fmt::format("{} must be {}, not \"{}\"{}", key, quoted_list(words), word, hint));
  }
  return std::nullopt;
}

std::optional<Section> Section::table(std::string_view key) {
  const NodeEntry* entry = take(key);
  if (entry == nullptr) return std::nullopt;
  const Node& node = entry->value.front();
  if (node.table() == nullptr) {
    report_type(*entry, "a table in braces");
    return std::nullopt;
  }
  return Section(document_, std::string(key), *node.table(), node.at, mistakes_);
}

std::vector<const Node*> Section::texts(std::string_view key) {
  const NodeEntry* entry = take(key);
  if (entry == nullptr) return {};
  const auto* items = std::get_if<NodeArray>(&entry->value.front().value);
  if (items == nullptr) {
    report_type(*entry, "a list of texts");
    return {};
  }
  std::vector<const Node*> result;
  for (const Node& item : *items) {
    if (std::holds_alternative<std::string>(item.value)) {
      result.push_back(&item);
    } else {
      report(item.at, fmt::format("{} must be a list of texts; this is {}", key, item.kind()));
    }
  }
  return result;
}

void Section::later(std::initializer_list<std::string_view> keys, std::string_view what) {
  for (const std::string_view key : keys) {
    const NodeEntry* entry = find(key);
    if (entry == nullptr) continue;
    known_.push_back(key);
    report(entry->at, fmt::format("{}: {} is not available in this version", key, what));
  }
}

void Section::finish() {
  for (const NodeEntry& entry : table_) {
    if (std::ranges::find(known_, entry.key) != known_.end()) continue;
    report(entry.at,
           fmt::format("unknown key \"{}\" in {}{}", entry.key, name_, did_you_mean(entry.key, known_)));
  }
}

}  // namespace forebay::config
