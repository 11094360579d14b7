// Writing a key: what the writer decided is done in the entry where it lies if it fits there, else by a new
// entry that takes its place.

#include <algorithm>
#include <string>
#include <vector>

#include "base/hash.h"
#include "memory/arena/large.h"
#include "memory/shard_room.h"
#include "memory/shard_scopes.h"

namespace forebay::memory {

namespace {

enum class Of : std::uint8_t { kUnmarked, kMarked };

// The tags, and of the old ones those of this kind. `merged`: where they are put if there are such.
std::string_view with_old(std::string_view tags, std::string_view old, Of kind, std::string& merged) {
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  for (std::size_t i = 1; i * kWord < old.size(); ++i) {
    const std::uint64_t tag = TagPurges::word(old, i);
    if ((tag & 1) != static_cast<std::uint64_t>(kind)) continue;
    if (merged.empty()) merged = tags.empty() ? std::string(old.substr(0, kWord)) : std::string(tags);
    if (merged.size() == (1 + TagPurges::kMostTags) * kWord) break;
    bool there = false;
    for (std::size_t j = 1; j * kWord < merged.size() && !there; ++j)
      there = TagPurges::word(merged, j) == tag;
    if (!there) merged.append(old.substr(i * kWord, kWord));
  }
  return merged.empty() ? tags : std::string_view(merged);
}

}  // namespace

PutOutcome Shard::update(std::uint64_t hash, std::string_view key, Instant now,
                         FunctionRef<Change(const EntryView*)> decide) {
  const PutOutcome outcome = decide_and_write(hash, key, now, decide);
  if (!abandoned_.empty()) [[unlikely]]
    free_nodes(kNodesPerDeparture);
  if (outcome == PutOutcome::kStored) tidy(kMostMovesPerWrite);
  return outcome;
}

PutOutcome Shard::decide_and_write(std::uint64_t hash, std::string_view key, Instant now,
                                   FunctionRef<Change(const EntryView*)> decide) {
  take_hits();
  Stamp stamp;
  Entry* entry = live(hash, key, now, stamp);
  const Visit inside(*this);
  const std::uint64_t changes = changes_;
  // Made where it stays: moving one costs as much as the rest of a small write.
  Change change = entry == nullptr ? decide(nullptr) : [&] {
    const EntryView seen = view(*entry, stamp, common_.base.seconds(now));
    return decide(&seen);
  }();
  if (change.kind == Change::Kind::kKeep) return PutOutcome::kKept;
  if (changes_ != changes) {  // a nested call wrote to this shard, perhaps to this key
    Stamp again;
    entry = live(hash, key, now, again);
  }
  switch (change.kind) {
    case Change::Kind::kReplace:
      if (change.keeps_marked_tags && entry != nullptr && !entry->tags().empty()) [[unlikely]] {
        std::string merged;
        change.tags = with_old(change.tags, entry->tags(), Of::kMarked, merged);
        return replace(hash, key, entry, change, now);
      }
      return replace(hash, key, entry, change, now);
    case Change::Kind::kRevalue:
      if (entry == nullptr) break;
      if (visits_ == 1 && revalue(*entry, change.bytes, now)) return PutOutcome::kStored;
      change.stamp = {};
      entry->read_stamp(common_.base, change.stamp);
      change.type = entry->type();
      change.tags = entry->tags();
      return replace(hash, key, entry, change, now);
    case Change::Kind::kRestamp:
      if (entry == nullptr) break;
      return store(hash, key, entry, entry->payload(), change.stamp, now);
    case Change::Kind::kRetag:
      if (entry == nullptr) break;
      return retag(hash, key, *entry, change.tags, stamp, now);
    case Change::Kind::kErase:
      if (entry == nullptr) break;
      policy_->on_erase(entry->hook());
      leave(*entry, hash, Departure::kInvalidated);
      break;
    case Change::Kind::kKeep:
      break;
  }
  return PutOutcome::kKept;
}

PutOutcome Shard::retag(std::uint64_t hash, std::string_view key, Entry& entry, std::string_view tags,
                        const Stamp& stamp, Instant now) {
  Payload payload = entry.payload();
  std::string merged;
  payload.tags = with_old(tags, payload.tags, Of::kUnmarked, merged);
  return store(hash, key, &entry, payload, stamp, now);
}

PutOutcome Shard::replace(std::uint64_t hash, std::string_view key, Entry* old, Change& change, Instant now) {
  Payload payload{change.bytes, nullptr, change.type, false, change.tags};
  if (change.shared) {
    payload.bytes = change.shared->view();
    if (change.shared->is_object() || payload.bytes.size() > kInlineMax) payload.shared = &*change.shared;
  }
  const std::size_t size = payload.shared != nullptr ? payload.shared->charge() : payload.bytes.size();
  const std::size_t limit = common_.limit.load(std::memory_order_relaxed);
  const std::size_t most = common_.max_value.load(std::memory_order_relaxed);
  const std::size_t fixed = common_.fixed.load(std::memory_order_relaxed);
  if ((most != 0 && size > most) || (count_bytes() && limit != 0 && fixed + key.size() + size >= limit)) {
    ++counters_.too_large;
    if (old != nullptr) {
      policy_->on_erase(old->hook());
      leave(*old, hash, Departure::kInvalidated);
    }
    return PutOutcome::kTooLarge;
  }
  // Large bytes lie in the cage, also those that came as a Value: what is kept must not lie in the
  // allocator's fragments.
  if (payload.bytes.size() > kInlineMax && (payload.shared == nullptr || !Large::holds(*payload.shared))) {
    change.shared = Large::copy(payload.bytes);
    payload.shared = &*change.shared;
  }
  return store(hash, key, old, payload, change.stamp, now);
}

PutOutcome Shard::store(std::uint64_t hash, std::string_view key, Entry* old, const Payload& payload,
                        const Stamp& stamp, Instant now, Room room) {
  // An outer visitor may be looking at the bytes that would be written over.
  if (old != nullptr && visits_ == 1) {
    const Entry::Plan plan = old->plan(payload, stamp, common_.base);
    if (old->fits(plan) && (payload.shared == nullptr || hold(*old, *payload.shared))) {
      rewrite(*old, plan, payload, stamp, now);
      return PutOutcome::kStored;
    }
  }
  Entry* const fresh = Entry::make(slabs_, key, payload, stamp, common_.base);
  if (fresh == nullptr) {
    ++counters_.refused_full;
    return PutOutcome::kFull;
  }
  if (fresh->owns_more_than_its_block()) ++owners_;
  const std::size_t bytes = weight(*fresh);
  // Room for what the table may grow by in this operation is taken along, and what isn't used given back.
  const std::size_t growth = table_.may_rehash() ? weight(kBucketsPerWrite * Table::kBytesPerSplit) : 0;
  const std::size_t limit = common_.limit.load(std::memory_order_relaxed);
  const std::size_t used = common_.used.fetch_add(bytes + growth, std::memory_order_relaxed) + bytes + growth;
  if (limit != 0 && used > limit && room == Room::kToBeMade) {
    const std::uint64_t changes = changes_;
    decided_ = true;
    const bool made = common_.relief->make_room(*this, bytes + growth, old == nullptr ? 0 : weight(*old));
    decided_ = false;
    if (!made) {
      common_.used.fetch_sub(bytes + growth, std::memory_order_relaxed);
      destroy(*fresh);
      ++counters_.refused_full;
      return PutOutcome::kFull;
    }
    if (old != nullptr && changes_ != changes) old = table_.find(hash, key);  // it may have been the victim
    if (old == nullptr && payload.keeps_nodes && Collection::is_large(payload.bytes)) {
      // And so have its nodes, which no other entry may have.
      common_.used.fetch_sub(bytes + growth, std::memory_order_relaxed);
      destroy(*fresh);
      return PutOutcome::kKept;
    }
  }
  add_bytes(bytes);
  ++changes_;
  fresh->set_revision(next_revision(payload.type));
  fresh->set_accessed(common_.base.seconds(now));
  link(*fresh);
  const Writing section(*this);
  if (old == nullptr) {
    table_.insert(*fresh, hash);
    policy_->on_insert(fresh->hook());
  } else {
    table_.replace(*old, *fresh, hash);
    policy_->on_replace(old->hook(), fresh->hook());
    unlink(*old);
    give_back(weight(*old));
    if (old->is_collection() && !payload.keeps_nodes) abandon_nodes(old->bytes());
    dispose(*old);
  }
  count_policy();
  if (table_.may_rehash()) rehash(kBucketsPerWrite);
  if (growth != 0) common_.used.fetch_sub(growth, std::memory_order_relaxed);
  return PutOutcome::kStored;
}

void Shard::rewrite(Entry& entry, const Entry::Plan& plan, const Payload& payload, const Stamp& stamp,
                    Instant now) {
  unlink(entry);
  const bool collection = payload.type == EntryType::kCollection;
  const std::size_t before = collection && count_bytes() ? entry.charge() : 0;
  if (collection && !payload.keeps_nodes) abandon_nodes(entry.bytes());
  const Writing section(*this);
  entry.rewrite(plan, payload, stamp, common_.base);
  if (collection && count_bytes()) {
    const std::size_t after = entry.charge();
    if (after != before) policy_->on_resize(entry.hook(), before, after);
  }
  ++changes_;
  entry.set_revision(next_revision(payload.type));
  entry.set_accessed(common_.base.seconds(now));
  link(entry);
  policy_->on_replace(entry.hook(), entry.hook());
}

// Has an entry hold another value by reference: the block stays, the weight changes. False: it grows by more
// than there is room for, and nothing has changed.
bool Shard::hold(Entry& entry, const Value& value) {
  if (&value == entry.shared()) return true;
  const std::size_t before = weight(entry);
  const std::size_t after = count_bytes() ? entry.charge_with(value) : before;
  if (after > before) {
    const std::size_t limit = common_.limit.load(std::memory_order_relaxed);
    const std::size_t growth = after - before;
    const std::size_t used = common_.used.fetch_add(growth, std::memory_order_relaxed) + growth;
    if (limit != 0 && used > limit) {
      common_.used.fetch_sub(growth, std::memory_order_relaxed);
      return false;
    }
    add_bytes(growth);
  }
  const Writing section(*this);
  entry.hold(value);
  if (after < before) give_back(before - after);
  if (after != before) policy_->on_resize(entry.hook(), before, after);
  return true;
}

// False: the value has another length, so that more than its bytes changes.
bool Shard::revalue(Entry& entry, std::string_view bytes, Instant now) {
  if (!entry.has_bytes_of(bytes.size())) return false;
  const Writing section(*this);
  entry.overwrite(bytes);
  ++changes_;
  entry.set_revision(next_revision(entry.type()));
  entry.set_accessed(common_.base.seconds(now));
  policy_->on_replace(entry.hook(), entry.hook());
  return true;
}

void Shard::move_wall_times(Instant now, Duration by) {
  // By their keys: a new expiry may need another block, and one that has passed takes its entry along.
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < table_.chains(); ++i) {
    for (const Entry* entry = table_.chain(i); entry != nullptr; entry = Table::next(*entry)) {
      if (entry->is_by_wall_clock()) keys.emplace_back(entry->key());
    }
  }
  for (const std::string& key : keys) {
    update(hash_bytes(key), key, now, [&](const EntryView* entry) {
      if (entry == nullptr) return Change::keep();
      Stamp stamp = entry->stamp();
      const bool fresh_while_alive = stamp.fresh_until == stamp.expires;
      stamp.expires = std::min(saturating_add(stamp.expires, by), kNever - Duration(1));
      if (fresh_while_alive) stamp.fresh_until = stamp.expires;
      return Change::restamp(stamp);
    });
  }
}

bool Shard::erase(std::uint64_t hash, std::string_view key, Instant now, Departure why) {
  take_hits();
  Stamp stamp;
  Entry* const entry = live(hash, key, now, stamp);
  if (entry == nullptr) return false;
  policy_->on_erase(entry->hook());
  leave(*entry, hash, why);
  free_nodes(kNodesPerDeparture);
  rehash(kBucketsPerErase);
  return true;
}

}  // namespace forebay::memory
