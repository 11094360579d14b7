#include "config/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>

namespace forebay::config {
namespace {

using std::chrono::milliseconds;

struct Unit {
  std::string_view name;
  std::int64_t factor;
};

// Largest first.
constexpr Unit kTimes[] = {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}};
constexpr std::int64_t kLongest = 3650 * std::int64_t{86'400'000};

// In lower case.
constexpr Unit kSizes[] = {{"tib", std::int64_t{1} << 40},
                           {"gib", std::int64_t{1} << 30},
                           {"mib", std::int64_t{1} << 20},
                           {"kib", std::int64_t{1} << 10},
                           {"tb", 1'000'000'000'000},
                           {"gb", 1'000'000'000},
                           {"mb", 1'000'000},
                           {"kb", 1000},
                           {"b", 1},
                           {"", 1}};
constexpr std::string_view kBinaryNames[] = {"TiB", "GiB", "MiB", "KiB"};

// The number at the beginning of `text`, which loses it.
std::optional<std::int64_t> take_number(std::string_view& text) {
  std::int64_t number = 0;
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

}  // namespace

std::optional<milliseconds> parse_duration(std::string_view text) {
  if (text == "0") return milliseconds(0);
  if (text.empty()) return std::nullopt;
  std::int64_t total = 0;
  const Unit* larger = nullptr;
  while (!text.empty()) {
    const auto number = take_number(text);
    if (!number) return std::nullopt;
    const std::size_t length = std::min(text.find_first_of("0123456789"), text.size());
    const auto* unit = std::ranges::find(kTimes, text.substr(0, length), &Unit::name);
    if (unit == std::end(kTimes) || (larger != nullptr && unit <= larger)) return std::nullopt;
    larger = unit;
    if (*number > kLongest / unit->factor) return std::nullopt;
    total += *number * unit->factor;
    text.remove_prefix(length);
  }
  if (total > kLongest) return std::nullopt;
  return milliseconds(total);
}

std::optional<std::size_t> parse_size(std::string_view text) {
  const auto number = take_number(text);
  if (!number) return std::nullopt;
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  std::string name(text);
  std::ranges::transform(name, name.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  const auto* unit = std::ranges::find(kSizes, name, &Unit::name);
  if (unit == std::end(kSizes) || *number > std::numeric_limits<std::int64_t>::max() / unit->factor)
    return std::nullopt;
  return static_cast<std::size_t>(*number * unit->factor);
}

std::string format_duration(milliseconds duration) {
  std::int64_t rest = duration.count();
  if (rest == 0) return "0";
  std::string text;
  for (const Unit& unit : kTimes) {
    if (rest >= unit.factor) text += fmt::format("{}{}", rest / unit.factor, unit.name);
    rest %= unit.factor;
  }
  return text;
}

std::string format_size(std::size_t bytes) {
  for (std::size_t i = 0; i < std::size(kBinaryNames); ++i) {
    const auto factor = static_cast<std::size_t>(kSizes[i].factor);
    if (bytes >= factor && bytes % factor == 0) return fmt::format("{}{}", bytes / factor, kBinaryNames[i]);
  }
  return fmt::format("{}B", bytes);
}

}  // namespace forebay::config
