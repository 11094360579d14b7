#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace forebay {

// XXH3-64 of the bytes under a seed drawn at process start, so that nobody outside can choose keys that
// collide.
std::uint64_t hash_bytes(std::string_view bytes);

// For unordered containers keyed by strings, looked up by views.
struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return hash_bytes(text); }
};

}  // namespace forebay
