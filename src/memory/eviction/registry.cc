#include "memory/eviction/registry.h"

#include <algorithm>
#include <string>

#include "memory/eviction/auto.h"
#include "memory/eviction/fifo.h"
#include "memory/eviction/lfu.h"
#include "memory/eviction/lru.h"
#include "memory/eviction/noeviction.h"
#include "memory/eviction/random.h"
#include "memory/eviction/s3_fifo.h"
#include "memory/eviction/sieve.h"
#include "memory/eviction/ttl.h"
#include "memory/eviction/volatile.h"
#include "memory/eviction/w_tinylfu.h"

namespace forebay::memory {
namespace {

bool hits_change_nothing(std::uint8_t) {
  return true;
}

constexpr PolicyRow kRows[] = {
    {"auto", make_auto, true, nullptr},
    {"lru", make_lru, true, nullptr, true, nullptr, true},
    {"lfu", make_lfu, true, nullptr, true, lfu_frequency},
    {"fifo", make_fifo, true, hits_change_nothing},
    {"random", make_random, true, hits_change_nothing},
    {"ttl", make_ttl, true, hits_change_nothing},
    {"noeviction", make_noeviction, false, hits_change_nothing},
    {"volatile-lru", make_volatile_lru, true, nullptr, true, nullptr, true},
    {"volatile-lfu", make_volatile_lfu, true, nullptr, true, volatile_lfu_frequency},
    {"volatile-random", make_volatile_random, true, hits_change_nothing},
    {"volatile-ttl", make_volatile_ttl, true, hits_change_nothing},
    {"sieve", make_sieve, true, sieve_hit_is_settled},
    {"s3-fifo", make_s3_fifo, true, s3_fifo_hit_is_settled},
    {"w-tinylfu", make_w_tinylfu, true, nullptr},
};

}  // namespace

std::span<const PolicyRow> policy_rows() {
  return kRows;
}

std::vector<std::string_view> policy_names() {
  std::vector<std::string_view> names;
  for (const auto& row : kRows) names.push_back(row.name);
  return names;
}

std::vector<std::string_view> policy_names_with_options() {
  std::vector<std::string_view> names;
  for (const auto& row : kRows) {
    if (row.heeds_options) names.push_back(row.name);
  }
  return names;
}

Result<const PolicyRow*> find_policy(std::string_view name) {
  const auto* const row = std::ranges::find(kRows, name, &PolicyRow::name);
  if (row != std::end(kRows)) return row;
  std::string names;
  for (const auto& each : kRows) names.append(names.empty() ? "" : ", ").append(each.name);
  return Error{ErrorCode::kConfig,
               "memory: unknown eviction policy '" + std::string(name) + "'; there are: " + names};
}

Result<const PolicyRow*> find_policy(std::string_view name, const PolicyOptions& options) {
  auto row = find_policy(name);
  if (!row || (*row)->heeds_options) return row;
  if (options.weigh == Weigh::kNothing && options.admission == Admission::kAll) return row;
  std::string names;
  for (const auto each : policy_names_with_options()) names.append(names.empty() ? "" : ", ").append(each);
  return Error{ErrorCode::kConfig, "memory: the eviction policy '" + std::string(name) +
                                       "' heeds neither weigh nor admission; those that do are: " + names};
}

}  // namespace forebay::memory
