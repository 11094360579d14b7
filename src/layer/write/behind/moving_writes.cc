#include "layer/write/behind/moving_writes.h"

#include <utility>

namespace forebay::layer {

void MovingWrites::begin(const std::vector<Namespace*>& spaces) {
  {
    MutexLock lock(mutex_);
    ++moves_;
  }
  for (Namespace* space : spaces) space->moving.store(true, std::memory_order_relaxed);
  // Relaxed: what is ordered is ordered by the keys' locks, which every write takes and this passes.
  keys_.pass_all_locks();
}

void MovingWrites::end(const std::vector<Namespace*>& spaces, bool replaced) {
  if (!replaced) {
    for (Namespace* space : spaces) space->moving.store(false, std::memory_order_relaxed);
  }
  std::vector<Kept> kept;
  {
    MutexLock lock(mutex_);
    if (--moves_ == 0) kept = std::exchange(kept_, {});
  }
  for (Kept& each : kept)
    door_.write_anew(each.key, std::move(each.write), std::move(each.done), {each.op_id});
}

void MovingWrites::keep(std::string_view key, Write write, WriteCallback done, std::string_view op_id) {
  {
    MutexLock lock(mutex_);
    if (moves_ > 0) {
      kept_.push_back({std::string(key), std::move(write), std::move(done), std::string(op_id)});
      return;
    }
  }
  door_.write_anew(key, std::move(write), std::move(done), {op_id});
}

}  // namespace forebay::layer
