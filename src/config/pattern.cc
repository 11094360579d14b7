#include "config/pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace forebay::config {
namespace {

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// A pattern as a row of steps: a byte, or a field (one byte or more).
std::vector<int> to_steps(const Pattern& pattern) {
  constexpr int kField = -1;
  std::vector<int> steps;
  for (std::size_t i = 0; i < pattern.literals.size(); ++i) {
    if (i > 0) steps.push_back(kField);
    for (const char c : pattern.literals[i]) steps.push_back(static_cast<unsigned char>(c));
  }
  return steps;
}

}  // namespace

bool is_field_name(std::string_view text) {
  return !text.empty() && is_letter(text.front()) &&
         std::ranges::all_of(text, [](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

Pattern parse_pattern(std::string_view text, std::vector<TextMistake>& mistakes) {
  Pattern pattern;
  pattern.text = text;
  pattern.literals.emplace_back();
  if (text.empty()) mistakes.push_back({0, "a key pattern must not be empty"});
  if (text.size() > kMaxPattern) {
    mistakes.push_back({kMaxPattern, fmt::format("a key pattern has at most {} bytes", kMaxPattern)});
    return pattern;
  }
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '}') {
      mistakes.push_back({at, "this } closes no field"});
      ++at;
    } else if (text[at] != '{') {
      pattern.literals.back() += text[at++];
    } else {
      const std::size_t close = text.find_first_of("{}", at + 1);
      if (close == std::string_view::npos || text[close] == '{') {
        mistakes.push_back({at, "this { is never closed: a field is written {name}"});
        at = std::min(close, text.size());
        continue;
      }
      const std::string_view name = text.substr(at + 1, close - at - 1);
      if (name.empty()) {
        mistakes.push_back({at, "an empty field: write the column's name between the braces"});
      } else if (!is_field_name(name)) {
        mistakes.push_back(
            {at + 1, fmt::format("\"{}\" is no field name: letters, digits and _, not a digit first", name)});
      } else if (std::ranges::find(pattern.fields, name) != pattern.fields.end()) {
        mistakes.push_back({at, fmt::format("the field {{{}}} stands in the pattern twice", name)});
      } else if (!pattern.fields.empty() && pattern.literals.back().empty()) {
        mistakes.push_back(
            {at,
             fmt::format("nothing separates {{{}}} from {{{}}}: put a literal between them, such as \":\"",
                         pattern.fields.back(), name)});
      }
      pattern.fields.emplace_back(name);
      pattern.literals.emplace_back();
      at = close + 1;
    }
  }
  return pattern;
}

Result<Pattern> parse_pattern(std::string_view text) {
  std::vector<TextMistake> mistakes;
  Pattern pattern = parse_pattern(text, mistakes);
  if (mistakes.empty()) return pattern;
  return Error{ErrorCode::kConfig, fmt::format("key pattern \"{}\", byte {}: {}", text,
                                               mistakes.front().offset, mistakes.front().what)};
}

std::string common_key(const Pattern& a, const Pattern& b) {
  return a.literals.front() == b.literals.front() ? shared_key(a, b) : std::string();
}

std::string shared_key(const Pattern& a, const Pattern& b) {
  // A walk through both patterns at once. State (i, j): i steps of a and j steps of b have been begun on; a
  // field that has taken a byte may take more, which is a step that stays. First found is a shortest key.
  const std::vector<int> first = to_steps(a);
  const std::vector<int> second = to_steps(b);
  const std::size_t width = second.size() + 1;
  struct Came {
    std::size_t from;
    char byte;
  };
  constexpr std::size_t kUnseen = static_cast<std::size_t>(-1);
  std::vector<Came> came((first.size() + 1) * width, Came{kUnseen, 0});
  std::vector<std::size_t> queue{0};
  came[0].from = 0;
  for (std::size_t head = 0; head < queue.size(); ++head) {
    const std::size_t state = queue[head];
    const std::size_t i = state / width;
    const std::size_t j = state % width;
    if (i == first.size() && j == second.size()) {
      std::string key;
      for (std::size_t at = state; at != 0; at = came[at].from) key += came[at].byte;
      std::ranges::reverse(key);
      return key;
    }
    // The moves each pattern can make on one more byte: take its next step, or stay in the field it is in.
    const auto moves = [](const std::vector<int>& steps, std::size_t at) {
      std::vector<std::pair<int, std::size_t>> result;
      if (at < steps.size()) result.emplace_back(steps[at], at + 1);
      if (at > 0 && steps[at - 1] < 0) result.emplace_back(-1, at);
      return result;
    };
    for (const auto& [wanted, to_i] : moves(first, i)) {
      for (const auto& [also_wanted, to_j] : moves(second, j)) {
        if (wanted >= 0 && also_wanted >= 0 && wanted != also_wanted) continue;
        const int byte = wanted >= 0 ? wanted : also_wanted >= 0 ? also_wanted : 'x';
        const std::size_t to = to_i * width + to_j;
        if (came[to].from != kUnseen) continue;
        came[to] = {state, static_cast<char>(byte)};
        queue.push_back(to);
      }
    }
  }
  return {};
}

}  // namespace forebay::config
