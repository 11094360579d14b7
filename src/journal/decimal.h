#pragma once

// Decimal numbers as texts, added exactly: what a counter is raised by. Pure functions; thread-safe.

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace forebay::journal {

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

// Of 64 bits, with a sign or without; nothing: it is none.
std::optional<std::int64_t> integer_of(std::string_view text);

// Digits with or without a point, a sign and an exponent; at most 1,000 digits, and an exponent of at most
// 1,000: a short text must not ask for any amount of memory.
bool is_decimal(std::string_view text);

// In plain notation. Nothing: one of them is no number, or two integers leave 64 bits. As in SQL, the sum has
// as many digits behind the point as the one with more.
std::optional<std::string> sum_of(std::string_view a, std::string_view b);

}  // namespace forebay::journal
