#include "config/key_template.h"

#include <fmt/format.h>

#include <algorithm>

namespace forebay::config {
namespace {

// Names with dots between them: a path into a message.
bool is_path(std::string_view text) {
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t dot = std::min(text.find('.', from), text.size());
    const std::string_view name = text.substr(from, dot - from);
    const auto is_part = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
             c == '-';
    };
    if (name.empty() || !std::ranges::all_of(name, is_part)) return false;
    from = dot + 1;
  }
  return true;
}

constexpr std::string_view kTag = "tag ";
constexpr std::string_view kKey = "key ";

}  // namespace

KeyTemplate parse_key_template(std::string_view text, std::vector<TextMistake>& mistakes) {
  KeyTemplate made;
  made.text = text;
  std::size_t at = 0;
  if (text.starts_with(kTag)) {
    made.target = KeyTemplate::Target::kTag;
    at = kTag.size();
  } else if (text.starts_with(kKey)) {
    made.target = KeyTemplate::Target::kPlain;
    at = kKey.size();
  }
  Pattern& pattern = made.pattern;
  pattern.text = text.substr(at);
  pattern.literals.emplace_back();
  if (at == text.size()) mistakes.push_back({0, "a key must not be empty"});
  if (text.size() > kMaxPattern) {
    mistakes.push_back({kMaxPattern, fmt::format("a key has at most {} bytes here", kMaxPattern)});
    return made;
  }
  while (at < text.size()) {
    if (text[at] == '}') {
      mistakes.push_back({at++, "this } closes no field"});
      continue;
    }
    if (text[at] != '{') {
      pattern.literals.back() += text[at++];
      continue;
    }
    const std::size_t close = text.find_first_of("{}", at + 1);
    if (close == std::string_view::npos || text[close] == '{') {
      mistakes.push_back({at, "this { is never closed: a field is written {name}, or {outer.inner}"});
      at = std::min(close, text.size());
      continue;
    }
    const std::string_view path = text.substr(at + 1, close - at - 1);
    if (!is_path(path)) {
      mistakes.push_back(
          {at + 1, fmt::format("\"{}\" names no field of a message: letters, digits, _ and -, with dots "
                               "between the names of nested ones",
                               path)});
    }
    pattern.fields.emplace_back(path);
    pattern.literals.emplace_back();
    at = close + 1;
  }
  return made;
}

bool names_key_of(const KeyTemplate& wanted, const Namespace& space) {
  return wanted.target == KeyTemplate::Target::kNamespace && !space.key.text.empty() &&
         !shared_key(wanted.pattern, space.key).empty();
}

}  // namespace forebay::config
