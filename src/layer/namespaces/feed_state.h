#pragma once

#include <atomic>

namespace forebay::layer {

// Whether what others change at a source is heard of. One for each source that has a feed.
struct FeedState {
  // Written with release and read with acquire: who sees that the feed is not heard sees what was dropped for that.
  std::atomic<bool> heard{false};
};

}  // namespace forebay::layer
