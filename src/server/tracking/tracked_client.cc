#include "server/tracking/tracked_client.h"

namespace forebay::server {

void TrackedClient::tell(std::string_view key) {
  if (ended()) return;
  const MutexLock lock(mutex_);
  if (!waiting_.everything) {
    if (waiting_.keys.size() < kMostWaiting) {
      waiting_.keys.emplace_back(key);
    } else {
      waiting_.everything = true;
      waiting_.keys.clear();
    }
  }
  wake_locked();
}

void TrackedClient::tell_everything() {
  if (ended()) return;
  const MutexLock lock(mutex_);
  waiting_.everything = true;
  waiting_.keys.clear();
  wake_locked();
}

void TrackedClient::wake_locked() {
  if (std::exchange(woken_, true)) return;
  mailbox_->post([self = shared_from_this()] { self->take(); });
}

void TrackedClient::take() {
  Invalidation taken;
  {
    const MutexLock lock(mutex_);
    std::swap(taken, waiting_);
    woken_ = false;
  }
  taken.together = broadcast();
  if (!ended()) deliver_(std::move(taken));
}

}  // namespace forebay::server
