#include "memory/allocation.h"

#include <malloc.h>

#include <cstdint>

// Weak, so that the library links and runs with any allocator.
extern "C" int mallctl(const char* name, void* old_value, std::size_t* old_size, void* new_value,
                       std::size_t new_size) __attribute__((weak));

namespace forebay::memory {
namespace {

bool read_size(const char* name, std::size_t& value) {
  std::size_t size = sizeof(value);
  return mallctl(name, &value, &size, nullptr, 0) == 0;
}

}  // namespace

std::size_t usable_bytes(const void* allocation) {
  return malloc_usable_size(const_cast<void*>(allocation));  // takes a pointer it only looks at
}

std::optional<AllocatorBytes> allocator_bytes() {
  if (mallctl == nullptr) return std::nullopt;
  // Statistics are a snapshot that is renewed by writing to "epoch".
  std::uint64_t epoch = 1;
  if (mallctl("epoch", nullptr, nullptr, &epoch, sizeof(epoch)) != 0) return std::nullopt;
  AllocatorBytes bytes;
  if (!read_size("stats.allocated", bytes.allocated) || !read_size("stats.resident", bytes.resident)) {
    return std::nullopt;  // built without statistics
  }
  return bytes;
}

void return_free_pages() {
  if (mallctl == nullptr) return;
  mallctl("arena.4096.purge", nullptr, nullptr, nullptr, 0);  // 4096: MALLCTL_ARENAS_ALL
}

}  // namespace forebay::memory
