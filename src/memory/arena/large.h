#pragma once

// Where the bytes of large values lie, which entries, flights and replies hold together and any thread may be
// the last to let go of.
//
// In the cage, so that none of it is left to an allocator whose fragmentation nobody here can mend: to 32 KiB
// in blocks an eighth apart, above in whole pages, which are always found and always go back to the system.
// What is resident beyond the values themselves is known: usage().
//
// Thread-safe; one lock for the process, held for some tens of instructions and, at times, a system call.
// Never while bytes are copied.

#include <cstddef>
#include <string_view>

#include "forebay/value.h"

namespace forebay::memory {

class Large {
 public:
  // A Value of these bytes; in the allocator's memory if the cage is used up. O(n).
  static Value copy(std::string_view bytes);
  // Whether its bytes lie here.
  static bool holds(const Value& value);
  // What copying `bytes` of them takes.
  static std::size_t rounded(std::size_t bytes);

  struct Usage {
    std::size_t allocated = 0;  // bytes of values, rounded
    std::size_t held = 0;       // bytes resident for them, at most
  };
  static Usage usage();
};

}  // namespace forebay::memory
