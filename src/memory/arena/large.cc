#include "memory/arena/large.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "base/mutex.h"
#include "memory/arena/cage.h"
#include "memory/arena/slabs.h"

namespace forebay::memory {
namespace {

struct State {
  Mutex mutex;
  Slabs slabs GUARDED_BY(mutex);
  std::size_t in_spans GUARDED_BY(mutex) = 0;  // bytes of those above Slabs::kLargest
};

// Never destroyed: the last reply may let go of its value after main().
State& state() {
  static State& instance = *new State;
  return instance;
}

char* take(std::size_t rounded) {
  State& mine = state();
  if (rounded <= Slabs::kLargest) {
    const MutexLock lock(mine.mutex);
    return static_cast<char*>(mine.slabs.allocate(rounded));
  }
  auto* const place = static_cast<char*>(Cage::take(rounded, Cage::Contents::kAny));
  if (place == nullptr) return nullptr;
  const MutexLock lock(mine.mutex);
  mine.in_spans += rounded;
  return place;
}

struct Giver {
  std::size_t rounded;
  void operator()(char* place) const noexcept {
    State& mine = state();
    if (rounded > Slabs::kLargest) Cage::give(place, rounded);
    const MutexLock lock(mine.mutex);
    if (rounded <= Slabs::kLargest) {
      mine.slabs.free(place, rounded);
    } else {
      mine.in_spans -= rounded;
    }
  }
};

}  // namespace

Value Large::copy(std::string_view bytes) {
  const std::size_t size = rounded(bytes.size());
  std::unique_ptr<char, Giver> place(take(size), Giver{size});
  if (place == nullptr) return Value::bytes(std::string(bytes));
  if (!bytes.empty()) std::memcpy(place.get(), bytes.data(), bytes.size());
  const std::string_view view(place.get(), bytes.size());
  return Value::bytes(std::shared_ptr<const char>(std::move(place)), view);
}

bool Large::holds(const Value& value) {
  return Cage::contains(value.view().data());
}

std::size_t Large::rounded(std::size_t bytes) {
  bytes = std::max<std::size_t>(bytes, 1);
  if (bytes <= Slabs::kLargest) return Slabs::rounded(bytes);
  return (bytes + Cage::kSpan - 1) / Cage::kSpan * Cage::kSpan;
}

Large::Usage Large::usage() {
  State& mine = state();
  const MutexLock lock(mine.mutex);
  return {mine.slabs.allocated() + mine.in_spans, mine.slabs.held() + mine.in_spans};
}

}  // namespace forebay::memory
