#include "journal/decimal.h"

#include <algorithm>
#include <boost/multiprecision/cpp_int.hpp>
#include <charconv>
#include <cstddef>
#include <utility>

namespace forebay::journal {
namespace {

struct Decimal {
  boost::multiprecision::cpp_int digits;
  std::size_t scale = 0;  // of them that are behind the point
};

// Larger numbers are no numbers here: a short text with an exponent could ask for any amount of memory.
constexpr std::size_t kDigitsMax = 1000;

std::optional<Decimal> decimal_of(std::string_view text) {
  std::size_t i = 0;
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) ++i;
  std::string digits;
  std::ptrdiff_t scale = 0;
  bool point = false;
  for (; i < text.size(); ++i) {
    if (text[i] == '.' && !point) {
      point = true;
    } else if (text[i] >= '0' && text[i] <= '9') {
      digits += text[i];
      if (point) ++scale;
    } else {
      break;
    }
  }
  if (digits.empty() || digits.size() > kDigitsMax) return std::nullopt;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    const auto exponent = integer_of(text.substr(i + 1));
    if (!exponent || *exponent > std::ptrdiff_t{kDigitsMax} || *exponent < -std::ptrdiff_t{kDigitsMax})
      return std::nullopt;
    scale -= *exponent;
    i = text.size();
  }
  if (i != text.size()) return std::nullopt;
  for (; scale < 0; ++scale) digits += '0';
  if (scale > std::ptrdiff_t{2 * kDigitsMax}) return std::nullopt;
  // A leading zero would make it octal.
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  Decimal out{boost::multiprecision::cpp_int(digits), static_cast<std::size_t>(scale)};
  if (negative) out.digits = -out.digits;
  return out;
}

std::string text_of(const Decimal& number) {
  const bool negative = number.digits < 0;
  std::string digits = boost::multiprecision::cpp_int(abs(number.digits)).str();
  if (digits.size() <= number.scale) digits.insert(0, number.scale + 1 - digits.size(), '0');
  if (number.scale > 0) digits.insert(digits.size() - number.scale, 1, '.');
  return negative ? "-" + digits : digits;
}

}  // namespace

std::optional<std::int64_t> integer_of(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (wrong != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_decimal(std::string_view text) {
  return decimal_of(text).has_value();
}

std::optional<std::string> sum_of(std::string_view a, std::string_view b) {
  const auto whole_a = integer_of(a);
  const auto whole_b = integer_of(b);
  if (whole_a && whole_b) {
    std::int64_t sum = 0;
    if (__builtin_add_overflow(*whole_a, *whole_b, &sum)) return std::nullopt;
    return std::to_string(sum);
  }
  auto left = decimal_of(a);
  auto right = decimal_of(b);
  if (!left || !right) return std::nullopt;
  for (; left->scale < right->scale; ++left->scale) left->digits *= 10;
  for (; right->scale < left->scale; ++right->scale) right->digits *= 10;
  left->digits += right->digits;
  return text_of(*left);
}

}  // namespace forebay::journal
