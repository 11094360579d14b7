#include "observe/key_events.h"

namespace forebay::observe {

std::string_view to_string(Invalidation cause) {
  switch (cause) {
    case Invalidation::kDelete:
      return "delete";
    case Invalidation::kWrite:
      return "write";
    case Invalidation::kChange:
      return "change";
    case Invalidation::kDependency:
      return "dependency";
    case Invalidation::kPurge:
      return "purge";
    case Invalidation::kEvent:
      return "event";
  }
  return "unknown";
}

KeyEvents::Slot& KeyEvents::claim(Shard& shard, std::uint64_t hash) {
  Slot& slot = shard.slots[hash % kSlots];
  if (slot.hash != hash) slot = {hash, {}};
  return slot;
}

void KeyEvents::invalidated(std::uint64_t hash, Invalidation cause, Instant now) {
  Shard& shard = shard_of(hash);
  MutexLock lock(shard.mutex);
  Slot& slot = claim(shard, hash);
  slot.events.invalidation = cause;
  slot.events.invalidated_at = now;
}

void KeyEvents::unstored(std::uint64_t hash, Unstored why) {
  Shard& shard = shard_of(hash);
  MutexLock lock(shard.mutex);
  claim(shard, hash).events.unstored = why;
}

void KeyEvents::stored(std::uint64_t hash) {
  Shard& shard = shard_of(hash);
  MutexLock lock(shard.mutex);
  Slot& slot = shard.slots[hash % kSlots];
  if (slot.hash == hash) slot.events.unstored.reset();
}

KeyEvents::Events KeyEvents::of(std::uint64_t hash) const {
  const Shard& shard = shard_of(hash);
  MutexLock lock(shard.mutex);
  const Slot& slot = shard.slots[hash % kSlots];
  return slot.hash == hash ? slot.events : Events{};
}

}  // namespace forebay::observe
