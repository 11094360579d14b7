#include "journal/sums.h"

#include <algorithm>
#include <boost/multiprecision/cpp_int.hpp>
#include <cstddef>

#include "base/decimal.h"

namespace forebay::journal {
namespace {

struct Exact {
  boost::multiprecision::cpp_int digits;
  std::size_t scale = 0;  // of them that are behind the point
};

constexpr std::size_t kDigitsMax = 1000;

std::optional<Exact> exact_of(std::string_view text) {
  const auto number = parse_decimal(text);
  if (!number) return std::nullopt;
  std::string digits(number->whole);
  digits += number->fraction;
  if (digits.size() > kDigitsMax) return std::nullopt;
  auto scale = static_cast<std::ptrdiff_t>(number->fraction.size());
  if (!number->exponent.empty()) {
    const auto exponent = integer_of(number->exponent);
    if (!exponent || *exponent > std::ptrdiff_t{kDigitsMax} || *exponent < -std::ptrdiff_t{kDigitsMax})
      return std::nullopt;
    scale -= *exponent;
  }
  for (; scale < 0; ++scale) digits += '0';
  if (scale > std::ptrdiff_t{2 * kDigitsMax}) return std::nullopt;
  // A leading zero would make it octal.
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  Exact out{boost::multiprecision::cpp_int(digits), static_cast<std::size_t>(scale)};
  if (number->negative) out.digits = -out.digits;
  return out;
}

std::string text_of(const Exact& number) {
  const bool negative = number.digits < 0;
  std::string digits = boost::multiprecision::cpp_int(abs(number.digits)).str();
  if (digits.size() <= number.scale) digits.insert(0, number.scale + 1 - digits.size(), '0');
  if (number.scale > 0) digits.insert(digits.size() - number.scale, 1, '.');
  return negative ? "-" + digits : digits;
}

}  // namespace

bool can_be_added(std::string_view text) {
  return exact_of(text).has_value();
}

std::optional<std::string> sum_of(std::string_view a, std::string_view b) {
  const auto whole_a = integer_of(a);
  const auto whole_b = integer_of(b);
  if (whole_a && whole_b) {
    std::int64_t sum = 0;
    if (__builtin_add_overflow(*whole_a, *whole_b, &sum)) return std::nullopt;
    return std::to_string(sum);
  }
  auto left = exact_of(a);
  auto right = exact_of(b);
  if (!left || !right) return std::nullopt;
  for (; left->scale < right->scale; ++left->scale) left->digits *= 10;
  for (; right->scale < left->scale; ++right->scale) right->digits *= 10;
  left->digits += right->digits;
  return text_of(*left);
}

}  // namespace forebay::journal
