#include "server/tracking/key_feed.h"

namespace forebay::server {

std::shared_ptr<void> KeyFeed::listen_from_now() {
  const MutexLock lock(mutex_);
  if (tokens_++ == 0) layer_.listen(shared_from_this());
  return {this, [self = shared_from_this()](void*) { self->stop(); }};
}

std::shared_ptr<void> KeyFeed::listen() {
  std::shared_ptr<void> token = listen_from_now();
  // Passes through the lock of every shard, without the one above: from here on no change is under way that has
  // not seen the listener.
  static_cast<void>(layer_.stats());
  return token;
}

void KeyFeed::stop() {
  const MutexLock lock(mutex_);
  if (--tokens_ == 0) layer_.listen(nullptr);
}

}  // namespace forebay::server
