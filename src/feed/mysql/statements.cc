#include "feed/mysql/statements.h"

#include <algorithm>
#include <span>
#include <string>
#include <utility>

namespace forebay::feed::mysql {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Passes over blanks, brackets and comments; one that MySQL runs is only unwrapped.
void skip_to_word(std::string_view& text) {
  while (!text.empty()) {
    if (is_blank(text.front()) || text.front() == '(') {
      text.remove_prefix(1);
    } else if (text.starts_with("/*!") || text.starts_with("/*M!")) {
      text.remove_prefix(text.find('!') + 1);
      while (!text.empty() && text.front() >= '0' && text.front() <= '9') text.remove_prefix(1);
    } else if (text.starts_with("*/")) {
      text.remove_prefix(2);
    } else if (text.starts_with("/*")) {
      text.remove_prefix(std::min(text.find("*/", 2), text.size() - 2) + 2);
    } else if (text.starts_with("-- ") || text.starts_with("#")) {
      text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
    } else {
      return;
    }
  }
}

std::string next_word(std::string_view& text) {
  skip_to_word(text);
  std::string word;
  while (!text.empty() && is_letter(text.front())) {
    word += lower(text.front());
    text.remove_prefix(1);
  }
  return word;
}

bool is_one_of(std::string_view word, std::span<const std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

Meaning meaning_of_xa(std::string_view rest) {
  const std::string word = next_word(rest);
  if (word == "start" || word == "begin") return Meaning::kXaStart;
  if (word == "commit") return Meaning::kXaCommit;
  if (word == "rollback") return Meaning::kXaRollback;
  return word == "end" || word == "prepare" ? Meaning::kNothing : Meaning::kChange;
}

Meaning meaning_of_set(std::string_view rest) {
  const std::string word = next_word(rest);
  // SET STATEMENT … FOR runs another statement.
  return word == "password" || word == "default" || word == "role" ? Meaning::kNothing : Meaning::kChange;
}

}  // namespace

Meaning meaning_of(std::string_view statement) {
  std::string_view rest = statement;
  const std::string word = next_word(rest);
  constexpr std::string_view kNothing[] = {"savepoint", "release", "grant", "revoke",
                                           "flush",     "analyze", "check"};
  constexpr std::string_view kDefinition[] = {"create",   "alter",    "drop",  "rename",
                                              "truncate", "optimize", "repair"};
  if (word == "begin" || word == "start") return Meaning::kBegin;
  if (word == "commit") return Meaning::kEnd;
  if (word == "rollback") return next_word(rest) == "to" ? Meaning::kNothing : Meaning::kEnd;
  if (word == "xa") return meaning_of_xa(rest);
  if (word == "set") return meaning_of_set(rest);
  if (is_one_of(word, kNothing)) return Meaning::kNothing;
  if (is_one_of(word, kDefinition)) return Meaning::kDefinition;
  return Meaning::kChange;
}

std::string_view xa_name(std::string_view statement) {
  next_word(statement);
  next_word(statement);
  skip_to_word(statement);
  statement = statement.substr(0, statement.find_first_of(" ;"));
  return statement;
}

bool may_name(std::string_view statement, std::string_view name) {
  const bool plain =
      std::ranges::all_of(name, [](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '$'; });
  if (!plain || name.empty()) return true;
  return !std::ranges::search(statement, name, [](char a, char b) { return lower(a) == lower(b); }).empty();
}

}  // namespace forebay::feed::mysql
