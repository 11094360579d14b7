// The room that a shard takes: what it counts, how the table follows the number of entries, how entries leave
// and what they took is given back, eviction, and clearing.

#include "memory/shard_room.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "memory/shard_scopes.h"

namespace forebay::memory {
namespace {

// What a departure leaves behind may need this many moves before its memory is whole spans again. Writes and
// evictions make them, some at once, as looking for what to move costs as much as a few moves.
constexpr std::size_t kMovesPerDeparture = 8;
constexpr std::size_t kMovesAtOnce = 64;

// Buckets of a cleared table that are looked at in one step of upkeep(), and the steps that one span of its
// entries or of the table is worth: giving it back takes a system call or two.
constexpr std::size_t kBucketsPerStep = 4;
constexpr std::size_t kStepsPerSpan = 16;

}  // namespace

void Shard::count_policy() {
  const std::size_t bytes = weight(policy_->bytes());
  if (bytes == policy_bytes_) return;
  if (bytes > policy_bytes_) {
    common_.used.fetch_add(bytes - policy_bytes_, std::memory_order_relaxed);
    add_bytes(bytes - policy_bytes_);
  } else {
    give_back(policy_bytes_ - bytes);
  }
  policy_bytes_ = bytes;
}

std::size_t Shard::rehash(std::size_t buckets) {
  if (visits_ > 1) return 0;  // an outer visitor may be walking a chain
  if (!table_.wants_rehash()) return 0;
  std::size_t done;
  {
    const Writing section(*this);
    done = table_.rehash(buckets);
  }
  const std::size_t bytes = weight(table_.bytes());
  if (bytes == table_bytes_) return done;
  if (bytes > table_bytes_) {
    common_.used.fetch_add(bytes - table_bytes_, std::memory_order_relaxed);
    add_bytes(bytes - table_bytes_);
  } else {
    give_back(table_bytes_ - bytes);
  }
  table_bytes_ = bytes;
  return done;
}

void Shard::leave(Entry& entry, std::uint64_t hash, Departure why) {
  ++changes_;
  const Writing section(*this);
  table_.erase(entry, hash);
  unlink(entry);
  departures_.record(hash, why);
  if (why == Departure::kExpired) ++counters_.expired;
  if (why == Departure::kEvicted) ++counters_.evicted;
  give_back(weight(entry));
  if (entry.is_collection()) abandon_nodes(entry.bytes());
  // Within the section: a reader that begins now finds the entry gone, one that had begun was there before.
  if (why != Departure::kInvalidated && common_.departures != nullptr)
    common_.departures->departed(entry.key(), hash, why);
  dispose(entry);
}

void Shard::leave_purged(Entry& entry, std::uint64_t hash) {
  policy_->on_erase(entry.hook());
  if (common_.departures != nullptr) common_.departures->departed(entry.key(), hash, Departure::kInvalidated);
  leave(entry, hash, Departure::kInvalidated);
}

void Shard::abandon_nodes(std::string_view collection) {
  for (const TreeRoot& root : Collection::trees_of(collection)) {
    if (root.node != 0) abandoned_.push_back(root);
  }
}

std::size_t Shard::free_nodes(std::size_t most) {
  if (abandoned_.empty() || visits_ > (decided_ ? 1u : 0u)) return 0;
  std::size_t freed = 0;
  while (freed < most && !abandoned_.empty()) {
    if (Tree::free_some(nodes_, abandoned_.back())) {
      ++freed;
    } else {
      abandoned_.pop_back();
    }
  }
  count_nodes();
  return freed;
}

void Shard::count_nodes() {
  const std::size_t bytes = weight(nodes_.allocated());
  if (bytes == node_bytes_) return;
  if (bytes > node_bytes_) {
    common_.used.fetch_add(bytes - node_bytes_, std::memory_order_relaxed);
    add_bytes(bytes - node_bytes_);
  } else {
    give_back(node_bytes_ - bytes);
  }
  node_bytes_ = bytes;
}

void Shard::dispose(Entry& entry) {
  if (visits_ == 0) return destroy(entry);
  entry.retire(set_aside_);
  set_aside_ = entry.ref();
}

void Shard::destroy(Entry& entry) {
  if (entry.owns_more_than_its_block()) --owners_;
  Entry::destroy(slabs_, &entry);
  moves_due_ += kMovesPerDeparture;
}

void Shard::tidy(std::size_t most) {
  if (moves_due_ < kMovesAtOnce || visits_ != 0) return;
  const std::size_t moved = compact(std::min(moves_due_, most));
  moves_due_ = moved == 0 ? 0 : moves_due_ - moved;
}

std::size_t Shard::compact(std::size_t entries) {
  if (visits_ != 0 || !slabs_.sparse()) return 0;
  const Writing section(*this);
  return slabs_.compact(entries,
                        [&](void* from, void* to, std::size_t bytes)
                            NO_THREAD_SAFETY_ANALYSIS {  // called under the lock that compact() requires
                              Entry& old = *static_cast<Entry*>(from);
                              Entry& fresh = Entry::relocate(old, to, bytes);
                              table_.replace(old, fresh, hash_bytes(fresh.key()));
                              if (fresh.has_expiry()) fresh.wheel().take_place_of(old.wheel());
                              policy_->on_move(old.hook(), fresh.hook());
                              return true;
                            });
}

std::size_t Shard::give_way() {
  const std::size_t before = bytes();
  if (may_free_cleared()) {
    while (bytes() == before && free_cleared(1) != 0) {
    }
    if (bytes() != before) return before - bytes();
  }
  if (free_nodes(kNodesPerDeparture) != 0) return before - bytes();
  take_hits();
  EntryHook* const victim = policy_->pop_victim();
  if (victim == nullptr) return 0;
  Entry& entry = Entry::from(*victim);
  leave(entry, hash_bytes(entry.key()), Departure::kEvicted);
  free_nodes(kNodesPerDeparture);
  const std::size_t given = before - bytes();
  tidy(kMovesAtOnce);
  return given;
}

void Shard::clear() {
  ++changes_;
  if (visits_ != 0) cleared_is_visited_ = true;
  const std::size_t bytes = this->bytes() - weight(fixed_bytes()) - policy_bytes_ - cleared_bytes_;
  common_.cleared.fetch_add(bytes, std::memory_order_relaxed);
  cleared_bytes_ += bytes;
  Table empty;
  const Writing section(*this);
  // The last of cleared_ may be half freed: a new one goes before it.
  cleared_.insert(cleared_.begin(), Cleared{std::move(slabs_), std::move(nodes_), std::move(table_),
                                            std::exchange(set_aside_, 0), std::exchange(owners_, 0), bytes,
                                            std::exchange(node_bytes_, 0)});
  slabs_ = Slabs();
  nodes_ = NodeMemory();
  abandoned_.clear();
  table_ = std::move(empty);
  table_bytes_ = weight(table_.bytes());
  common_.used.fetch_add(table_bytes_, std::memory_order_relaxed);
  add_bytes(table_bytes_);
  policy_ = policy_row_.load(std::memory_order_relaxed)->make(facts_, policy_options_);
  count_policy();
  wheel_.reset();
  departures_.forget_all();
  std::ranges::fill(counters_.by_space, SpaceEntries());
  tagged_ = 0;
  sweep_at_ = 0;
  // The new table came while the old one is still there: so much of that goes at once as keeps the limit.
  const std::size_t limit = common_.limit.load(std::memory_order_relaxed);
  const std::size_t before = this->bytes();
  while (limit != 0 && common_.used.load(std::memory_order_relaxed) > limit &&
         before - this->bytes() < table_bytes_ && free_cleared(1) != 0) {
  }
}

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
  if (const std::size_t nodes = cleared.nodes.held(); nodes != 0) {
    cleared.nodes.discard(1);
    const double share = static_cast<double>(nodes - cleared.nodes.held()) / static_cast<double>(nodes);
    const auto bytes = static_cast<std::size_t>(static_cast<double>(cleared.node_bytes) * share);
    cleared.node_bytes -= bytes;
    cleared.bytes -= std::min(cleared.bytes, bytes);
    return kStepsPerSpan;
  }
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

}  // namespace forebay::memory
