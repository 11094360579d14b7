#include "server/tracking/key_feed.h"

namespace forebay::server {

std::shared_ptr<void> KeyFeed::listen() {
  const MutexLock lock(mutex_);
  if (tokens_++ == 0) layer_.listen(shared_from_this());
  return {this, [self = shared_from_this()](void*) { self->stop(); }};
}

void KeyFeed::stop() {
  const MutexLock lock(mutex_);
  if (--tokens_ == 0) layer_.listen(nullptr);
}

}  // namespace forebay::server
