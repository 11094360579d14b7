#pragma once

// Telling AddressSanitizer which memory is not given out; nothing without it.

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define FOREBAY_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FOREBAY_ASAN 1
#endif
#endif

#ifdef FOREBAY_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#endif

namespace forebay::memory {

inline void poison([[maybe_unused]] const void* place, [[maybe_unused]] std::size_t bytes) {
#ifdef FOREBAY_ASAN
  __asan_poison_memory_region(place, bytes);
#endif
}

inline void unpoison([[maybe_unused]] const void* place, [[maybe_unused]] std::size_t bytes) {
#ifdef FOREBAY_ASAN
  __asan_unpoison_memory_region(place, bytes);
#endif
}

// What lives there may hold the only pointers to other allocations, which are then no leaks.
inline void look_for_pointers_in([[maybe_unused]] const void* place, [[maybe_unused]] std::size_t bytes) {
#ifdef FOREBAY_ASAN
  __lsan_register_root_region(place, bytes);
#endif
}

}  // namespace forebay::memory
