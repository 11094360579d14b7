#pragma once

// What stands in the way of a write that a database did not take, and so who can help.

#include <cstdint>

namespace forebay::source {

enum class Cause : std::uint8_t {
  kData,     // the write itself, or the rows that it meets: it is refused again, others may not be
  kDoubt,    // kData or kSchema: what its statement does with other values, and its neighbours, tell
  kSchema,   // a table, a column or a right that is missing: a person, and until then none like it passes
  kPassing,  // a lock, load, a server that stops, the disk: time
};

}  // namespace forebay::source
