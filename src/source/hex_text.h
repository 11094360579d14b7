#pragma once

// Bytes as text: \x and two hexadecimal digits a byte, as PostgreSQL writes its bytea. Pure; thread-safe.

#include <optional>
#include <string>
#include <string_view>

namespace forebay::source {

inline constexpr std::string_view kHexMark = "\\x";

std::string hex_text(std::string_view bytes);
// Nothing: the text is not what hex_text() makes.
std::optional<std::string> bytes_of_hex_text(std::string_view text);

}  // namespace forebay::source
