#pragma once

#include <array>
#include <string_view>
#include <utility>

namespace forebay::server {

// Redis's names for eviction policies that have another one in Forebay's configuration; the rest are spelled
// alike.
inline constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kPolicyNames{{
    {"allkeys-lru", "lru"},
    {"allkeys-lfu", "lfu"},
    {"allkeys-random", "random"},
}};

constexpr std::string_view redis_policy_name(std::string_view policy) {
  for (const auto& [redis, own] : kPolicyNames) {
    if (policy == own) return redis;
  }
  return policy;
}

constexpr std::string_view own_policy_name(std::string_view policy) {
  for (const auto& [redis, own] : kPolicyNames) {
    if (policy == redis) return own;
  }
  return policy;
}

}  // namespace forebay::server
