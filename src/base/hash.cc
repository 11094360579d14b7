#include "base/hash.h"

#include <random>

#include "base/hash_inline.h"

namespace forebay {

detail::HashSeed::HashSeed() {
  std::random_device device;
  value = (static_cast<std::uint64_t>(device()) << 32) | device();
}

// 101 is the first that isn't the implementation's own.
[[gnu::init_priority(101)]] detail::HashSeed detail::hash_seed;

std::uint64_t hash_bytes(std::string_view bytes) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), detail::hash_seed.value);
}

void seed_hashes(std::uint64_t seed) {
  detail::hash_seed.value = seed;
}

}  // namespace forebay
