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
  // One instance per shard; `facts` outlives it.
  std::unique_ptr<EvictionPolicy> (*make)(const EntryFacts& facts, const PolicyOptions& options);
  bool evicts;  // false: pop_victim() is always null, so there is no use in asking
  // Whether a hit on an entry with these bits would change nothing, so that readers need not report it: a
  // pure function, called without the lock. Null: every hit counts.
  bool (*hit_is_settled)(std::uint8_t bits);
  // Whether it heeds PolicyOptions::weigh and admission. A configuration with others must not set them; a
  // policy that heeds them has every hit reported.
  bool heeds_options = false;
  // How often an entry with these bits was used lately, 1 to 127. Null: it does not count.
  unsigned (*frequency)(std::uint8_t bits) = nullptr;
  // Whether, as long as no option is set, a hit on the entry that was hit last changes nothing.
  bool repeats_settle = false;
};

std::span<const PolicyRow> policy_rows();

// The names, in the order of the rows: what a configuration may say.
std::vector<std::string_view> policy_names();

// Those of them that heed the options.
std::vector<std::string_view> policy_names_with_options();

// The row of a name. kConfig with the names that exist if there is none.
Result<const PolicyRow*> find_policy(std::string_view name);

// The same; kConfig also if the options say something that this policy does not heed.
Result<const PolicyRow*> find_policy(std::string_view name, const PolicyOptions& options);

}  // namespace forebay::memory
