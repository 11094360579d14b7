#include "support/allocations.h"

#include <cstdlib>
#include <new>

namespace {

constinit thread_local int allocations = 0;

}  // namespace

int forebay::test::allocations_of_this_thread() {
  return allocations;
}

void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* const memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
