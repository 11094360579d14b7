#include "layer/write/pending.h"

#include <utility>

namespace forebay::layer {

journal::Shape shape_of(const Space& space, const KeyFields& fields) {
  journal::Shape shape;
  shape.kind = space.config.kind;
  shape.value_column = space.config.value_column;
  const std::vector<std::string>& names = space.config.key.fields;
  for (std::size_t i = 0; i < names.size() && i < fields.size(); ++i) {
    shape.key.emplace_back(names[i], fields[i]);
  }
  return shape;
}

std::optional<std::string> with_pending(const journal::Shape& shape, std::optional<std::string> value,
                                        std::span<const journal::Step> steps) {
  if (auto all = journal::merge(shape, value, steps)) return std::move(*all);
  for (const journal::Step& step : steps) {
    if (auto one = journal::merge(shape, value, {&step, 1})) value = std::move(*one);
  }
  return value;
}

}  // namespace forebay::layer
