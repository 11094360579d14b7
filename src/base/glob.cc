#include "base/glob.h"

#include <algorithm>
#include <string>

namespace forebay {

Result<Glob> Glob::compile(std::string_view pattern) {
  if (pattern.size() > kMaxLength) {
    return Error{ErrorCode::kInvalidArgument,
                 "pattern is longer than " + std::to_string(kMaxLength) + " bytes"};
  }
  Glob glob;
  glob.steps_.reserve(pattern.size());
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    const auto byte = static_cast<unsigned char>(pattern[at]);
    switch (byte) {
      case '*':
        if (glob.steps_.empty() || glob.steps_.back().kind != Kind::kStar)
          glob.steps_.push_back({Kind::kStar});
        break;
      case '?':
        glob.steps_.push_back({Kind::kAny});
        break;
      case '[':
        at = glob.compile_set(pattern, at + 1);
        break;
      case '\\':
        if (at + 1 < pattern.size()) ++at;  // a last backslash stands for itself
        glob.steps_.push_back({Kind::kByte, static_cast<unsigned char>(pattern[at])});
        break;
      default:
        glob.steps_.push_back({Kind::kByte, byte});
    }
  }
  return glob;
}

// Compiles the set whose first byte after `[` is at `at`; returns where its last byte is.
std::size_t Glob::compile_set(std::string_view pattern, std::size_t at) {
  std::bitset<256> members;
  const bool inverted = at < pattern.size() && pattern[at] == '^';
  if (inverted) ++at;
  for (; at < pattern.size() && pattern[at] != ']'; ++at) {
    auto first = static_cast<unsigned char>(pattern[at]);
    if (first == '\\' && at + 1 < pattern.size()) {
      members.set(static_cast<unsigned char>(pattern[++at]));
      continue;
    }
    auto last = first;
    // As in Redis, whatever follows the dash is the range's end, a closing bracket included.
    if (at + 2 < pattern.size() && pattern[at + 1] == '-') {
      last = static_cast<unsigned char>(pattern[at + 2]);
      at += 2;
      if (first > last) std::swap(first, last);
    }
    for (unsigned member = first; member <= last; ++member) members.set(member);
  }
  if (inverted) members.flip();
  steps_.push_back({Kind::kSet, 0, static_cast<std::uint16_t>(sets_.size())});
  sets_.push_back(members);
  return std::min(at, pattern.size() - 1);
}

bool Glob::step_matches(const Step& step, unsigned char byte) const {
  switch (step.kind) {
    case Kind::kByte:
      return step.byte == byte;
    case Kind::kAny:
      return true;
    case Kind::kSet:
      return sets_[step.set].test(byte);
    case Kind::kStar:
      break;
  }
  return false;
}

bool Glob::matches(std::string_view text) const {
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t step = 0;
  std::size_t at = 0;
  std::size_t after_star = kNone;  // the step to resume at when the rest does not match
  std::size_t star_at = 0;         // where in the text the last star's share ends so far
  while (at < text.size()) {
    if (step < steps_.size() && steps_[step].kind == Kind::kStar) {
      after_star = ++step;
      star_at = at;
      if (after_star == steps_.size()) return true;
    } else if (step < steps_.size() && step_matches(steps_[step], static_cast<unsigned char>(text[at]))) {
      ++step;
      ++at;
    } else if (after_star != kNone) {
      step = after_star;
      at = ++star_at;
    } else {
      return false;
    }
  }
  while (step < steps_.size() && steps_[step].kind == Kind::kStar) ++step;
  return step == steps_.size();
}

}  // namespace forebay
