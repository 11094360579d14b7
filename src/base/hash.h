#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace forebay {

// XXH3-64 of the bytes under a seed drawn at process start, so that nobody outside can choose keys that
// collide. It is drawn ahead of all static initialisers of default priority, so those may hash as well.
std::uint64_t hash_bytes(std::string_view bytes);

// Puts this seed in place of the one drawn, for a program whose results shall repeat and whose keys come from
// nobody who would flood it. Requires: there is no other thread, and nothing hashed before is still in use.
void seed_hashes(std::uint64_t seed);

// For unordered containers keyed by strings, looked up by views.
struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return hash_bytes(text); }
};

}  // namespace forebay
