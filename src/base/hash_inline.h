#pragma once

// hash_bytes() without a call for short keys. For the few places where the call shows: the hash comes along
// as code.

#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>

#include "base/hash.h"

namespace forebay {

namespace detail {
struct HashSeed {
  HashSeed();
  std::uint64_t value;
};
[[gnu::visibility("hidden")]] extern HashSeed hash_seed;
}  // namespace detail

[[gnu::always_inline]] inline std::uint64_t hash_key(std::string_view key) {
  if (key.size() > 16) return hash_bytes(key);
  return XXH3_64bits_withSeed(key.data(), key.size(), detail::hash_seed.value);
}

}  // namespace forebay
