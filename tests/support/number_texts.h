#pragma once

// Numbers as people and programs write them, for what compares spellings of them.

#include <string>

#include "support/manual_time.h"

namespace forebay::test {

// With a sign or without, leading zeros, a point, an exponent between -25 and 25; at most 15 digits that
// count, which every binary64 keeps.
inline std::string number_text(SeededRandom& random) {
  const auto one_of = [&](std::uint64_t n) { return random.next() % n; };
  std::string text = one_of(3) == 0 ? (one_of(2) == 0 ? "-" : "+") : "";
  if (one_of(4) == 0) text += "00";
  const std::uint64_t digits = 1 + one_of(15);
  const std::uint64_t point = one_of(2) == 0 ? one_of(digits + 1) : digits + 1;
  for (std::uint64_t i = 0; i <= digits; ++i) {
    if (i == point) text += '.';
    if (i < digits) text += static_cast<char>('0' + one_of(one_of(3) == 0 ? 1 : 10));
  }
  if (one_of(3) == 0) text += (one_of(2) == 0 ? "e" : "E-") + std::to_string(one_of(26));
  return text;
}

}  // namespace forebay::test
