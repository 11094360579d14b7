#include "source/mysql/reactions.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

namespace forebay::source::mysql {
namespace {

constexpr const char* kTables =
    "SELECT table_schema, table_name, table_schema = DATABASE() FROM information_schema.tables WHERE "
    "table_schema NOT IN "
    "('information_schema', 'performance_schema', 'mysql', 'sys')";
constexpr const char* kRoutines = "SELECT routine_name FROM information_schema.routines";
constexpr const char* kTriggers =
    "SELECT event_object_schema, event_object_table, event_manipulation, action_statement "
    "FROM information_schema.triggers";
constexpr const char* kReferences =
    "SELECT k.referenced_table_schema, k.referenced_table_name, k.referenced_column_name, k.table_schema, "
    "k.table_name, r.delete_rule NOT IN ('RESTRICT', 'NO ACTION'), r.update_rule NOT IN ('RESTRICT', 'NO "
    "ACTION') "
    "FROM information_schema.key_column_usage AS k JOIN information_schema.referential_constraints AS r "
    "ON r.constraint_schema = k.constraint_schema AND r.table_name = k.table_name "
    "AND r.constraint_name = k.constraint_name WHERE k.referenced_table_name IS NOT NULL";

using Key = std::pair<std::string, std::string>;  // schema, table

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

// The words of a statement, in quotes or not, in lower case.
std::set<std::string> words_of(std::string_view text) {
  const auto is_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || static_cast<unsigned char>(c) >= 0x80;
  };
  std::set<std::string> words;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::size_t end = i;
    if (text[i] == '`') {
      end = std::min(text.find('`', i + 1), text.size());
      words.insert(lower(text.substr(i + 1, end - i - 1)));
    } else {
      while (end < text.size() && is_word(text[end])) ++end;
      if (end > i) words.insert(lower(text.substr(i, end - i)));
    }
    if (end > i) i = text[i] == '`' ? end : end - 1;
  }
  return words;
}

// The catalogue's answers, and what follows from them.
class Followed {
 public:
  Outcome<void> ask(Pool& pool, const Call& call) {
    for (const auto& [sql, rows] : {std::pair(kTables, &tables_), std::pair(kRoutines, &routines_),
                                    std::pair(kTriggers, &triggers_), std::pair(kReferences, &references_)}) {
      auto answer = pool.ask(sql, {}, call);
      if (!answer) return std::unexpected(std::move(answer).error());
      *rows = std::move(*answer);
    }
    return {};
  }

  // What a write of this kind to a table changes in others.
  enum class Event { kInsert, kUpdate, kRemove, kReference, kAny };
  AlsoChanged after(const Key& table, Event event) {
    changed_.clear();
    anything_ = false;
    follow(table, event);
    AlsoChanged also;
    also.anything = anything_;
    for (std::size_t i = 0; i < tables_.count(); ++i) {
      if (!changed_.contains(key_in(tables_, i, 0))) continue;
      const TableName name{std::string(tables_.cell(i, 0)), std::string(tables_.cell(i, 1))};
      also.tables.push_back(id_of_table(name.schema, name.name));
      also.tables.push_back(name.text());
      if (tables_.cell(i, 2) == "1") also.tables.push_back(name.name);
    }
    return also;
  }

  std::set<std::string> referenced(const Key& table) const {
    std::set<std::string> columns;
    for (std::size_t i = 0; i < references_.count(); ++i) {
      if (key_in(references_, i, 0) == table && references_.cell(i, 6) == "1")
        columns.emplace(references_.cell(i, 2));
    }
    return columns;
  }

 private:
  static Key key_in(const Rows& rows, std::size_t row, std::size_t column) {
    return {std::string(rows.cell(row, column)), std::string(rows.cell(row, column + 1))};
  }
  static bool is_of(std::string_view manipulation, Event event) {
    switch (event) {
      case Event::kInsert:
        return manipulation == "INSERT";
      case Event::kUpdate:
        return manipulation == "UPDATE";
      case Event::kRemove:
        return manipulation == "DELETE";
      case Event::kReference:
        return false;
      case Event::kAny:
        return true;
    }
    return true;
  }

  void follow(const Key& table, Event event) {
    for (std::size_t i = 0; i < triggers_.count(); ++i) {
      if (key_in(triggers_, i, 0) == table && is_of(triggers_.cell(i, 2), event))
        run(words_of(triggers_.cell(i, 3)));
    }
    for (std::size_t i = 0; i < references_.count(); ++i) {
      const bool removes = references_.cell(i, 5) == "1" && (event == Event::kRemove || event == Event::kAny);
      const bool changes =
          references_.cell(i, 6) == "1" && (event == Event::kReference || event == Event::kAny);
      if (key_in(references_, i, 0) == table && (removes || changes)) add(key_in(references_, i, 3));
    }
  }
  // A trigger with these words.
  void run(const std::set<std::string>& words) {
    anything_ |= words.contains("call");
    for (std::size_t i = 0; i < routines_.count(); ++i)
      anything_ |= words.contains(lower(routines_.cell(i, 0)));
    for (std::size_t i = 0; i < tables_.count(); ++i) {
      if (words.contains(lower(tables_.cell(i, 1)))) add(key_in(tables_, i, 0));
    }
  }
  void add(const Key& table) {
    if (changed_.insert(table).second) follow(table, Event::kAny);
  }

  Rows tables_, routines_, triggers_, references_;
  std::set<Key> changed_;
  bool anything_ = false;
};

}  // namespace

bool Reactions::operator==(const Reactions& other) const {
  const auto all = [](const Reactions& one) {
    std::vector<std::pair<std::vector<std::string>, bool>> parts;
    for (const AlsoChanged* also : {&one.to_insert, &one.to_update, &one.to_remove, &one.to_reference})
      parts.emplace_back(also->tables, also->anything);
    return std::pair(std::move(parts), one.referenced);
  };
  return all(*this) == all(other);
}

Outcome<Reactions> reactions_of(Pool& pool, const Table& table, const Call& call) {
  Followed followed;
  if (auto asked = followed.ask(pool, call); !asked) return std::unexpected(std::move(asked).error());
  const Key key{table.name.schema, table.name.name};
  using Event = Followed::Event;
  return Reactions{followed.after(key, Event::kInsert), followed.after(key, Event::kUpdate),
                   followed.after(key, Event::kRemove), followed.referenced(key),
                   followed.after(key, Event::kReference)};
}

}  // namespace forebay::source::mysql
