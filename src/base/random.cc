#include "base/random.h"

#include <bit>
#include <random>

namespace forebay {
namespace {

struct Xoshiro256 {
  std::uint64_t s[4];

  Xoshiro256() : s{} {
    std::random_device device;
    for (auto& word : s) word = (static_cast<std::uint64_t>(device()) << 32) | device();
    s[0] |= 1;  // the all-zero state is a fixed point
  }

  std::uint64_t next() {
    const std::uint64_t result = std::rotl(s[1] * 5, 7) * 9;
    const std::uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = std::rotl(s[3], 45);
    return result;
  }
};

class SystemRandom final : public Random {
 public:
  std::uint64_t next() override {
    thread_local Xoshiro256 generator;
    return generator.next();
  }
};

}  // namespace

Random& system_random() {
  static SystemRandom random;
  return random;
}

}  // namespace forebay
