#pragma once

// Numbers as texts, the way Redis writes them. Pure; thread-safe.

#include <string>
#include <string_view>

namespace forebay {

// A decimal number without what says nothing: `5.0` and `5.50` are `5` and `5.5`, `-0` is `0`. What has an
// exponent, or is no such number, stays.
inline std::string without_trailing_zeros(std::string text) {
  if (text.find('.') != std::string::npos && text.find_first_not_of("+-.0123456789") == std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  if (text == "-0") text = "0";
  return text;
}

}  // namespace forebay
