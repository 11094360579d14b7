#pragma once

// A stream of Redis: XREAD from the end that it has when Forebay starts. A field of a template is a field of the entry, or
// leads into one that holds JSON.
//
// The server keeps the entries, so after a break the reader goes on behind the last one that was done. Whether entries have
// gone that it has not read is asked after each batch (events/stream_position.h).

#include <chrono>
#include <memory>

#include "events/event_source.h"

namespace forebay::events {

struct RedisStreamTimes {
  std::chrono::milliseconds timeout{
      2000};  // of connecting, and of an answer beyond the time that it may wait
};

Result<std::unique_ptr<EventSource>> open_redis_stream(const config::Events& section);
Result<std::unique_ptr<EventSource>> open_redis_stream(const config::Events& section,
                                                       const RedisStreamTimes& times);

}  // namespace forebay::events
