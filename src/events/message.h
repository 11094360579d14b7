#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/model.h"

namespace forebay::events {

// What an application has said.
struct Message {
  std::string text;  // JSON, if there are no fields
  // Those of an entry of a Redis stream, whose values are texts; a value may hold JSON.
  std::optional<std::vector<std::pair<std::string, std::string>>> fields;
  bool too_large = false;  // it has not been kept
};

// What is stale by it.
struct Invalidation {
  config::KeyTemplate::Target target = config::KeyTemplate::Target::kNamespace;
  std::string name;  // of the key or the tag

  bool operator==(const Invalidation&) const = default;
};

}  // namespace forebay::events
