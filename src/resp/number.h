#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace forebay::resp {

// A signed 64-bit decimal as the protocol spells it: no blanks, no plus sign, no leading zeros, no negative
// zero.
constexpr std::optional<std::int64_t> parse_integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (text.empty() || text.size() > 19) return std::nullopt;
  if (text[0] == '0') {
    if (text.size() > 1 || negative) return std::nullopt;
    return 0;
  }
  std::uint64_t number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<std::uint64_t>(c - '0');  // 19 digits can't overflow 64 bits
  }
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (negative) {
    if (number > kMax + 1) return std::nullopt;
    return static_cast<std::int64_t>(~number + 1);
  }
  if (number > kMax) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

}  // namespace forebay::resp
