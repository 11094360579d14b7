#pragma once

#include <memory>

#include "layer/write/registry.h"

namespace forebay::layer {

// write = "aside", and keys without a source: a whole value becomes the cached copy, and no source is asked.
// The database is the application's business. Anything but a whole value is refused, as the rest of the row is
// not known.
std::unique_ptr<WriteStrategy> make_aside(const WriteParts& parts);

}  // namespace forebay::layer
