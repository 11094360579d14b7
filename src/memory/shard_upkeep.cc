// What a shard does beside its calls: gives back what was cleared, takes another policy, checks itself.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "memory/shard.h"

namespace forebay::memory {
namespace {

// Buckets of a cleared table that are looked at in one step of upkeep(), and the steps that one span of its
// entries or of the table is worth: giving it back takes a system call or two.
constexpr std::size_t kBucketsPerStep = 4;
constexpr std::size_t kStepsPerSpan = 16;

}  // namespace

std::size_t Shard::free_cleared(std::size_t steps) {
  std::size_t taken = 0;
  while (taken < steps && may_free_cleared()) {
    auto& cleared = cleared_.back();
    const std::size_t before = cleared.bytes;
    taken += free_some(cleared);
    std::size_t freed = before - cleared.bytes;
    if (cleared.table.chains() == 0) {
      freed = before;  // with what rounding left
      cleared_.pop_back();
    }
    give_back(freed);
    cleared_bytes_ -= freed;
    common_.cleared.fetch_sub(freed, std::memory_order_relaxed);
  }
  return std::min(taken, steps);
}

std::size_t Shard::free_some(Cleared& cleared) {
  const auto free_entry = [&](Entry& entry) NO_THREAD_SAFETY_ANALYSIS {
    if (entry.owns_more_than_its_block()) --cleared.owners;
    return Entry::destroy(cleared.slabs, &entry);
  };
  if (cleared.set_aside != 0) {
    Entry& entry = Entry::at(cleared.set_aside);
    cleared.set_aside = entry.retired_next();
    free_entry(entry);  // its bytes were given back when it left the table
    return 1;
  }
  if (cleared.owners != 0) {
    for (std::size_t i = 0; i < kBucketsPerStep && cleared.table.chains() != 0; ++i) {
      const std::size_t buckets = cleared.table.bytes();
      Entry* const entry = cleared.table.take_apart();
      cleared.bytes -= std::min(cleared.bytes, weight(buckets - cleared.table.bytes()));
      if (entry == nullptr) continue;
      cleared.bytes -= std::min(cleared.bytes, weight(*entry));
      free_entry(*entry);
      break;
    }
    return 1;
  }
  // The rest are blocks only: whole spans of them go, then the table.
  const std::size_t held = cleared.slabs.held();
  if (held != 0) {
    cleared.slabs.discard(1);
    const std::size_t in_blocks = cleared.bytes - std::min(cleared.bytes, weight(cleared.table.bytes()));
    const double share = static_cast<double>(held - cleared.slabs.held()) / static_cast<double>(held);
    cleared.bytes -= static_cast<std::size_t>(static_cast<double>(in_blocks) * share);
    return kStepsPerSpan;
  }
  const std::size_t buckets = cleared.table.bytes();
  cleared.table.discard_piece();
  cleared.bytes -= std::min(cleared.bytes, weight(buckets - cleared.table.bytes()));
  return kStepsPerSpan;
}

void Shard::use_policy(const PolicyRow& row, const PolicyOptions& options) {
  take_hits();
  auto policy = row.make(facts_, options);
  std::vector<Entry*> entries;
  entries.reserve(table_.size());
  for (std::size_t i = 0; i < table_.chains(); ++i) {
    for (Entry* entry = table_.chain(i); entry != nullptr; entry = Table::next(*entry))
      entries.push_back(entry);
  }
  std::ranges::sort(entries, {}, &Entry::accessed_seconds);
  for (Entry* const entry : entries) {
    entry->forget_policy();
    policy->on_insert(entry->hook());
  }
  policy_ = std::move(policy);
  follow_policy(row, options);
  policy_options_ = options;
  count_policy();
}

std::string Shard::inconsistency() {
  take_hits();
  std::size_t entries = 0;
  std::size_t expiring = 0;
  std::size_t owners = 0;
  std::size_t bytes = weight(fixed_bytes() + table_.bytes()) + policy_bytes_ + cleared_bytes_;
  std::vector<std::size_t> spaces(counters_.entries_by_space.size());
  for (std::size_t i = 0; i < table_.chains(); ++i) {
    for (Entry* entry = table_.chain(i); entry != nullptr; entry = Table::next(*entry)) {
      ++entries;
      if (entry->has_expiry()) ++expiring;
      if (entry->owns_more_than_its_block()) ++owners;
      bytes += weight(*entry);
      if (entry->space() < spaces.size()) ++spaces[entry->space()];
      if (entry->retired()) return "a retired entry is in the table";
      if (table_.find(hash_bytes(entry->key()), entry->key()) != entry)
        return "an entry is not where it is looked for";
    }
  }
  if (entries != table_.size()) return "size";
  if (expiring != counters_.with_expiry) return "with_expiry";
  if (owners != owners_) return "owners";
  if (spaces != counters_.entries_by_space) return "entries_by_space";
  if (bytes != this->bytes())
    return "bytes: counted " + std::to_string(this->bytes()) + ", are " + std::to_string(bytes);
  if (expiring != wheel_.size()) return "the wheel holds another number of entries";
  if (!policy_row_.load(std::memory_order_relaxed)->evicts) return {};
  std::vector<EntryHook*> victims;
  while (EntryHook* const hook = policy_->pop_victim()) victims.push_back(hook);
  for (EntryHook* const hook : victims) policy_->on_insert(*hook);
  // The volatile policies let only those leave that expire.
  if (policy_row_.load(std::memory_order_relaxed)->name.starts_with("volatile-")) entries = expiring;
  return victims.size() == entries ? "" : "the policy tracks another number of entries";
}

}  // namespace forebay::memory
