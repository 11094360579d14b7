#pragma once

// What an eviction policy may be told beyond its name: in a configuration, by a program's CacheOptions, and
// to the policies themselves.

#include <cstdint>

namespace forebay {

// What victims are weighed by, beyond the policy's own order.
enum class Weigh : std::uint8_t {
  kNothing,      // every entry is worth the same
  kBytes,        // large ones leave sooner
  kCost,         // what was dear to load stays longer
  kCostPerByte,  // both: GreedyDual-Size-Frequency's value
};

// Who is let in when there is no room.
enum class Admission : std::uint8_t {
  kAll,       // every newcomer
  kFrequent,  // only those asked for more often than who would leave for them (TinyLFU), so one-hit wonders
              // stay out
};

}  // namespace forebay
