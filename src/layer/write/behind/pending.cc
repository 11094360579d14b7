#include "layer/write/behind/pending.h"

#include <fmt/format.h>

#include <utility>

#include "layer/namespaces/router.h"

namespace forebay::layer {

journal::Shape shape_of(const Namespace& space, const KeyFields& fields) {
  journal::Shape shape;
  shape.kind = space.config.kind;
  shape.value_column = space.config.value_column;
  shape.columns = space.port.get();
  if (shape.kind != ValueKind::kJson) return shape;
  const std::vector<std::string>& names = space.config.key.fields;
  for (std::size_t i = 0; i < names.size() && i < fields.size(); ++i) {
    shape.key.emplace_back(names[i], fields[i]);
  }
  return shape;
}

Result<void> check(const Namespace& space, std::string_view key, const Write& write) {
  thread_local KeyFields fields;
  match(space.config.key, key, &fields);
  return space.port->validate(fields, write);
}

journal::Shape shape_of(const Namespace& space, std::string_view key) {
  KeyFields fields;
  if (space.config.kind == ValueKind::kJson) match(space.config.key, key, &fields);
  return shape_of(space, fields);
}

std::optional<std::string> with_pending(const journal::Shape& shape, std::optional<std::string> value,
                                        std::span<const journal::Step> steps) {
  if (auto all = journal::merge(shape, value, steps)) return std::move(*all);
  for (const journal::Step& step : steps) {
    if (auto one = journal::merge(shape, value, step.effect)) value = std::move(*one);
  }
  return value;
}

bool PendingOverlay::applying(const KeyRef& at) const {
  const auto pending = queue_.of(at.text, at.hash);
  return pending && pending->applying;
}

std::optional<Error> PendingOverlay::refusal(const KeyRef& at) const {
  const auto pending = queue_.of(at.text, at.hash);
  if (!pending || pending->refused.empty()) return std::nullopt;
  return Error{ErrorCode::kUnavailable,
               fmt::format("source {}: the key has pending writes that may not be used: {}",
                           at.space.config.source, pending->refused)};
}

void PendingOverlay::lay(const KeyRef& at, const KeyFields& fields, std::optional<Value>& value) const {
  const auto pending = queue_.of(at.text, at.hash);
  if (!pending || !pending->refused.empty()) return;
  std::optional<std::string> before;
  if (value) before = value->view();
  auto merged = with_pending(shape_of(at.space, fields), std::move(before), pending->steps);
  value.reset();
  if (merged) value = Value::bytes(std::move(*merged));
}

std::optional<std::optional<Value>> PendingOverlay::alone(const KeyRef& at) const {
  const auto pending = queue_.of(at.text, at.hash);
  if (!pending || !pending->refused.empty()) return std::nullopt;
  const journal::Shape shape = shape_of(at.space, at.text);
  if (!journal::absolute(shape, pending->steps)) return std::nullopt;
  std::optional<Value> value;
  if (auto merged = with_pending(shape, std::nullopt, pending->steps))
    value = Value::bytes(std::move(*merged));
  return value;
}

}  // namespace forebay::layer
