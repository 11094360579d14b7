#pragma once

#include <cstdint>

namespace forebay {

// Where chance comes from; not for secrets. Thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t next() = 0;
  // Uniform in (0, 1]: never zero, so that its logarithm is finite.
  double unit() { return (static_cast<double>(next() >> 11) + 1.0) * 0x1.0p-53; }
};

// One generator a thread (xoshiro256**, Blackman and Vigna 2018, https://prng.di.unimi.it), seeded by the
// system.
Random& system_random();

}  // namespace forebay
