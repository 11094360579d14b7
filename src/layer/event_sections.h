#pragma once

// The sections [events.NAME] of the configuration in force, at work: a reader each.

#include <memory>
#include <vector>

#include "base/mutex.h"
#include "config/model.h"
#include "events/event_reader.h"
#include "forebay/layer.h"

namespace forebay::layer {

// Thread-safe.
class EventSections {
 public:
  // Everything is borrowed.
  explicit EventSections(const events::EventReader::Parts& parts) : parts_(parts) {}

  // What is wrong with a section that only its kind can judge. Connects to nothing.
  static Result<void> check(const config::Events& section);
  // Reads what these sections say, and nothing else any more. One that is as it was goes on where it is. Waits for the
  // readers that end. Requires that check() found nothing wrong. One call at a time.
  void follow(const std::vector<config::Events>& sections);
  void stats(LayerStats& stats) const;

 private:
  using Readers = std::vector<std::shared_ptr<events::EventReader>>;

  const events::EventReader::Parts parts_;
  mutable Mutex mutex_;
  Readers readers_ GUARDED_BY(mutex_);
};

}  // namespace forebay::layer
