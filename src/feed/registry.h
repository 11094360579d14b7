#pragma once

// Which feeds there are. To add one: a pair of files here, and a row in registry.cc and in config/source_kind.h.

#include <memory>

#include "config/model.h"
#include "feed/feed.h"
#include "forebay/clock.h"

namespace forebay::feed {

// The feed that a source's configuration asks for; null: none. `log`: the source's own change log; null: it has none.
// Borrows `log` and `clock`. Nothing is connected to before the feed is asked for something.
std::unique_ptr<Feed> open_feed(const config::Source& source, ChangeLog* log, const Clock& clock);

}  // namespace forebay::feed
