#pragma once

// PostgreSQL as a source, versions 12 and later, through libpq. docs/sources.md has types, grants and
// timeouts.
//
// Thread-safe. Blocks; waiting for a free connection counts into a call's timeout. A call is over at most 100
// ms (200 ms if cancelled) after its timeout, even if the server hangs; only the look-up of a host's name is
// outside of that.

#include <memory>

#include "config/model.h"
#include "forebay/source.h"

namespace forebay::source {

// kConfig: no url, or one that libpq can't read. Nothing is connected to before it is needed.
Result<std::shared_ptr<Source>> open_postgres(const config::Source& settings);

}  // namespace forebay::source
