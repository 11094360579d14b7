#include "layer/read/loads.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "layer/load/source_gate.h"
#include "layer/namespaces/router.h"

namespace forebay::layer {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

// How long gathered reads wait at most when nobody calls dispatch().
constexpr Duration kGather = milliseconds(1);
// When to look whether a load may be asked again that waits for a ledger.
constexpr Duration kLookAgainFirst = milliseconds(10);
constexpr Duration kLookAgainMost = milliseconds(1000);

KeyFields fields_of(const KeyRef& at) {
  KeyFields fields;
  match(at.space.config.key, at.text, &fields);
  return fields;
}

}  // namespace

// ---- To the source

void Loads::load(const KeyRef& at, Level level, Instant now, ReadCallback done) {
  const bool any = level == Level::kAny;
  Waiter waiter{std::move(done), kNever, saturating_add(now, at.space.caller_timeout), any};
  if (any && at.space.config.soft_timeout.count() > 0 && memory_.stand_in(at, now))
    waiter.soft = saturating_add(now, at.space.config.soft_timeout);
  fly(at, any ? Join::kAny : Join::kFresh, Urgency::kForeground, now, std::move(waiter));
}

void Loads::warm(const KeyRef& at, ReadCallback done) {
  const Instant now = clock_.now();
  const auto look = memory_.find(at, now, [](const EntryView&) {});
  using Found = MemoryView::Found;
  if (look.found == Found::kHit || look.found == Found::kNegative) return done(absent(ReadResult::kHit));
  fly(at, Join::kAny, Urgency::kBackground, now, Waiter{std::move(done), kNever, kNever, false});
}

void Loads::load_for_write(const KeyRef& at, Within within, ReadCallback done) {
  const Instant now = clock_.now();
  Waiter waiter{std::move(done), kNever, saturating_add(now, at.space.caller_timeout), true,
                std::move(within)};
  fly(at, Join::kAny, Urgency::kForeground, now, std::move(waiter));
}

void Loads::refresh(const KeyRef& at, Instant now, Instant due) {
  const FlightPtr flight = keys_.open_background(
      at, now, [&] { return fields_of(at); }, [&] { return memory_.is_due(at, now, due); });
  if (!flight) return;
  at.space.counters.add(kRefreshes);
  if (auto queued = at.space.loads->enqueue(flight, Urgency::kBackground); !queued)
    return failed(flight, queued.error());
  dispatch_soon();
}

void Loads::fly(const KeyRef& at, Join kind, Urgency urgency, Instant now, Waiter waiter) {
  std::optional<Answer> answer;
  const auto joined = keys_.join(
      at, kind, urgency, [&] { return fields_of(at); }, waiter,
      [&] {
        answer = at_hand(at, kind, now);
        return answer.has_value();
      });
  if (!joined.flight) {
    at.space.counters.add(answer->result == ReadResult::kNegative ? kNegative : kHits);
    return waiter.done(std::move(*answer));
  }
  if (joined.opened) {
    if (auto queued = at.space.loads->enqueue(joined.flight, urgency); !queued)
      return failed(joined.flight, queued.error());
  } else {
    at.space.counters.add(kCoalesced);
    if (joined.promoted) at.space.loads->promote(joined.flight);
  }
  watch(joined.flight);
  if (joined.opened || joined.promoted) dispatch_soon();
}

std::optional<Answer> Loads::at_hand(const KeyRef& at, Join kind, Instant now) {
  if (kind == Join::kAny) {
    Answer answer;
    const auto look = memory_.find(
        at, now, [&](const EntryView& entry) { answer = answer_of(entry, now, ReadResult::kHit); });
    if (look.found == MemoryView::Found::kHit) return answer;
    if (look.found == MemoryView::Found::kNegative) return absent(ReadResult::kNegative);
  }
  // What the source is told next is as fresh as anything that it could be asked for.
  auto pending = overlay_->alone(at);
  if (!pending) return std::nullopt;
  if (!*pending) return absent(ReadResult::kNegative);
  Answer answer = absent(ReadResult::kHit);
  answer.value = std::move(*pending);
  if (at.space.config.ttl.count() > 0) answer.fresh_for = at.space.config.ttl;
  NewCopy copy;
  copy.value = answer.value;
  copy.as_of = at.space.as_of();
  copy.loaded_at = now;
  copies_.store(at, std::move(copy), now);
  return answer;
}

