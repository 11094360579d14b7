#include "memory/shard.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "memory/arena/large.h"

namespace forebay::memory {
namespace {

// A write splits or merges this many buckets at most. One write asks for less than one; more catch up with
// what writes left undone that found the table visited.
constexpr std::size_t kBucketsPerWrite = 2;
constexpr std::size_t kBucketsPerErase = 2;
static_assert(kBucketsPerErase * Table::kBytesPerSplit < sizeof(Entry),
              "an erasure gives back more than the table may grow by, so that it never exceeds the limit");
// What a departure leaves behind may need this many moves before its memory is whole spans again; writes and
// evictions make them, some at once, as looking for what to move costs as much as a few moves.
constexpr std::size_t kMovesPerDeparture = 8;
constexpr std::size_t kMovesAtOnce = 64;
constexpr std::size_t kMostMovesPerWrite = 512;  // some 0.1 ms

}  // namespace

class Shard::Visit {
 public:
  explicit Visit(Shard& shard) REQUIRES(shard.mutex) : shard_(shard) { ++shard.visits_; }
  ~Visit() NO_THREAD_SAFETY_ANALYSIS {  // made and destroyed within one operation of the shard
    if (--shard_.visits_ != 0) return;
    shard_.cleared_is_visited_ = false;
    while (shard_.set_aside_ != 0) {
      Entry& entry = Entry::at(shard_.set_aside_);
      shard_.set_aside_ = entry.retired_next();
      shard_.destroy(entry);
    }
  }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

 private:
  Shard& shard_;
};

class Shard::Writing {
 public:
  explicit Writing(Shard& shard) REQUIRES(shard.mutex) : shard_(shard) { shard.begin_writing(); }
  ~Writing() NO_THREAD_SAFETY_ANALYSIS { shard_.end_writing(); }  // made and destroyed under the lock
  Writing(const Writing&) = delete;
  Writing& operator=(const Writing&) = delete;

