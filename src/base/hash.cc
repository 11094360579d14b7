#define XXH_INLINE_ALL
#include "base/hash.h"

#include <xxhash.h>

#include <random>

namespace forebay {
namespace {

std::uint64_t draw_seed() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

const std::uint64_t seed = draw_seed();

}  // namespace

std::uint64_t hash_bytes(std::string_view bytes) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

}  // namespace forebay
