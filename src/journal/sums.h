#pragma once

// Decimal numbers as texts, added exactly: what counters are raised by. Pure functions; thread-safe.

#include <optional>
#include <string>
#include <string_view>

namespace forebay::journal {

// A decimal number (base/decimal.h) of at most 1,000 digits, with an exponent of at most 1,000: a short text
// must not ask for any amount of memory.
bool can_be_added(std::string_view text);

// In plain notation. Nothing: one of them is no such number, or two integers leave 64 bits. As in SQL, the
// sum has as many digits behind the point as the one with more.
std::optional<std::string> sum_of(std::string_view a, std::string_view b);

}  // namespace forebay::journal
