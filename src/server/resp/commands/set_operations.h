#pragma once

// What SINTER, SUNION and SDIFF make of several sets.

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/resp/commands/command.h"

namespace forebay::server {

enum class SetOperation : std::uint8_t { kIntersection, kUnion, kDifference };

// The members, in no particular order; of an intersection `most` at most. Nothing: a key is no set, which has been
// answered. The caller holds the keys (hold_keys()), so that they are looked at as they are at one moment.
std::optional<std::vector<std::string>> combine_sets(
    Context& context, SetOperation operation, std::span<const std::string_view> keys,
    std::size_t most = std::numeric_limits<std::size_t>::max());

}  // namespace forebay::server
