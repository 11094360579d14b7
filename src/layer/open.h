#pragma once

// How the program's own server opens a layer: from a configuration that it has read already.

#include <memory>

#include "config/model.h"
#include "forebay/layer.h"

namespace forebay::layer {

// As Layer::open() and Layer::reload().
Result<std::unique_ptr<Layer>> open_layer(const config::Model& model, Environment environment = {});
Result<void> reload_layer(Layer& layer, const config::Model& model);

}  // namespace forebay::layer
