#pragma once

// The eviction policies that exist; registry.cc has a row for each.

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "forebay/result.h"
#include "memory/eviction/policy.h"

namespace forebay::memory {

struct PolicyRow {
  std::string_view name;
  std::unique_ptr<EvictionPolicy> (*make)();  // one instance per shard
  bool evicts;  // false: pop_victim() is always null, so there is no use in asking
};

std::span<const PolicyRow> policy_rows();

// The names, in the order of the rows: what a configuration may say.
std::vector<std::string_view> policy_names();

// The row of a name. kConfig with the names that exist if there is none.
Result<const PolicyRow*> find_policy(std::string_view name);

}  // namespace forebay::memory
