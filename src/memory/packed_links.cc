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

ListEnds::ListEnds(std::size_t count) : count_(count) {
  const MutexLock lock(pool().mutex);
  ends_ = static_cast<PackedLinks*>(pool().slabs.allocate(count * sizeof(PackedLinks)));
  if (ends_ == nullptr) throw std::bad_alloc();
  make_empty();
}

ListEnds::~ListEnds() {
  const MutexLock lock(pool().mutex);
  pool().slabs.free(ends_, count_ * sizeof(PackedLinks));
}

void ListEnds::make_empty() {
  for (std::size_t i = 0; i < count_; ++i) ends_[i].make_empty_list();
}

}  // namespace forebay::memory
