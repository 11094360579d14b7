#pragma once

#include <cstddef>
#include <optional>

namespace forebay::memory {

// The size an allocation was rounded up to; 0 for null.
std::size_t usable_bytes(const void* allocation);

// What the process's allocator holds, if it can tell (jemalloc, by its mallctl; glibc's malloc and the
// sanitizers' cannot).
struct AllocatorBytes {
  std::size_t allocated = 0;  // in live allocations of the whole process
  std::size_t resident =
      0;  // in physical memory: those, fragmentation, free pages not yet returned, metadata
};
std::optional<AllocatorBytes> allocator_bytes();

// Has the allocator return its free pages to the system now instead of in its own time. Costs some 0.1 ms a
// MiB returned.
void return_free_pages();

}  // namespace forebay::memory
