#include "base/hash.h"

#include <random>

#include "base/hash_inline.h"

namespace forebay {
namespace {

std::uint64_t draw_seed() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

}  // namespace

const std::uint64_t detail::hash_seed = draw_seed();

std::uint64_t hash_bytes(std::string_view bytes) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), detail::hash_seed);
}

}  // namespace forebay
