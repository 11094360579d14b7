#include "server/resp/commands/arguments.h"

#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "base/decimal.h"

namespace forebay::server {
std::optional<std::int64_t> parse_integer(std::string_view text) {
  return canonical_integer_of(text);
}

std::optional<long double> parse_float(std::string_view text) {
  constexpr std::size_t kLongest = 5 * 1024;
  if (text.empty() || text.size() >= kLongest || std::isspace(static_cast<unsigned char>(text.front()))) {
    return std::nullopt;
  }
  const std::string copy(text);
  char* end = nullptr;
  errno = 0;
  const long double number = std::strtold(copy.c_str(), &end);
  if (end != copy.c_str() + copy.size()) return std::nullopt;
  if (errno == ERANGE && (std::isinf(number) || std::fpclassify(number) == FP_ZERO)) return std::nullopt;
  if (errno == EINVAL || std::isnan(number)) return std::nullopt;
  return number;
}

std::string format_float(long double number) {
  const int length = std::snprintf(nullptr, 0, "%.17Lf", number);
  std::string text(static_cast<std::size_t>(length) + 1, '\0');
  std::snprintf(text.data(), text.size(), "%.17Lf", number);
  text.pop_back();
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  if (text == "-0") text = "0";
  return text;
}

std::optional<std::int64_t> checked_add(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

}  // namespace forebay::server
