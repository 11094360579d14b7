#include "base/decimal.h"

#include <cstddef>

namespace forebay {

std::optional<Decimal> parse_decimal(std::string_view text) {
  std::size_t at = 0;
  const auto sign = [&] { at += at < text.size() && (text[at] == '+' || text[at] == '-') ? 1 : 0; };
  const auto digits = [&] {
    const std::size_t from = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return text.substr(from, at - from);
  };
  Decimal number;
  number.negative = text.starts_with('-');
  sign();
  number.whole = digits();
  if (at < text.size() && text[at] == '.') {
    ++at;
    number.pointed = true;
    number.fraction = digits();
  }
  if (number.whole.empty() && number.fraction.empty()) return std::nullopt;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    const std::size_t from = ++at;
    sign();
    if (digits().empty()) return std::nullopt;
    number.exponent = text.substr(from, at - from);
  }
  if (at != text.size()) return std::nullopt;
  return number;
}

std::string without_trailing_zeros(std::string text) {
  if (text.find('.') != std::string::npos && text.find_first_not_of("+-.0123456789") == std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  if (text == "-0") text = "0";
  return text;
}

}  // namespace forebay
