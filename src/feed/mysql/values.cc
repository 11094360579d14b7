#include "feed/mysql/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <utility>

#include "base/row_json.h"
#include "feed/mysql/reader.h"
#include "source/mysql/spelling.h"

namespace forebay::feed::mysql {
namespace {

// The bytes that hold so many digits, of which nine fill four.
constexpr std::array<std::size_t, 10> kDigitBytes = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};
constexpr std::size_t kGroup = 9;
constexpr std::array<std::uint64_t, 10> kPowers = {
    1, 10, 100, 1000, 10'000, 100'000, 1'000'000, 10'000'000, 100'000'000, 1'000'000'000};

std::uint64_t high_first(std::string_view bytes) {
  return Reader(bytes).number_high_first(bytes.size());
}
std::uint64_t low_first(std::string_view bytes) {
  return Reader(bytes).number(bytes.size());
}

std::size_t fraction_bytes(std::size_t digits) {
  return (digits + 1) / 2;
}

// Millionths of a second from the bytes that so many digits take.
std::uint64_t microseconds(std::uint64_t fraction, std::size_t digits) {
  constexpr std::array<std::uint64_t, 4> kScale = {0, 10'000, 100, 1};
  return fraction * kScale[fraction_bytes(digits)];
}

// ".50"; what has no such text is none.
Value with_fraction(std::string text, std::uint64_t micros, std::size_t digits) {
  if (micros > 999'999) return std::nullopt;
  if (digits == 0) return text;
  return text + "." + fmt::format("{:06}", micros).substr(0, digits);
}

// One group of a decimal's digits.
bool add_group(std::string& out, Reader& reader, std::size_t digits, bool negative) {
  const std::size_t bytes = kDigitBytes[digits];
  std::uint64_t value = reader.number_high_first(bytes);
  if (negative) value ^= (std::uint64_t{1} << (8 * bytes)) - 1;
  if (!reader.good() || value >= kPowers[digits]) return false;
  out += fmt::format("{:0{}}", value, digits);
  return true;
}

}  // namespace

Value integer_value(std::string_view bytes, bool is_unsigned) {
  if (bytes.empty() || bytes.size() > 8) return std::nullopt;
  const std::uint64_t value = low_first(bytes);
  if (is_unsigned) return std::to_string(value);
  const auto shift = static_cast<unsigned>(64 - 8 * bytes.size());
  return std::to_string(static_cast<std::int64_t>(value << shift) >> shift);
}

Value year_value(std::string_view bytes) {
  if (bytes.size() != 1) return std::nullopt;
  const std::uint64_t value = low_first(bytes);
  return std::to_string(value == 0 ? 0 : 1900 + value);
}

Value bits_value(std::string_view bytes) {
  if (bytes.empty() || bytes.size() > 8) return std::nullopt;
  return std::to_string(high_first(bytes));
}

Value float_value(std::string_view bytes) {
  if (bytes.size() == 4)
    return source::mysql::float_text(
        static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(low_first(bytes)))), 4);
  if (bytes.size() == 8) return source::mysql::float_text(std::bit_cast<double>(low_first(bytes)), 8);
  return std::nullopt;
}

Value date_value(std::string_view bytes) {
  if (bytes.size() != 3) return std::nullopt;
  const std::uint64_t value = low_first(bytes);
  return fmt::format("{:04}-{:02}-{:02}", value >> 9, value >> 5 & 15, value & 31);
}

Value time_value(std::string_view bytes, std::size_t digits) {
  if (digits > 6 || bytes.size() != 3 + fraction_bytes(digits)) return std::nullopt;
  // As one number it is the time above an offset; negative ones count down, fraction included.
  const auto bits = static_cast<unsigned>(8 * bytes.size());
  std::int64_t whole = static_cast<std::int64_t>(high_first(bytes)) -
                       static_cast<std::int64_t>(std::uint64_t{1} << (bits - 1));
  const bool negative = whole < 0;
  if (negative) whole = -whole;
  const auto value = static_cast<std::uint64_t>(whole);
  const unsigned below = bits - 24;
  const std::uint64_t fraction = value & ((std::uint64_t{1} << below) - 1);
  const std::uint64_t time = value >> below;
  return with_fraction(
      fmt::format("{}{:02}:{:02}:{:02}", negative ? "-" : "", time >> 12 & 1023, time >> 6 & 63, time & 63),
      microseconds(fraction, digits), digits);
}

Value date_time_value(std::string_view bytes, std::size_t digits) {
  if (digits > 6 || bytes.size() != 5 + fraction_bytes(digits)) return std::nullopt;
  const std::uint64_t value = high_first(bytes.substr(0, 5)) ^ 0x8000000000;
  const std::uint64_t days = value >> 17;
  const std::uint64_t months = days >> 5;
  return with_fraction(fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", months / 13, months % 13, days & 31,
                                   value >> 12 & 31, value >> 6 & 63, value & 63),
                       microseconds(high_first(bytes.substr(5)), digits), digits);
}

