#pragma once

// A channel of Redis: SUBSCRIBE. Messages are JSON.
//
// A channel keeps nothing, so each new connection is a gap: what was published meanwhile is gone. A connection that is dead
// without a word is noticed by a PING of which nothing comes back.

#include <chrono>
#include <memory>

#include "events/event_source.h"

namespace forebay::events {

struct RedisChannelTimes {
  std::chrono::milliseconds timeout{2000};     // of connecting
  std::chrono::milliseconds ping_after{2000};  // since bytes came last
  std::chrono::milliseconds dead_after{6000};  // likewise
};

Result<std::unique_ptr<EventSource>> open_redis_channel(const config::Events& section);
Result<std::unique_ptr<EventSource>> open_redis_channel(const config::Events& section,
                                                        const RedisChannelTimes& times);

}  // namespace forebay::events
