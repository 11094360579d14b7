// Any bytes as a configuration: either a model or mistakes that stand somewhere in the text, in order.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "config/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto checked = forebay::config::check(text, "fuzz.toml");
  if (checked) return 0;
  if (checked.error().empty()) std::abort();
  std::uint32_t line = 0;
  for (const auto& mistake : checked.error()) {
    if (mistake.at.line < line || mistake.what.empty()) std::abort();
    line = mistake.at.line;
  }
  return 0;
}