Value timestamp_value(std::string_view bytes, std::size_t digits) {
  if (digits > 6 || bytes.size() != 4 + fraction_bytes(digits)) return std::nullopt;
  const std::uint64_t seconds = high_first(bytes.substr(0, 4));
  const std::uint64_t micros = microseconds(high_first(bytes.substr(4)), digits);
  std::string text = "0000-00-00T00:00:00";
  if (seconds != 0 || micros != 0) {
    const std::chrono::sys_seconds when{std::chrono::seconds(seconds)};
    const auto day = std::chrono::floor<std::chrono::days>(when);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(when - day);
    text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       time.hours().count(), time.minutes().count(), time.seconds().count());
  }
  auto whole = with_fraction(std::move(text), micros, digits);
  if (whole) *whole += 'Z';
  return whole;
}

Value letters_value(std::string_view bytes, Letters letters, bool padded) {
  if (letters == Letters::kUnknown) return std::nullopt;
  const bool ascii = std::ranges::all_of(bytes, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (letters == Letters::kAscii && !ascii) return std::nullopt;
  while (padded && bytes.ends_with(' ')) bytes.remove_suffix(1);
  return std::string(bytes);
}

Value bytes_value(std::string_view bytes, std::uint64_t length) {
  // BINARY has at most 255.
  if (length > 255 || (length != 0 && bytes.size() > length)) return std::nullopt;
  std::string whole(bytes);
  if (length != 0) whole.resize(length, '\0');
  std::string out;
  append_base64(out, whole);
  return out;
}

Value enum_value(std::string_view bytes, const std::vector<std::string>& words) {
  if (bytes.empty() || bytes.size() > 2) return std::nullopt;
  const std::uint64_t place = low_first(bytes);
  if (place > words.size()) return std::nullopt;
  return place == 0 ? "" : words[place - 1];
}

Value set_value(std::string_view bytes, const std::vector<std::string>& words) {
  if (bytes.empty() || bytes.size() > 8) return std::nullopt;
  const std::uint64_t members = low_first(bytes);
  std::string out;
  bool any = false;
  for (std::size_t i = 0; i < 64; ++i) {
    if ((members >> i & 1) == 0) continue;
    if (i >= words.size()) return std::nullopt;
    if (std::exchange(any, true)) out += ',';
    out += words[i];
  }
  return out;
}

std::optional<std::size_t> decimal_bytes(std::size_t precision, std::size_t scale) {
  if (precision == 0 || precision > 65 || scale > 38 || scale > precision) return std::nullopt;
  const std::size_t whole = precision - scale;
  return whole / kGroup * 4 + kDigitBytes[whole % kGroup] + scale / kGroup * 4 + kDigitBytes[scale % kGroup];
}

Value decimal_value(std::string_view bytes, std::size_t precision, std::size_t scale) {
  const auto length = decimal_bytes(precision, scale);
  if (!length || bytes.empty() || bytes.size() != *length) return std::nullopt;
  // The first bit is set of what is not negative; of a negative number all bits are turned over.
  std::string copy(bytes);
  const bool negative = (static_cast<std::uint8_t>(copy.front()) & 0x80) == 0;
  copy.front() = static_cast<char>(copy.front() ^ '\x80');
  Reader reader(copy);
  std::string digits;
  const std::size_t whole = precision - scale;
  bool good = whole % kGroup == 0 || add_group(digits, reader, whole % kGroup, negative);
  for (std::size_t i = 0; good && i < whole / kGroup; ++i) good = add_group(digits, reader, kGroup, negative);
  if (scale > 0) digits += '.';
  for (std::size_t i = 0; good && i < scale / kGroup; ++i) good = add_group(digits, reader, kGroup, negative);
  if (good && scale % kGroup != 0) good = add_group(digits, reader, scale % kGroup, negative);
  if (!good) return std::nullopt;
  return source::mysql::decimal_text((negative ? "-" : "") + digits, static_cast<int>(scale));
}

}  // namespace forebay::feed::mysql
