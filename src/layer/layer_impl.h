#pragma once

#include <memory>

#include "forebay/layer.h"
#include "layer/core.h"

namespace forebay {

struct Layer::Impl {
  std::unique_ptr<layer::Core> core;
};

}  // namespace forebay
