#pragma once

#include <memory>

#include "layer/write/registry.h"

namespace forebay::layer {

// write = "around": The source commits, then the cached copy is dropped, then the caller is answered: for rows that are written more often than read.
std::unique_ptr<WriteStrategy> make_around(const WriteParts& parts);

}  // namespace forebay::layer
