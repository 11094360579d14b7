#pragma once

// A function of the C++ program as a source: what it loads is up to it.

#include <memory>

#include "config/model.h"
#include "source/registry.h"

namespace forebay::source {

// The source that calls functions[settings.name]; at most settings.pool calls at once. The functions run on
// Forebay's threads; an exception that leaves one becomes kInternal, and so does a load that returns another
// number of values than it was asked for keys. kConfig: no such function, or it has no load.
Result<std::shared_ptr<Source>> open_function(const config::Source& settings, const Functions& functions);

}  // namespace forebay::source
