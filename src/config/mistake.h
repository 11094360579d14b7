#pragma once

#include <string>

#include "config/model.h"

namespace forebay::config {

// One thing that is wrong with a configuration, in words for who wrote it.
struct Mistake {
  Position at;
  std::string what;
};

}  // namespace forebay::config
