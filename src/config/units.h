#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace forebay::config {

// "250ms", "30s", "5m", "1h", "7d" and joined "1h30m", largest unit first; "0". Whole numbers, at most ten
// years. Nothing: not such a text.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

// "512MiB" (units of 1024: KiB, MiB, GiB, TiB), "64kB" (of 1000: kB, MB, GB, TB), "100B", "100": bytes, below
// 2^63. Case does not matter. Nothing: not such a text, or too large.
std::optional<std::size_t> parse_size(std::string_view text);

// The shortest text that parse_duration() takes for this one.
std::string format_duration(std::chrono::milliseconds duration);

// The same for parse_size(), in units of 1024 where that is exact.
std::string format_size(std::size_t bytes);

}  // namespace forebay::config
