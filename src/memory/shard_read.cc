// Reading a shard: one key with and without the lock, what is known of keys, and walks over the table.

#include <span>

#include "memory/shard_scopes.h"

namespace forebay::memory {

Entry* Shard::live(std::uint64_t hash, std::string_view key, Instant now, Stamp& stamp) {
  Entry* const entry = table_.find(hash, key);
  if (entry == nullptr) return nullptr;
  if (entry->read_stamp(common_.base, stamp) > now) [[likely]] {
    if (!purged(*entry)) [[likely]]
      return entry;
    leave_purged(*entry, hash);
    return nullptr;
  }
  policy_->on_erase(entry->hook());
  leave(*entry, hash, Departure::kExpired);
  return nullptr;
}

Shard::Answer Shard::find_unlocked(std::uint64_t hash, std::string_view key, Instant now,
                                   FunctionRef<void(const EntryView&)> visit,
                                   Touch touch) NO_THREAD_SAFETY_ANALYSIS {
  constexpr int kTries = 3;
  constexpr int kMostSteps = 64;  // along a chain, which may be garbage
  const std::uint32_t seconds = common_.base.seconds(now);
  HitLog::Stripe& stripe = hits_.stripe();
  if (stripe.is_behind(seconds) || (touch == Touch::kNo && hits_.has_hits())) return Answer::kNeedsLock;
  Entry::Copy copy;
  Ref ref = 0;
  for (int tries = 0;; ++tries) {
    if (tries == kTries) return Answer::kNeedsLock;
    const std::uint64_t before = sequence_.load(std::memory_order_acquire);
    if ((before & 1) != 0) continue;
    bool whole = table_.head_unlocked(hash, ref);
    for (int steps = 0; whole && ref != 0; ref = copy.chain(), ++steps) {
      const auto found = copy.read(ref, key);
      if (found == Entry::Copy::Found::kKey) break;
      whole = found == Entry::Copy::Found::kOther && steps < kMostSteps;
    }
    if (sequence_.load(std::memory_order_relaxed) != before) continue;
    if (!whole) return Answer::kNeedsLock;
    break;
  }
  if (ref == 0) return Answer::kMiss;
  const Entry& entry = copy.entry();
  Stamp stamp;
  if (entry.read_stamp(common_.base, stamp) <= now || purged(entry)) return Answer::kNeedsLock;
  visit(view(entry, stamp, seconds));
  if (touch == Touch::kYes) report(stripe, {ref, static_cast<std::uint32_t>(hash)}, copy.use(), seconds);
  return Answer::kHit;
}

bool Shard::find(std::uint64_t hash, std::string_view key, Instant now,
                 FunctionRef<void(const EntryView&)> visit, Touch touch) {
  take_hits();
  Stamp stamp;
  Entry* const entry = live(hash, key, now, stamp);
  if (entry == nullptr) return false;
  const std::uint32_t seconds = common_.base.seconds(now);
  const EntryView seen = view(*entry, stamp, seconds);
  if (touch == Touch::kYes) {
    entry->set_accessed(seconds);
    policy_->on_hit(entry->hook());
  }
  const Visit inside(*this);
  visit(seen);
  return true;
}

void Shard::report_full(HitLog::Stripe& stripe, HitLog::Hit hit, std::uint32_t seconds) {
  if (!mutex.try_lock()) return;
  take_hits();
  stripe.add(hit, seconds);
  mutex.unlock();
}

void Shard::take_hits() {
  // Most of the time would go by waiting for one entry after the other.
  const auto prepare = [](std::span<const HitLog::Hit> hits) {
    for (const HitLog::Hit hit : hits) Entry::prefetch(hit.entry);
    for (const HitLog::Hit hit : hits) Entry::prefetch_neighbours(hit.entry);
  };
  hits_.drain(prepare, [&](HitLog::Hit hit, std::uint32_t seconds) NO_THREAD_SAFETY_ANALYSIS {
    Entry* const entry = table_.find_at(hit.hash, hit.entry);
    if (entry == nullptr) return;  // it has left
    // Not written again in vain: readers have the line.
    if (!entry->was_accessed(seconds)) entry->set_accessed(seconds);
    policy_->on_hit(entry->hook());
  });
}

std::optional<Departure> Shard::departure(std::uint64_t hash, std::string_view key) const {
  if (table_.find(hash, key) != nullptr) return std::nullopt;
  return departures_.find(hash);
}

std::optional<unsigned> Shard::frequency(std::uint64_t hash, std::string_view key) {
  const auto count = policy_row_.load(std::memory_order_relaxed)->frequency;
  if (count == nullptr) return std::nullopt;
  take_hits();
  Entry* const entry = table_.find(hash, key);
  if (entry == nullptr) return std::nullopt;
  return count(entry->hook().bits());
}

std::uint64_t Shard::scan(std::uint64_t cursor, Instant now, FunctionRef<void(const EntryView&)> visit,
                          std::size_t& visited) {
  const Visit inside(*this);
  return table_.scan(cursor, [&](const Entry& entry) {
    Stamp stamp;
    if (entry.retired() || entry.read_stamp(common_.base, stamp) <= now || purged(entry)) return;
    ++visited;
    visit(view(entry, stamp, common_.base.seconds(now)));
  });
}

bool Shard::random(Instant now, std::uint64_t chance, FunctionRef<void(const EntryView&)> visit) {
  if (table_.size() == 0) return false;
  const Visit inside(*this);
  const std::size_t chains = table_.chains();
  const std::size_t start = chance % chains;
  for (std::size_t i = 0; i < chains; ++i) {
    std::size_t length = 0;
    const Entry* const first = table_.chain((start + i) % chains);
    for (const Entry* entry = first; entry != nullptr; entry = Table::next(*entry)) ++length;
    if (length == 0) continue;
    std::size_t skip = (chance >> 32) % length;
    const Entry* entry = first;
    while (skip-- > 0) entry = Table::next(*entry);
    for (std::size_t tried = 0; tried < length; ++tried) {
      Stamp stamp;
      if (entry->read_stamp(common_.base, stamp) > now && !purged(*entry)) {
        visit(view(*entry, stamp, common_.base.seconds(now)));
        return true;
      }
      entry = Table::next(*entry);
      if (entry == nullptr) entry = first;
    }
  }
  return false;
}

}  // namespace forebay::memory
