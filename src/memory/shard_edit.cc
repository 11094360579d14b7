// Editing a collection where it lies: room for what it may grow by is made first, then the writer edits it, then
// what it came to is counted.

#include "memory/shard_room.h"
#include "memory/shard_scopes.h"

namespace forebay::memory {

PutOutcome Shard::edit(std::uint64_t hash, std::string_view key, Instant now, std::size_t room, Edit edit) {
  take_hits();
  if (room == 0) {
    const PutOutcome outcome = edit_and_write(hash, key, now, Room::kToBeMade, edit);
    free_nodes(kNodesPerDeparture);
    tidy(kMostMovesPerWrite);
    return outcome;
  }
  // Room is made before the entry is looked up, as that may be the one that has to leave for it. While the writer
  // edits, nothing leaves.
  const std::size_t wanted = count_bytes() ? room : 1;
  const std::size_t limit = common_.limit.load(std::memory_order_relaxed);
  // Beside what it takes there must be room for as much again, as where a collection is copied: otherwise all
  // others would leave, in vain.
  if (count_bytes() && limit != 0 && common_.fixed.load(std::memory_order_relaxed) + 2 * wanted > limit) {
    ++counters_.refused_full;
    return PutOutcome::kFull;
  }
  const std::size_t used = common_.used.fetch_add(wanted, std::memory_order_relaxed) + wanted;
  const bool full = limit != 0 && used > limit && !common_.relief->make_room(*this, wanted, 0);
  if (full || !Cage::has(room)) {
    common_.used.fetch_sub(wanted, std::memory_order_relaxed);
    ++counters_.refused_full;
    return PutOutcome::kFull;
  }
  const PutOutcome outcome = edit_and_write(hash, key, now, Room::kReserved, edit);
  common_.used.fetch_sub(wanted, std::memory_order_relaxed);
  free_nodes(kNodesPerDeparture);
  tidy(kMostMovesPerWrite);
  return outcome;
}

PutOutcome Shard::edit_and_write(std::uint64_t hash, std::string_view key, Instant now, Room room,
                                 Edit edit) {
  Stamp stamp;
  Entry* const entry = live(hash, key, now, stamp);
  const Visit inside(*this);
  const bool was_collection = entry != nullptr && entry->is_collection();
  Collection all(was_collection ? entry->bytes() : std::string_view(), nodes_);
  const auto wanted = entry == nullptr ? edit(nullptr, all) : [&] {
    const EntryView seen = view(*entry, stamp, common_.base.seconds(now));
    return edit(&seen, all);
  }();
  count_nodes();
  if (!wanted) return PutOutcome::kKept;
  const bool stays = was_collection && !all.forgotten();
  if (stays && Collection::is_large(entry->bytes())) {
    keep_nodes(*entry, all.bytes());
    if (!all.is_nothing()) {
      ++changes_;
      entry->set_accessed(common_.base.seconds(now));
      policy_->on_replace(entry->hook(), entry->hook());
      return PutOutcome::kStored;
    }
  }
  if (all.is_nothing()) {
    if (entry == nullptr) return PutOutcome::kKept;
    policy_->on_erase(entry->hook());
    leave(*entry, hash, Departure::kInvalidated);
    return PutOutcome::kKept;
  }
  const Payload payload{all.bytes(), nullptr, EntryType::kCollection, stays,
                        stays ? entry->tags() : std::string_view()};
  const PutOutcome outcome = store(hash, key, entry, payload, stays ? stamp : *wanted, now, room);
  if (outcome != PutOutcome::kStored) abandon_nodes(payload.bytes);
  return outcome;
}

void Shard::keep_nodes(Entry& entry, std::string_view bytes) {
  const std::size_t before = entry.charge();
  const Writing section(*this);
  entry.overwrite(bytes);
  entry.set_revision(next_revision(EntryType::kCollection));
  const std::size_t after = entry.charge();
  if (after != before && count_bytes()) policy_->on_resize(entry.hook(), before, after);
}

}  // namespace forebay::memory
