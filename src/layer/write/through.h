#pragma once

#include <memory>

#include "layer/write/registry.h"

namespace forebay::layer {

// write = "through": The source commits, then the cached copy becomes what the source returned, then the caller is answered.
std::unique_ptr<WriteStrategy> make_through(const WriteParts& parts);

}  // namespace forebay::layer