 private:
  Shard& shard_;
};

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
  Cleared last{std::move(slabs_), std::move(table_), set_aside_, owners_, 0};
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

Entry* Shard::live(std::uint64_t hash, std::string_view key, Instant now, Stamp& stamp) {
  Entry* const entry = table_.find(hash, key);
  if (entry == nullptr) return nullptr;
  if (entry->read_stamp(common_.base, stamp) > now) [[likely]]
    return entry;
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
  if (entry.read_stamp(common_.base, stamp) <= now) return Answer::kNeedsLock;
  visit(view(entry, stamp, seconds));
  if (touch == Touch::kYes) report(stripe, {ref, static_cast<std::uint32_t>(hash)}, copy.use(), seconds);
  return Answer::kHit;
}

void Shard::report_full(HitLog::Stripe& stripe, HitLog::Hit hit, std::uint32_t seconds) {
  if (!mutex.try_lock()) return;
  take_hits();
  stripe.add(hit, seconds);
  mutex.unlock();
}

void Shard::follow_policy(const PolicyRow& row, const PolicyOptions& options) {
  policy_row_.store(&row, std::memory_order_relaxed);
  hit_is_settled_.store(row.hit_is_settled, std::memory_order_relaxed);
  const bool plain = options.weigh == Weigh::kNothing && options.admission == Admission::kAll;
  repeats_settle_.store(row.repeats_settle && plain, std::memory_order_relaxed);
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

PutOutcome Shard::update(std::uint64_t hash, std::string_view key, Instant now,
                         FunctionRef<Change(const EntryView*)> decide) {
  const PutOutcome outcome = decide_and_write(hash, key, now, decide);
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
  Change change;
  if (entry == nullptr) {
    change = decide(nullptr);
  } else {
    const EntryView seen = view(*entry, stamp, common_.base.seconds(now));
    change = decide(&seen);
  }
  if (change.kind == Change::Kind::kKeep) return PutOutcome::kKept;
  if (changes_ != changes) {  // a nested call wrote to this shard, perhaps to this key
    Stamp again;
    entry = live(hash, key, now, again);
  }
  switch (change.kind) {
    case Change::Kind::kReplace:
      return replace(hash, key, entry, change, now);
    case Change::Kind::kRevalue:
      if (entry == nullptr) break;
      if (visits_ == 1 && revalue(*entry, change.bytes, now)) return PutOutcome::kStored;
      change.stamp = {};
      entry->read_stamp(common_.base, change.stamp);
      change.type = entry->type();
      return replace(hash, key, entry, change, now);
    case Change::Kind::kRestamp:
      if (entry == nullptr) break;
      return store(hash, key, entry, entry->payload(), change.stamp, now);
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

PutOutcome Shard::replace(std::uint64_t hash, std::string_view key, Entry* old, Change& change, Instant now) {
  Payload payload{change.bytes, nullptr, change.type};
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
                        const Stamp& stamp, Instant now) {
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
  if (limit != 0 && used > limit) {
    const std::uint64_t changes = changes_;
    if (!common_.relief->make_room(*this, bytes + growth, old == nullptr ? 0 : weight(*old))) {
      common_.used.fetch_sub(bytes + growth, std::memory_order_relaxed);
      destroy(*fresh);
      ++counters_.refused_full;
      return PutOutcome::kFull;
    }
    if (old != nullptr && changes_ != changes) old = table_.find(hash, key);  // it may have been the victim
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
  const Writing section(*this);
  entry.rewrite(plan, payload, stamp, common_.base);
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

bool Shard::erase(std::uint64_t hash, std::string_view key, Instant now, Departure why) {
  take_hits();
  Stamp stamp;
  Entry* const entry = live(hash, key, now, stamp);
  if (entry == nullptr) return false;
  policy_->on_erase(entry->hook());
  leave(*entry, hash, why);
  rehash(kBucketsPerErase);
  return true;
}

void Shard::link(Entry& entry) {
  if (entry.has_expiry()) {
    wheel_.file(entry.wheel(), entry.due_tick());
    ++counters_.with_expiry;
  }
  const std::uint32_t space = entry.space();
  if (space >= counters_.entries_by_space.size()) counters_.entries_by_space.resize(space + 1);
  ++counters_.entries_by_space[space];
}

void Shard::unlink(Entry& entry) {
  if (entry.has_expiry()) {
    wheel_.unlink(entry.wheel());
    --counters_.with_expiry;
  }
  --counters_.entries_by_space[entry.space()];
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
  dispose(entry);
}

// Never 0, which is for entries that have left, since no type is.
std::uint32_t Shard::next_revision(EntryType type) {
  last_revision_ += 1u << EntryView::kTypeBits;
  return last_revision_ | static_cast<std::uint32_t>(type);
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

// The counters are written under the lock only, so a load and a store make an addition; relaxed order is
// enough for those who read them without it to choose a shard (see also Common).
void Shard::add_bytes(std::size_t bytes) {
  bytes_.store(bytes_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
}

void Shard::give_back(std::size_t bytes) {
  bytes_.store(bytes_.load(std::memory_order_relaxed) - bytes, std::memory_order_relaxed);
  given_back_.store(given_back_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  common_.used.fetch_sub(bytes, std::memory_order_relaxed);
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

void Shard::clear() {
  ++changes_;
  if (visits_ != 0) cleared_is_visited_ = true;
  const std::size_t bytes = this->bytes() - weight(fixed_bytes()) - policy_bytes_ - cleared_bytes_;
  common_.cleared.fetch_add(bytes, std::memory_order_relaxed);
  cleared_bytes_ += bytes;
  Table empty;
  const Writing section(*this);
  // The last of cleared_ may be half freed: a new one goes before it.
  cleared_.insert(cleared_.begin(), Cleared{std::move(slabs_), std::move(table_),
                                            std::exchange(set_aside_, 0), std::exchange(owners_, 0), bytes});
  slabs_ = Slabs();
  table_ = std::move(empty);
  table_bytes_ = weight(table_.bytes());
  common_.used.fetch_add(table_bytes_, std::memory_order_relaxed);
  add_bytes(table_bytes_);
  policy_ = policy_row_.load(std::memory_order_relaxed)->make(facts_, policy_options_);
  count_policy();
  wheel_.reset();
  departures_.forget_all();
  counters_.with_expiry = 0;
  std::ranges::fill(counters_.entries_by_space, 0);
  // The new table came while the old one is still there: so much of that goes at once as keeps the limit.
  const std::size_t limit = common_.limit.load(std::memory_order_relaxed);
  const std::size_t before = this->bytes();
  while (limit != 0 && common_.used.load(std::memory_order_relaxed) > limit &&
         before - this->bytes() < table_bytes_ && free_cleared(1) != 0) {
  }
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
    if (entry.retired() || entry.read_stamp(common_.base, stamp) <= now) return;
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
      if (entry->read_stamp(common_.base, stamp) > now) {
        visit(view(*entry, stamp, common_.base.seconds(now)));
        return true;
      }
      entry = Table::next(*entry);
      if (entry == nullptr) entry = first;
    }
  }
  return false;
}

std::size_t Shard::upkeep(Instant now, std::size_t budget) {
  take_hits();
  std::size_t taken = free_cleared(budget);
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

std::size_t Shard::give_way() {
  const std::size_t before = bytes();
  if (may_free_cleared()) {
    while (bytes() == before && free_cleared(1) != 0) {
    }
    if (bytes() != before) return before - bytes();
  }
  take_hits();
  EntryHook* const victim = policy_->pop_victim();
  if (victim == nullptr) return 0;
  Entry& entry = Entry::from(*victim);
  leave(entry, hash_bytes(entry.key()), Departure::kEvicted);
  const std::size_t given = before - bytes();
  tidy(kMovesAtOnce);
  return given;
}

}  // namespace forebay::memory
