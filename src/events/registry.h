#pragma once

// Which kinds of event sources there are. To add one: a pair of files here, and a row in registry.cc and in
// config/events_section.cc.

#include <memory>

#include "config/model.h"
#include "events/event_source.h"

namespace forebay::events {

// The source that a section asks for. Nothing is connected to before it is asked for messages. kConfig: settings that only
// the kind itself can judge are wrong.
Result<std::unique_ptr<EventSource>> open_events(const config::Events& section);

}  // namespace forebay::events
