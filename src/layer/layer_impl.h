#pragma once

#include <memory>

#include "forebay/layer.h"
#include "layer/core.h"

namespace forebay {

struct Layer::Impl {
  explicit Impl(std::unique_ptr<layer::Core> core_in) : core(std::move(core_in)) {}

  static std::unique_ptr<Layer> wrap(std::unique_ptr<layer::Core> core) {
    return std::unique_ptr<Layer>(new Layer(std::make_unique<Impl>(std::move(core))));
  }
  static layer::Core& core_of(Layer& layer) { return *layer.impl_->core; }

  std::unique_ptr<layer::Core> core;
};

}  // namespace forebay