void Loads::dispatch_soon() {
  // Relaxed would do: a missed race only means that the other thread's timer is the one that fires.
  if (dispatch_armed_.exchange(true)) return;
  scheduler_.post_at(clock_.now() + kGather, [this] {
    dispatch_armed_.store(false);
    if (gathering_.load(std::memory_order_relaxed) > 0) return dispatch_soon();
    dispatch();
  });
}

void Loads::dispatch() {
  std::vector<std::shared_ptr<LoadStage>> stages;
  {
    MutexLock lock(stages_mutex_);
    stages = stages_;
  }
  for (const auto& stage : stages) stage->dispatch();
}

void Loads::set_stages(std::vector<std::shared_ptr<LoadStage>> stages) {
  MutexLock lock(stages_mutex_);
  stages_ = std::move(stages);
}

void Loads::look_again(const std::weak_ptr<Flight>& waiting, Duration after) {
  scheduler_.post_at(clock_.now() + after, [this, waiting, after] {
    const FlightPtr flight = waiting.lock();
    if (!flight) return;
    if (overlay_->applying(flight->at())) return look_again(flight, std::min(after * 2, kLookAgainMost));
    resume(keys_.unpark(flight->at()));
  });
}

void Loads::resume(const std::vector<FlightPtr>& flights) {
  for (const FlightPtr& flight : flights) {
    if (auto queued = flight->space.loads->enqueue(flight, Urgency::kForeground); !queued)
      failed(flight, queued.error());
  }
  if (!flights.empty()) dispatch_soon();
}

// ---- Back from the source

bool Loads::starting(Flight& flight, const SourceCallPtr& call) {
  if (!keys_.start(flight, clock_.now(), call)) return false;
  if (flight.space.members != nullptr) boards_->starting(flight);
  return true;
}

Loads::Kept Loads::keep(const Flight& flight, const LoadedValue& value, Duration took, Instant now,
                        const KeyTable::Seen& seen) {
  const KeyRef at = flight.at();
  const Evidence evidence{value.evidence, value.version};
  // Whoever reports changes of unknown keys raises `unsettled` first and the epoch then, so it is read first.
  const bool settled = at.space.unsettled.load(std::memory_order_acquire) == 0 && !at.space.bypassed();
  const bool purged = flight.as_of.epoch != at.space.epoch.load(std::memory_order_acquire);
  if (!seen.admits(evidence) || purged || !settled) return Kept::kFenced;
  if (!value.storable) return Kept::kRejected;
  NewCopy copy;
  copy.cause = CopyCause::kLoaded;
  copy.value = value.value;
  if (value.value) copy.collection = value.collection.get();
  copy.evidence = evidence;
  copy.as_of = flight.as_of;
  copy.loaded_at = flight.started_at;
  copy.took = took;
  if (value.ttl) copy.until = saturating_add(flight.started_at, *value.ttl);
  const auto stored = copies_.store(at, std::move(copy), now).stored;
  const bool kept = stored == CopyStore::Stored::kYes || stored == CopyStore::Stored::kAbsence;
  return kept ? Kept::kStored : Kept::kRejected;
}

Loads::Kept Loads::keep_and_tell(const Flight& flight, const LoadedValue& value, Duration took, Instant now,
                                 const KeyTable::Seen& seen) {
  const Kept kept = keep(flight, value, took, now, seen);
  if (kept == Kept::kStored) return kept;
  if (kept == Kept::kFenced) flight.space.counters.add(kFenced);
  copies_.unstored(flight.at(),
                   kept == Kept::kFenced ? observe::Unstored::kFenced : observe::Unstored::kRejected);
  return kept;
}

KeyTable::Landing Loads::land_board(const Flight& flight, LoadedValue& value, Duration took, Instant now,
                                    const KeyTable::Seen& seen) {
  const bool landed = boards_->land(flight, value, *overlay_, now, [&](bool may_be_stored) {
    value.storable &= may_be_stored;
    keep_and_tell(flight, value, took, now, seen);
  });
  // No apply of this key ends, so it is looked at again by the clock.
  return landed ? KeyTable::Landing::kEnd : KeyTable::Landing::kPark;
}

KeyTable::Landing Loads::land(const Flight& flight, LoadedValue& value, Duration took, Instant now,
                              const KeyTable::Seen& seen) {
  const KeyRef at = flight.at();
  if (at.space.members != nullptr) return land_board(flight, value, took, now, seen);
  if (overlay_->applying(at)) return KeyTable::Landing::kPark;
  if (seen.overlapped) return KeyTable::Landing::kAgain;
  overlay_->lay(at, flight.fields, value.value);
  bool written = false;
  for (Waiter& waiter : seen.waiters) {
    if (!waiter.within || seen.writing) continue;
    waiter.within(value.value);
    written = true;
  }
  const Kept kept = keep_and_tell(flight, value, took, now, seen);
  // A copy that is better than what was loaded does not have what was just written.
  if (written && kept != Kept::kStored) copies_.drop(at, now);
  if (written) copies_.written(at, value.value, now);
  return KeyTable::Landing::kEnd;
}

