#include "config/query.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace forebay::config {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c) ||
         static_cast<unsigned char>(c) >= 0x80;
}

// Walks over a statement piece by piece: what is quoted or commented, a word, a parameter, or a single byte.
class Scanner {
 public:
  Scanner(std::string_view text, Dialect dialect, std::vector<TextMistake>& mistakes)
      : text_(text),
        postgres_(dialect == Dialect::kPostgres),
        mysql_(dialect == Dialect::kMysql),
        mistakes_(mistakes) {
    query_.texts.emplace_back();
  }

  Query scan() {
    while (at_ < text_.size()) piece();
    return std::move(query_);
  }

 private:
  bool starts_with(std::string_view prefix) const { return text_.substr(at_).starts_with(prefix); }
  char next() const { return at_ + 1 < text_.size() ? text_[at_ + 1] : '\0'; }

  void copy_to(std::size_t end) {
    query_.texts.back().append(text_, at_, end - at_);
    at_ = end;
  }
  void mistake(std::string what) { mistakes_.push_back({at_, std::move(what)}); }
  void never_closed(std::string_view what) {
    mistake(fmt::format("a {} that is not closed", what));
    at_ = text_.size();
  }

  void piece() {
    const char c = text_[at_];
    if (begins_comment()) return copy_to(std::min(text_.find('\n', at_), text_.size()));
    if (starts_with("/*")) return comment();
    if (c == '\'') return quoted(c, "string literal", mysql_);
    if (c == '"') return quoted(c, mysql_ ? "string literal" : "quoted name", mysql_);
    if (!postgres_ && c == '`') return quoted(c, "quoted name", false);
    if (!postgres_ && !mysql_ && c == '[') return quoted(']', "quoted name", false);
    if (is_own_parameter(c)) {
      mistake("a parameter of its own, which nothing is bound to: write {field} instead");
      return copy_to(at_ + 1);
    }
    if (postgres_ && c == '$') return dollar_quoted();
    if (is_name_char(c)) return word();
    if (c == '{') return parameter();
    if (c == '}') mistake("a } without a { before it");
    copy_to(at_ + 1);
  }

  // To the end of the line. MySQL takes `1--1` for a difference.
  bool begins_comment() const {
    if (mysql_ && text_[at_] == '#') return true;
    if (!starts_with("--")) return false;
    return !mysql_ || at_ + 2 >= text_.size() || static_cast<unsigned char>(text_[at_ + 2]) <= ' ';
  }

  bool is_own_parameter(char c) const {
    if (postgres_) return c == '$' && is_digit(next());
    if (mysql_) return c == '?';
    return c == '?' || ((c == ':' || c == '@' || c == '$' || c == '#') && is_name_char(next()));
  }

  // A name or number whole, so that what follows is known not to be its tail; E'…' with its backslashes.
  void word() {
    std::size_t end = at_;
    while (end < text_.size() && (is_name_char(text_[end]) || text_[end] == '$')) ++end;
    const std::string_view word = text_.substr(at_, end - at_);
    copy_to(end);
    const bool escapes = postgres_ && (word == "E" || word == "e");
    if (escapes && starts_with("'")) quoted('\'', "string literal", true);
  }

  // Up to the closing quote. A doubled one is text, except for ']', which has no such form.
  void quoted(char close, std::string_view what, bool backslashes) {
    for (std::size_t i = at_ + 1; i < text_.size(); ++i) {
      if (backslashes && text_[i] == '\\') {
        ++i;
      } else if (text_[i] == close) {
        if (close == ']' || i + 1 >= text_.size() || text_[i + 1] != close) return copy_to(i + 1);
        ++i;
      }
    }
    never_closed(what);
  }

  // PostgreSQL's comments nest, the others' don't.
  void comment() {
    std::size_t depth = 0;
    for (std::size_t i = at_; i + 1 < text_.size();) {
      const std::string_view two = text_.substr(i, 2);
      if (two == "*/") {
        i += 2;
        if (--depth == 0) return copy_to(i);
      } else if (two == "/*" && (depth == 0 || postgres_)) {
        ++depth;
        i += 2;
      } else {
        ++i;
      }
    }
    never_closed("comment");
  }

  // $tag$ … $tag$; a lone dollar is text.
  void dollar_quoted() {
    std::size_t end = at_ + 1;
    while (end < text_.size() && is_name_char(text_[end])) ++end;
    if (end >= text_.size() || text_[end] != '$') return copy_to(at_ + 1);
    const std::string_view tag = text_.substr(at_, end + 1 - at_);
    const std::size_t close = text_.find(tag, end + 1);
    if (close == std::string_view::npos) return never_closed("dollar-quoted string");
    copy_to(close + tag.size());
  }

  void parameter() {
    const std::size_t end = text_.find('}', at_);
    if (end == std::string_view::npos) return never_closed("{");
    query_.parameters.push_back({std::string(text_.substr(at_ + 1, end - at_ - 1)), at_});
    query_.texts.emplace_back();
    at_ = end + 1;
  }

  std::string_view text_;
  bool postgres_;
  bool mysql_;
  std::vector<TextMistake>& mistakes_;
  std::size_t at_ = 0;
  Query query_;
};

}  // namespace

Query parse_query(std::string_view text, Dialect dialect, std::vector<TextMistake>& mistakes) {
  return Scanner(text, dialect, mistakes).scan();
}

}  // namespace forebay::config
