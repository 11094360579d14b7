// A shard as a whole: how it is set up, what it answers its policy, what is due with time, and its check of
// itself. Reading, writing and making room have files of their own.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "memory/shard_scopes.h"

namespace forebay::memory {

Shard::Shard(Common& common, const PolicyRow& policy, const PolicyOptions& options, std::size_t departures)
    : common_(common),
      facts_(common),
      policy_row_(&policy),
      policy_options_(options),
      policy_(policy.make(facts_, options)),
      departures_(departures) {
  follow_policy(policy, options);
  table_bytes_ = weight(table_.bytes());
  policy_bytes_ = weight(policy_->bytes());
  const std::size_t fixed = weight(fixed_bytes()) + table_bytes_ + policy_bytes_;
  bytes_ = fixed;
  common_.fixed += fixed;
  common_.used += fixed;
}

Shard::~Shard() {
  const auto destroy_all = [](Cleared& cleared) {
    for (; cleared.set_aside != 0;) {
      Entry& entry = Entry::at(cleared.set_aside);
      cleared.set_aside = entry.retired_next();
      Entry::destroy(cleared.slabs, &entry);
    }
    while (cleared.owners != 0 && cleared.table.chains() != 0) {
      Entry* const entry = cleared.table.take_apart();
      if (entry == nullptr) continue;
      if (entry->owns_more_than_its_block()) --cleared.owners;
      Entry::destroy(cleared.slabs, entry);
    }
  };
  Cleared last{std::move(slabs_), std::move(nodes_), std::move(table_), set_aside_, owners_, 0, 0};
  destroy_all(last);
  for (auto& each : cleared_) destroy_all(each);
}

std::size_t Shard::fixed_bytes() const {
  return sizeof(Shard) + departures_.bytes() + TimerWheel::bytes() + hits_.bytes();
}

std::uint64_t Shard::Facts::hash(const EntryHook& entry) const {
  return hash_bytes(Entry::from(entry).key());
}

std::size_t Shard::Facts::weight(const EntryHook& entry) const {
  return common_.count == Count::kBytes ? Entry::from(entry).charge() : 1;
}

std::uint64_t Shard::Facts::expires_ms(const EntryHook& entry) const {
  const Entry& mine = Entry::from(entry);
  if (!mine.has_expiry()) return kNoExpiry;
  Stamp stamp;
  return common_.base.ms(mine.read_stamp(common_.base, stamp));
}

std::chrono::microseconds Shard::Facts::load_cost(const EntryHook& entry) const {
  Stamp stamp;
  Entry::from(entry).read_stamp(common_.base, stamp);
  return stamp.load_cost;
}

void Shard::follow_policy(const PolicyRow& row, const PolicyOptions& options) {
  policy_row_.store(&row, std::memory_order_relaxed);
  hit_is_settled_.store(row.hit_is_settled, std::memory_order_relaxed);
  const bool plain = options.weigh == Weigh::kNothing && options.admission == Admission::kAll;
  repeats_settle_.store(row.repeats_settle && plain, std::memory_order_relaxed);
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

void Shard::link(Entry& entry) {
  const std::uint32_t space = entry.space();
  if (space >= counters_.by_space.size()) counters_.by_space.resize(space + 1);
  SpaceEntries& of_space = counters_.by_space[space];
  ++of_space.entries;
  if (!entry.tags().empty()) ++tagged_;
  if (!entry.has_expiry()) return;
  wheel_.file(entry.wheel(), entry.due_tick());
  ++of_space.with_expiry;
}

void Shard::unlink(Entry& entry) {
  SpaceEntries& of_space = counters_.by_space[entry.space()];
  --of_space.entries;
  if (!entry.tags().empty()) --tagged_;
  if (!entry.has_expiry()) return;
  wheel_.unlink(entry.wheel());
  --of_space.with_expiry;
}

std::size_t Shard::upkeep(Instant now, std::size_t budget) {
  take_hits();
  std::size_t taken = free_cleared(budget);
  if (taken < budget) taken += free_nodes(budget - taken);
  if (taken == budget) return taken;
  taken += wheel_.advance(
      tick_at_ms(common_.base.ms(now)), budget - taken,
      [](WheelHook& hook) { return Entry::from(hook).due_tick(); },
      [&](WheelHook& hook)
          NO_THREAD_SAFETY_ANALYSIS {  // called by advance() under the lock that upkeep() requires
            Entry& entry = Entry::from(hook);
            policy_->on_erase(entry.hook());
            leave(entry, hash_bytes(entry.key()), Departure::kExpired);
          });
  if (taken < budget) taken += sweep_purged(budget - taken);
  if (taken == budget) return taken;
  // What writes left undone goes on here, so that a table that is no longer written to gives its memory back;
  // growing waits for room.
  const std::size_t limit = common_.limit.load(std::memory_order_relaxed);
  const std::size_t used = common_.used.load(std::memory_order_relaxed);
  std::size_t buckets = budget - taken;
  if (limit != 0) buckets = std::min(buckets, limit > used ? (limit - used) / Table::kBytesPerSplit : 0);
  taken += rehash(buckets);
  if (taken < budget) taken += compact(budget - taken);
  return taken;
}

std::size_t Shard::sweep_purged(std::size_t buckets) {
  if (tagged_ == 0) {
    swept_ = common_.tags.now();
    return 0;
  }
  std::size_t looked_at = 0;
  const Visit inside(*this);
  while (looked_at < buckets) {
    if (sweep_at_ == 0) {
      if (swept_ == common_.tags.now()) break;
      sweep_for_ = common_.tags.now();
    }
    // Called by scan() under the lock that sweep_purged() requires.
    sweep_at_ = table_.scan(sweep_at_, [&](Entry& entry) NO_THREAD_SAFETY_ANALYSIS {
      if (!entry.retired() && purged(entry)) leave_purged(entry, hash_bytes(entry.key()));
    });
    ++looked_at;
    if (sweep_at_ == 0) swept_ = sweep_for_;
  }
  return looked_at;
}

std::string Shard::inconsistency() {
  take_hits();
  std::size_t entries = 0;
  std::size_t owners = 0;
  std::size_t nodes = 0;
  std::size_t bytes =
      weight(fixed_bytes() + table_.bytes() + nodes_.allocated()) + policy_bytes_ + cleared_bytes_;
  std::vector<SpaceEntries> spaces(counters_.by_space.size());
  for (std::size_t i = 0; i < table_.chains(); ++i) {
    for (Entry* entry = table_.chain(i); entry != nullptr; entry = Table::next(*entry)) {
      ++entries;
      if (entry->owns_more_than_its_block()) ++owners;
      bytes += weight(*entry);
      if (entry->is_collection()) nodes += Collection::node_bytes(entry->bytes());
      if (entry->space() >= spaces.size()) return "an entry's space is not counted";
      ++spaces[entry->space()].entries;
      if (entry->has_expiry()) ++spaces[entry->space()].with_expiry;
      if (entry->retired()) return "a retired entry is in the table";
      if (table_.find(hash_bytes(entry->key()), entry->key()) != entry)
        return "an entry is not where it is looked for";
    }
  }
  if (entries != table_.size()) return "size";
  if (owners != owners_) return "owners";
  if (spaces != counters_.by_space) return "by_space";
  std::size_t expiring = 0;
  for (const SpaceEntries& space : spaces) expiring += space.with_expiry;
  if (abandoned_.empty() && nodes != nodes_.allocated()) return "the nodes of collections";
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
