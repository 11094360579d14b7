#include "source/mysql/spelling.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "base/decimal.h"

namespace forebay::source::mysql {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Whether a text has this form, where 0 stands for any digit.
bool has_form(std::string_view text, std::string_view form) {
  return std::ranges::equal(text, form, [](char c, char f) { return f == '0' ? is_digit(c) : c == f; });
}

int number_at(std::string_view text, std::size_t from, std::size_t digits) {
  int number = 0;
  std::from_chars(text.data() + from, text.data() + from + digits, number);
  return number;
}

int days_of(int year, int month) {
  constexpr std::array<int, 13> kDays = {31, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : kDays[static_cast<std::size_t>(month)];
}

// The point and the digits after it, which a text loses; false: there are others.
bool take_fraction(std::string_view& text, int scale) {
  if (scale == 0) return true;
  const auto length = static_cast<std::size_t>(scale) + 1;
  if (text.size() < length) return false;
  const std::string_view fraction = text.substr(text.size() - length);
  text.remove_suffix(length);
  return fraction.front() == '.' && std::ranges::all_of(fraction.substr(1), is_digit);
}

bool is_minutes_and_seconds(std::string_view text) {
  return has_form(text, ":00:00") && number_at(text, 1, 2) < 60 && number_at(text, 4, 2) < 60;
}

template <class Float>
std::string shortest(Float value) {
  std::array<char, 64> buffer;
  const auto written = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), written.ptr};
}

}  // namespace

std::optional<WideInteger> wide_integer_of(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return negative ? -static_cast<WideInteger>(value) : static_cast<WideInteger>(value);
}

bool is_integer_of(std::string_view text, int bytes, bool is_unsigned) {
  text = without_blanks(text);
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  const auto number = wide_integer_of(text);
  if (!number) return false;
  const WideInteger span = WideInteger{1} << (bytes * 8);
  return is_unsigned ? *number >= 0 && *number < span : *number >= -span / 2 && *number < span / 2;
}

std::optional<double> double_of(std::string_view text) {
  if (!is_decimal(text)) return std::nullopt;
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::string integer_text(std::string_view text) {
  std::string_view digits = without_blanks(text);
  if (digits.starts_with('+')) digits.remove_prefix(1);
  const auto number = wide_integer_of(digits);
  if (!number) return std::string(text);
  return *number < 0 ? std::to_string(static_cast<std::int64_t>(*number))
                     : std::to_string(static_cast<std::uint64_t>(*number));
}

std::string decimal_text(std::string_view text, int scale) {
  const auto number = parse_decimal(without_blanks(text));
  if (!number || !number->exponent.empty() || number->fraction.size() > static_cast<std::size_t>(scale))
    return std::string(text);
  std::string_view whole = number->whole;
  while (whole.size() > 1 && whole.starts_with('0')) whole.remove_prefix(1);
  std::string out(whole.empty() ? "0" : whole);
  if (scale > 0) {
    out += '.';
    out += number->fraction;
    out.append(static_cast<std::size_t>(scale) - number->fraction.size(), '0');
  }
  const bool zero = out.find_first_not_of("0.") == std::string::npos;
  return number->negative && !zero ? "-" + out : out;
}

std::string float_text(std::string_view text, int bytes) {
  const auto value = double_of(without_blanks(text));
  if (!value) return std::string(text);
  return *value == 0 ? "0" : float_text(*value, bytes);  // the server keeps no negative zero
}

std::string float_text(double value, int bytes) {
  return bytes == 4 ? shortest(static_cast<float>(value)) : shortest(value);
}

bool is_date(std::string_view text) {
  if (!has_form(text, "0000-00-00")) return false;
  const int month = number_at(text, 5, 2);
  return month <= 12 && number_at(text, 8, 2) <= days_of(number_at(text, 0, 4), month);
}

bool is_time_of_day(std::string_view text, int scale) {
  if (!take_fraction(text, scale)) return false;
  if (text.starts_with('-')) text.remove_prefix(1);
  const std::size_t hours = std::min(text.find(':'), text.size());
  if (hours < 2 || hours > 3 || !std::ranges::all_of(text.substr(0, hours), is_digit)) return false;
  if (hours == 3 && text.front() == '0') return false;
  return number_at(text, 0, hours) <= 838 && is_minutes_and_seconds(text.substr(hours));
}

bool is_date_time(std::string_view text, int scale) {
  if (!take_fraction(text, scale) || text.size() != 19 || text[10] != 'T' || !is_date(text.substr(0, 10)))
    return false;
  return is_digit(text[11]) && is_digit(text[12]) && number_at(text, 11, 2) < 24 &&
         is_minutes_and_seconds(text.substr(13));
}

}  // namespace forebay::source::mysql