// Of a set that a table holds: what its members say, whose writes are pending one by one.
std::optional<Error> Loads::refusal_of(const KeyRef& at) const {
  if (at.space.members == nullptr) return overlay_->refusal(at);
  std::string prefix(at.text);
  prefix += config::kMemberSeparator;
  for (const std::string& member : overlay_->pending(prefix)) {
    if (auto refusal = overlay_->refusal({*at.space.members, member})) return refusal;
  }
  return std::nullopt;
}

void Loads::loaded(const FlightPtr& flight, LoadedValue value, Duration took) {
  if (flight->aside) return flight->aside(std::move(value.value));
  if (const auto refusal = refusal_of(flight->at())) return failed(flight, *refusal);
  Namespace& space = flight->space;
  const Instant now = clock_.now();
  const Evidence evidence{value.evidence, value.version};
  auto ended = keys_.land(flight, evidence,
                          [&](const KeyTable::Seen& seen) { return land(*flight, value, took, now, seen); });
  if (ended.again) resume({flight});
  if (ended.unseen) look_again(flight, kLookAgainFirst);
  if (ended.open) return;
  if (ended.timer_id != 0) scheduler_.cancel(ended.timer_id);
  Answer answer = absent(ReadResult::kMiss);
  answer.value = std::move(value.value);
  answer.version = value.version;
  answer.age = duration_cast<milliseconds>(now - flight->started_at);
  if (space.config.ttl.count() > 0) answer.fresh_for = space.config.ttl;
  if (value.ttl) {
    const auto left = duration_cast<milliseconds>(flight->started_at + *value.ttl - now);
    answer.fresh_for = std::min(left, answer.fresh_for.value_or(left));
  }
  for (Waiter& waiter : ended.waiters) {
    space.counters.add(kMisses);
    waiter.done(answer);
  }
}

void Loads::failed(const FlightPtr& flight, const Error& error) {
  if (flight->aside) return flight->aside(error);
  Namespace& space = flight->space;
  const Instant now = clock_.now();
  auto ended = keys_.fail(*flight, saturating_add(now, space.config.stale_throttle));
  if (ended.timer_id != 0) scheduler_.cancel(ended.timer_id);
  if (ended.waiters.empty()) return;
  const auto stale = memory_.stand_in(flight->at(), now);
  for (Waiter& waiter : ended.waiters) {
    if (stale && waiter.stale_ok) {
      space.counters.add(kStale);
      waiter.done(*stale);
    } else {
      space.counters.add(kErrors);
      waiter.done(error);
    }
  }
}

// ---- Deadlines

void Loads::watch(const FlightPtr& flight) {
  const Instant at = keys_.arm(*flight);
  if (at == kNever) return;
  const std::uint64_t id = scheduler_.post_at(at, [this, weak = std::weak_ptr(flight)] {
    if (const FlightPtr alive = weak.lock()) on_timer(alive);
  });
  const std::uint64_t replaced = keys_.set_timer(*flight, id);
  if (replaced != 0) scheduler_.cancel(replaced);
}

void Loads::on_timer(const FlightPtr& flight) {
  Namespace& space = flight->space;
  const Instant now = clock_.now();
  const auto stale = memory_.stand_in(flight->at(), now);
  auto due = keys_.take_due(*flight, now, stale.has_value());
  if (due.abandoned) space.loads->withdraw(flight);
  for (Waiter& waiter : due.waiters) {
    if (stale && waiter.stale_ok) {
      space.counters.add(kStale);
      waiter.done(*stale);
      continue;
    }
    space.counters.add(kErrors);
    const auto limit = duration_cast<milliseconds>(space.caller_timeout).count();
    waiter.done(Error{
        ErrorCode::kTimeout,
        due.started ? fmt::format("source '{}': no answer for namespace '{}' within {} ms; the load goes on",
                                  space.gate->name(), space.name(), limit)
                    : fmt::format("source '{}': a load of namespace '{}' could not be sent within {} ms",
                                  space.gate->name(), space.name(), limit)});
  }
  if (due.next != kNever) watch(flight);
}

}  // namespace forebay::layer
