#include "source/postgres/spelling.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <limits>

#include "base/decimal.h"

namespace forebay::source::postgres {
namespace {

bool equals_ignoring_case(std::string_view text, std::string_view lower) {
  return std::ranges::equal(
      text, lower, {}, [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
}

// 0x1F, 1_000: since PostgreSQL 16.
bool is_later_spelling(std::string_view digits) {
  const bool based = digits.size() > 2 && digits[0] == '0' && !is_digit(digits[1]);
  return based || digits.find('_') != std::string_view::npos;
}

// NaN and infinities; "": it is none.
std::string special_number(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (equals_ignoring_case(text, "nan")) return "NaN";
  if (!equals_ignoring_case(text, "inf") && !equals_ignoring_case(text, "infinity")) return "";
  return negative ? "-Infinity" : "Infinity";
}

// extra_float_digits = 1: the fewest digits that read back the same, in plain notation where the exponent is
// at least -4 and below the digits that the type always keeps.
template <class Float>
std::string shortest_text(std::string_view text) {
  std::string_view digits = without_blanks(text);
  if (std::string special = special_number(digits); !special.empty()) return special;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  Float value{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::string(text);
  std::array<char, 64> buffer;
  const auto written =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  const std::string_view spelled(buffer.data(), written.ptr);
  int exponent = 0;
  const char* digit = spelled.data() + spelled.find('e') + 1;
  if (*digit == '+') ++digit;
  std::from_chars(digit, written.ptr, exponent);
  if (exponent < -4 || exponent >= std::numeric_limits<Float>::digits10) return std::string(spelled);
  std::array<char, 64> plain;
  const auto fixed =
      std::to_chars(plain.data(), plain.data() + plain.size(), value, std::chars_format::fixed);
  return std::string(plain.data(), fixed.ptr);
}

}  // namespace

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool is_canonical_integer(std::string_view text, int bytes) {
  const bool negative = text.starts_with('-');
  const std::string_view digits = text.substr(negative ? 1 : 0);
  if (digits.empty() || !std::ranges::all_of(digits, is_digit)) return false;
  if (digits.front() == '0' && (digits.size() > 1 || negative)) return false;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  switch (bytes) {
    case 2:
      return value >= -32768 && value <= 32767;
    case 4:
      return value >= -2147483648LL && value <= 2147483647LL;
    case -4:
      return value >= 0 && value <= 4294967295LL;
    default:
      return true;
  }
}

bool may_be_integer(std::string_view text, int bytes) {
  text = without_blanks(text);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (is_later_spelling(text)) return true;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  if (bytes <= 0) return true;
  const std::uint64_t most = (std::uint64_t{1} << (bytes * 8 - 1)) - (negative ? 0 : 1);
  return value <= most;
}

bool may_be_number(std::string_view text) {
  if (is_decimal(without_blanks(text))) return true;
  text = without_blanks(text);
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  for (const std::string_view word : {"nan", "inf", "infinity"}) {
    if (equals_ignoring_case(text, word)) return true;
  }
  return is_later_spelling(text);
}

bool may_be_boolean(std::string_view text) {
  text = without_blanks(text);
  if (text.empty()) return false;
  for (const std::string_view word : {"true", "false", "yes", "no", "on", "off", "1", "0"}) {
    if (equals_ignoring_case(text, word.substr(0, text.size()))) return true;
  }
  return false;
}

bool may_be_uuid(std::string_view text) {
  std::size_t digits = 0;
  for (const char c : text) {
    const bool digit = is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (!digit && c != '-' && c != '{' && c != '}') return false;
    digits += digit ? 1 : 0;
  }
  return digits == 32;
}

std::string integer_text(std::string_view text, int bytes) {
  std::string_view digits = without_blanks(text);
  if (digits.starts_with('+')) digits.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool whole = error == std::errc() && end == digits.data() + digits.size();
  std::string spelled = std::to_string(value);
  return whole && is_canonical_integer(spelled, bytes) ? spelled : std::string(text);
}

std::string boolean_text(std::string_view text) {
  const std::string_view word = without_blanks(text);
  for (const bool value : {true, false}) {
    for (const std::string_view name :
         value ? std::array{"true", "yes", "on", "1"} : std::array{"false", "no", "off", "0"}) {
      const bool ambiguous = word.size() == 1 && name.starts_with('o');
      if (!word.empty() && !ambiguous && equals_ignoring_case(word, name.substr(0, word.size())))
        return value ? "true" : "false";
    }
  }
  return std::string(text);
}

std::string numeric_text(std::string_view text) {
  std::string_view digits = without_blanks(text);
  if (std::string special = special_number(digits); !special.empty()) return special;
  if (!may_be_number(digits) || is_later_spelling(digits) ||
      digits.find_first_of("eE") != std::string_view::npos)
    return std::string(text);
  const bool negative =
      digits.starts_with('-') && digits.find_first_of("123456789") != std::string_view::npos;
  if (!is_digit(digits.front()) && digits.front() != '.') digits.remove_prefix(1);
  while (digits.size() > 1 && digits.front() == '0' && is_digit(digits[1])) digits.remove_prefix(1);
  if (digits.ends_with('.')) digits.remove_suffix(1);
  return fmt::format("{}{}{}", negative ? "-" : "", digits.starts_with('.') ? "0" : "", digits);
}

bool is_canonical_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : hex_digit(text[i]) < 0) return false;
  }
  return true;
}

std::string uuid_text(std::string_view text) {
  if (!may_be_uuid(text)) return std::string(text);
  std::string spelled;
  for (const char c : text) {
    if (hex_digit(c) < 0 && !(c >= 'A' && c <= 'F')) continue;
    if (spelled.size() == 8 || spelled.size() == 13 || spelled.size() == 18 || spelled.size() == 23)
      spelled += '-';
    spelled += c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return spelled;
}

std::string float_text(std::string_view text, int bytes) {
  return bytes == 8 ? shortest_text<double>(text) : shortest_text<float>(text);
}

}  // namespace forebay::source::postgres
