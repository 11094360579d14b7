#pragma once

#include <atomic>

#include "forebay/clock.h"

namespace forebay::layer {

// Whether what others change at a source is heard of. One for each source that has a feed.
struct FeedState {
  // Written with release and read with acquire: who sees that the feed is not heard sees what was dropped for that.
  std::atomic<bool> heard{false};
  // All that was committed at the source before this has been done. Relaxed: who reads an older one is more careful.
  std::atomic<Instant> complete_as_of{Instant{}};
};

}  // namespace forebay::layer
