#pragma once

// MySQL 8 and MariaDB as a source, through libmariadb. docs/sources.md has types, grants and timeouts.
//
// Thread-safe. Blocks; waiting for a free connection counts into a call's timeout. A call is over at most 100
// ms (300 ms if cancelled) after its timeout, even if the server hangs; only the look-up of a host's name is
// outside of that.

#include <memory>

#include "config/model.h"
#include "forebay/source.h"

namespace forebay::source {

// kConfig: no url, or one that is not mysql://user:password@host:port/database. Nothing is connected to before
// it is needed.
Result<std::shared_ptr<Source>> open_mysql(const config::Source& settings);

}  // namespace forebay::source
