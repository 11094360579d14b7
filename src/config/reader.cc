#include "config/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <tuple>
#include <utility>

#include "config/document.h"
#include "config/pattern.h"
#include "config/sections.h"
#include "config/suggest.h"

namespace forebay::config {
namespace {

// Names of sources, users and namespaces go into metrics, logs and commands.
bool is_name(std::string_view text) {
  constexpr std::size_t kLongest = 64;
  return !text.empty() && text.size() <= kLongest && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

class Reader {
 public:
  Reader(const Document& document, const ReadOptions& options, std::string_view file_name)
      : document_(document), options_(options), mistakes_(document.mistakes) {
    model_.file = file_name;
  }

  std::expected<Model, std::vector<Mistake>> read();

 private:
  static constexpr std::string_view kTables[] = {"server",  "user",   "memory",    "default", "log",
                                                 "journal", "source", "namespace", "events"};

  const NodeEntry* find(std::string_view key) const;
  template <class Read>
  void read_table(std::string_view key, Read read);
  template <class T, class Read>
  void read_named(std::string_view key, std::vector<T>& to, Read read);
  void check_top_level();
  void check_collisions();

  const Document& document_;
  const ReadOptions& options_;
  std::vector<Mistake> mistakes_;
  Model model_;
  std::vector<Position> key_positions_;  // of the namespaces' key patterns
};

const NodeEntry* Reader::find(std::string_view key) const {
  const NodeTable& root = *document_.root.table();
  const auto found = std::ranges::find(root, key, &NodeEntry::key);
  return found == root.end() ? nullptr : &*found;
}

// [key]: one table. Read also if it is absent, so that defaults are checked like everything else.
template <class Read>
void Reader::read_table(std::string_view key, Read read) {
  static const NodeTable kEmpty;
  const NodeEntry* entry = find(key);
  if (entry != nullptr && entry->value.front().table() == nullptr) {
    mistakes_.push_back({entry->at, fmt::format("{0} must be a table: write [{0}]", key)});
    return;
  }
  Section section(document_, fmt::format("[{}]", key),
                  entry == nullptr ? kEmpty : *entry->value.front().table(),
                  entry == nullptr ? Position{} : entry->at, mistakes_);
  read(section);
  section.finish();
}

// [key.X], [key.Y], …: one table each.
template <class T, class Read>
void Reader::read_named(std::string_view key, std::vector<T>& to, Read read) {
  const NodeEntry* entry = find(key);
  if (entry == nullptr) return;
  const NodeTable* tables = entry->value.front().table();
  if (tables == nullptr) {
    mistakes_.push_back({entry->at, fmt::format("{0} must be a table of tables: write [{0}.NAME]", key)});
    return;
  }
  for (const NodeEntry& named : *tables) {
    const NodeTable* table = named.value.front().table();
    if (table == nullptr) {
      mistakes_.push_back(
          {named.at, fmt::format("[{0}] has no keys of its own: write [{0}.NAME], and \"{1}\" under it", key,
                                 named.key)});
      continue;
    }
    if (!is_name(named.key)) {
      mistakes_.push_back(
          {named.at,
           fmt::format("\"{}\" is no name of a {}: letters, digits, _ and -, at most 64", named.key, key)});
    }
    T item;
    item.name = named.key;
    item.at = named.at;
    Section section(document_, fmt::format("[{}.{}]", key, named.key), *table, named.at, mistakes_);
    read(section, item);
    section.finish();
    to.push_back(std::move(item));
  }
}

void Reader::check_top_level() {
  for (const NodeEntry& entry : *document_.root.table()) {
    if (std::ranges::find(kTables, entry.key) != std::end(kTables)) continue;
    if (entry.key == "remote") {
      mistakes_.push_back({entry.at, "[remote]: a shared remote tier is not available in this version"});
    } else {
      const bool table = entry.value.front().table() != nullptr;
      mistakes_.push_back(
          {entry.at, fmt::format("unknown {} \"{}\"{}", table ? "table" : "key outside of any table",
                                 entry.key, did_you_mean(entry.key, kTables))});
    }
  }
}

// Two namespaces must not compete for a key. Only those whose literal text before the first field is the same
// can.
void Reader::check_collisions() {
  std::map<std::string_view, std::vector<std::size_t>> by_prefix;
  for (std::size_t i = 0; i < model_.namespaces.size(); ++i) {
    const Pattern& key = model_.namespaces[i].key;
    if (!key.text.empty() && parse_pattern(key.text)) by_prefix[key.literals.front()].push_back(i);
  }
  for (const auto& [prefix, which] : by_prefix) {
    for (std::size_t later = 1; later < which.size(); ++later) {
      for (std::size_t earlier = 0; earlier < later; ++earlier) {
        const Namespace& space = model_.namespaces[which[later]];
        const Namespace& other = model_.namespaces[which[earlier]];
        const std::string key = common_key(other.key, space.key);
        if (key.empty()) continue;
        mistakes_.push_back(
            {key_positions_[which[later]], fmt::format("the key pattern \"{}\" collides with \"{}\" of "
                                                       "[namespace.{}] in line {}: both cover \"{}\"",
                                                       space.key.text, other.key.text, other.name,
                                                       key_positions_[which[earlier]].line, key)});
        break;  // one is enough to have it repaired
      }
    }
  }
}

// A password that a text which a message quotes may hold, whichever setting it was written for: what stands
// between :// and @.
void hide_credentials(std::string& text) {
  for (std::size_t scheme = text.find("://"); scheme != std::string::npos;
       scheme = text.find("://", scheme)) {
    scheme += 3;
    const std::size_t end = std::min(text.find_first_of("\"\n", scheme), text.size());
    const std::size_t at = text.rfind('@', end);
    if (at == std::string::npos || at < scheme) continue;
    if (text.find(':', scheme) < at) text.replace(scheme, at - scheme, "...");
  }
}

std::expected<Model, std::vector<Mistake>> Reader::read() {
  check_top_level();
  read_named("user", model_.server.users,
             [&](Section& section, User& user) { read_user(section, user, options_); });
  const bool rules_are_right = mistakes_.empty();
  read_table("server", [&](Section& section) {
    ReadOptions options = options_;
    if (!rules_are_right) options.lets_everybody_in = nullptr;
    read_server(section, model_.server, options);
  });
  read_table("memory", [&](Section& section) { read_memory(section, model_.memory, options_); });
  read_table("default", [&](Section& section) { read_defaults(section, model_.defaults); });
  read_table("log", [&](Section& section) { read_log(section, model_.log); });
  read_table("journal", [&](Section& section) { read_journal(section, model_.journal, options_.folder); });
  read_named("source", model_.sources,
             [&](Section& section, Source& source) { read_source(section, source, options_.folder); });
  read_named("namespace", model_.namespaces, [&](Section& section, Namespace& space) {
    read_namespace(section, space, model_.sources, find("journal") != nullptr);
    key_positions_.push_back(section.at("key"));
  });
  read_named("events", model_.events,
             [&](Section& section, Events& events) { read_events(section, events, model_.namespaces); });
  constexpr std::size_t kMostNamespaces = 10'000;  // each is compared with the others
  if (model_.namespaces.size() > kMostNamespaces) {
    mistakes_.push_back({model_.namespaces[kMostNamespaces].at,
                         fmt::format("there are more than {} namespaces", kMostNamespaces)});
  } else {
    check_collisions();
  }
  if (mistakes_.empty()) return std::move(model_);
  for (Mistake& mistake : mistakes_) hide_credentials(mistake.what);
  std::ranges::sort(mistakes_, [](const Mistake& a, const Mistake& b) {
    return std::tie(a.at.line, a.at.column, a.what) < std::tie(b.at.line, b.at.column, b.what);
  });
  if (mistakes_.size() > kMaxMistakes) {
    const std::size_t more = mistakes_.size() - kMaxMistakes;
    mistakes_.resize(kMaxMistakes);
    mistakes_.push_back({mistakes_.back().at, fmt::format("and {} more mistakes", more)});
  }
  return std::unexpected(std::move(mistakes_));
}

}  // namespace

std::expected<Model, std::vector<Mistake>> check(std::string_view toml, std::string_view file_name,
                                                 const ReadOptions& options) {
  const Document document = parse_document(toml);
  return Reader(document, options, file_name).read();
}

Result<Model> read(std::string_view toml, std::string_view file_name, const ReadOptions& options) {
  auto checked = check(toml, file_name, options);
  if (checked) return std::move(*checked);
  std::string text;
  for (const Mistake& mistake : checked.error()) {
    if (!text.empty()) text += '\n';
    text += fmt::format("{}:{}:{}: {}", file_name, mistake.at.line, mistake.at.column, mistake.what);
  }
  return Error{ErrorCode::kConfig, std::move(text)};
}

Result<Model> read_file(const std::string& path, const ReadOptions& options) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    return Error{ErrorCode::kConfig, fmt::format("{}: is a folder, not a file", path)};
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return Error{ErrorCode::kConfig, fmt::format("{}: can't be read: {}", path, std::strerror(errno))};
  std::string text;
  std::array<char, 65536> buffer;
  while (file.read(buffer.data(), buffer.size()) || file.gcount() > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(file.gcount()));
    if (text.size() > kMaxFile)
      return Error{ErrorCode::kConfig, fmt::format("{}: is larger than 16 MiB", path)};
  }
  const std::string folder = std::filesystem::path(path).parent_path().string();
  ReadOptions here = options;
  if (here.folder.empty()) here.folder = folder;
  return read(text, path, here);
}

}  // namespace forebay::config
