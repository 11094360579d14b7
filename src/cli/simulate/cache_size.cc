#include "cli/simulate/cache_size.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "config/units.h"

namespace forebay::cli::simulate {
namespace {

constexpr std::uint64_t kParts = 1'000'000;  // of a percent

Error mistake(std::string_view text, std::string_view what) {
  return {ErrorCode::kInvalidArgument, fmt::format("--size {}: {}", text, what)};
}

bool is_digits(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (!is_digits(text) || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// "0.1" in millionths, exactly.
std::optional<std::uint64_t> millionths(std::string_view text) {
  const std::size_t point = std::min(text.find('.'), text.size());
  std::string fraction(text.substr(std::min(point + 1, text.size())));
  if (fraction.size() > 6 || !is_digits(fraction) || (fraction.empty() && point != text.size()))
    return std::nullopt;
  fraction.resize(6, '0');
  const auto whole = whole_number(text.substr(0, point));
  const auto parts = whole_number(fraction);
  if (!whole || !parts || *whole > 1'000'000) return std::nullopt;
  return *whole * kParts + *parts;
}

}  // namespace

Result<CacheSize> CacheSize::parse(std::string_view text) {
  if (text.ends_with('%')) {
    const auto share = millionths(text.substr(0, text.size() - 1));
    if (!share) return mistake(text, "a share is a number with at most six decimals and %, as 0.1%");
    if (*share == 0) return mistake(text, "a cache of no entries");
    if (*share > 100 * kParts) return mistake(text, "more than 100% of the trace's unique keys");
    return CacheSize(text, Unit::kShare, *share);
  }
  const bool entries = !text.empty() && is_digits(text);
  const auto number = entries ? whole_number(text)
                              : [&]() -> std::optional<std::uint64_t> { return config::parse_size(text); }();
  if (!number || *number > std::uint64_t{1} << 62) {
    return mistake(
        text,
        "a size is a number of entries (20000), of bytes with their unit (64MiB), or a share of the "
        "trace's unique keys (1%)");
  }
  if (*number == 0) return mistake(text, fmt::format("a cache of no {}", entries ? "entries" : "bytes"));
  return CacheSize(text, entries ? Unit::kEntries : Unit::kBytes, *number);
}

std::uint64_t CacheSize::amount(std::uint64_t unique_keys) const {
  if (unit_ != Unit::kShare) return number_;
  // number_ is at most 10^8, and a trace has fewer than 10^11 keys: no overflow.
  return unique_keys * number_ / (100 * kParts);
}

}  // namespace forebay::cli::simulate
