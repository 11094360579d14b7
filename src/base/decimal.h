#pragma once

// Numbers as decimal texts: the one grammar of them. What asks for more (a range, no point, blanks around it)
// asks here first. Pure functions; thread-safe; linear in the text's length.

#include <array>
#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace forebay {

// The parts of a decimal number: a sign, digits with a point before, among or after them, an exponent. Only
// the digits must be there. Borrows the text.
struct Decimal {
  bool negative = false;
  std::string_view whole;     // digits before the point
  std::string_view fraction;  // and after it
  std::string_view exponent;  // with its sign; empty: none
  bool pointed = false;       // there is a point, perhaps with no digit after it
};
// Nothing: the text is no decimal number. Blanks are none either.
std::optional<Decimal> parse_decimal(std::string_view text);

inline bool is_decimal(std::string_view text) {
  return parse_decimal(text).has_value();
}

// Without what C's isspace() names, before and after it: SQL's databases look past that.
inline std::string_view without_blanks(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

// An integer of 64 bits: digits, and a sign or none. Nothing: it is none.
inline std::optional<std::int64_t> integer_of(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (wrong != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The same, only in the one spelling that Redis takes for it: no plus sign, no leading zero, no negative
// zero.
constexpr std::optional<std::int64_t> canonical_integer_of(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (text.empty() || text.size() > 19) return std::nullopt;
  if (text[0] == '0') {
    if (text.size() > 1 || negative) return std::nullopt;
    return 0;
  }
  std::uint64_t number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<std::uint64_t>(c - '0');  // 19 digits can't overflow 64 bits
  }
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (negative) {
    if (number > kMax + 1) return std::nullopt;
    return static_cast<std::int64_t>(~number + 1);
  }
  if (number > kMax) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

// An integer's text, without an allocation.
class Digits {
 public:
  explicit Digits(std::int64_t number)
      : end_(std::to_chars(text_.data(), text_.data() + text_.size(), number).ptr) {}
  Digits(const Digits&) = delete;
  Digits& operator=(const Digits&) = delete;
  std::string_view view() const { return {text_.data(), end_}; }

 private:
  std::array<char, 20> text_;  // of -2^63
  const char* end_;
};

// A decimal number without what says nothing, as Redis writes it: `5.0` and `5.50` are `5` and `5.5`, `-0` is
// `0`. What has an exponent, or is no such number, stays.
std::string without_trailing_zeros(std::string text);

}  // namespace forebay
