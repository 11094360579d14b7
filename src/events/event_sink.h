#pragma once

#include "config/model.h"
#include "events/message.h"

namespace forebay::events {

// Where the events of applications end. Implemented by the layer; called from the readers' threads. Thread-safe.
class EventSink {
 public:
  virtual ~EventSink() = default;
  // Drops what is cached of it, now and once more after the section's hold-off. False: no namespace has such a key.
  virtual bool invalidate(const config::Events& section, const Invalidation& what) = 0;
  // Messages may have been missed: all that the section's templates could have named is in doubt.
  virtual void missed(const config::Events& section) = 0;
};

}  // namespace forebay::events
