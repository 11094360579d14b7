#include "memory/packed_links.h"

#include <new>

#include "base/mutex.h"
#include "memory/arena/slabs.h"

namespace forebay::memory {
namespace {

// Shared by all lists of the process: a list's ends are too small for a span of their own.
struct Pool {
  Mutex mutex;
  Slabs slabs GUARDED_BY(mutex);
};

Pool& pool() {
  static auto& pool = *new Pool;  // never destroyed: lists may outlive every static object
  return pool;
}

}  // namespace

// At least a cache line, so that lists of different owners, on different processors, share none.
std::size_t ListEnds::room() const {
  constexpr std::size_t kCacheLine = 64;
  return (count_ * sizeof(PackedLinks) + kCacheLine - 1) / kCacheLine * kCacheLine;
}

ListEnds::ListEnds(std::size_t count) : count_(count) {
  const MutexLock lock(pool().mutex);
  ends_ = static_cast<PackedLinks*>(pool().slabs.allocate(room()));
  if (ends_ == nullptr) throw std::bad_alloc();
  make_empty();
}

ListEnds::~ListEnds() {
  const MutexLock lock(pool().mutex);
  pool().slabs.free(ends_, room());
}

void ListEnds::make_empty() {
  for (std::size_t i = 0; i < count_; ++i) ends_[i].make_empty_list();
}

}  // namespace forebay::memory
