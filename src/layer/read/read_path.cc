#include "layer/read/read_path.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "layer/noted.h"
#include "layer/router.h"
#include "layer/write/pending.h"

namespace forebay::layer {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

// How long gathered reads wait at most when nobody calls dispatch().
constexpr Duration kGather = milliseconds(1);
// When to look whether a load may be asked again that waits for a ledger.
constexpr Duration kLookAgainFirst = milliseconds(10);
constexpr Duration kLookAgainMost = milliseconds(1000);

Answer absent(ReadResult result) {
  Answer answer;
  answer.result = result;
  return answer;
}

}  // namespace

Answer answer_of(const EntryView& entry, Instant now, ReadResult result) {
  Answer answer;
  answer.result = result;
  const Stamp& stamp = entry.stamp();
  if (!stamp.negative) answer.value = entry.value();
  if (stamp.loaded_at != Instant{}) answer.age = duration_cast<milliseconds>(now - stamp.loaded_at);
  if (stamp.fresh_until != kNever) answer.fresh_for = duration_cast<milliseconds>(stamp.fresh_until - now);
  answer.version = stamp.version;
  return answer;
}

KeyFields ReadPath::fields_of(const Space& space, std::string_view key) {
  KeyFields fields;
  match(space.config.key, key, &fields);
  return fields;
}

std::optional<Answer> ReadPath::fallback(Space& space, std::string_view key, Instant now) {
  std::optional<Answer> answer;
  tier_.find(
      key, now,
      [&](const EntryView& entry) {
        if (!space.owns(entry.stamp()) || !serves_errors(space.config, entry.stamp(), now)) return;
        answer =
            answer_of(entry, now, now < entry.stamp().fresh_until ? ReadResult::kHit : ReadResult::kStale);
      },
      Touch::kNo);
  return answer;
}

template <class Visit>
ReadPath::Found ReadPath::find(Space& space, std::string_view key, std::uint64_t hash, Instant now,
                               Instant& due, Visit&& visit) {
  Found found = Found::kNothing;
  tier_.find(hash, key, now, [&](const EntryView& entry) {
    const Stamp& stamp = entry.stamp();
    if (!space.owns(stamp)) return;
    if (stamp.negative) {
      found = Found::kNegative;
      return;
    }
    switch (classify(space.config, stamp, now)) {
      case Freshness::kFresh:
        found = Found::kHit;
        if (stamp.fresh_until != kNever && refresh_due(space.config, stamp, now, random_))
          due = stamp.fresh_until;
        break;
      case Freshness::kStaleServe:
        found = Found::kStale;
        due = stamp.fresh_until;
        break;
      case Freshness::kStaleIfError:
        found = Found::kStaleIfError;
        return;
    }
    visit(entry);
  });
  return found;
}

LookUp ReadPath::look_up(Space& space, std::string_view key, Instant now,
                         FunctionRef<void(const EntryView&)> visit) {
  return look_up(space, key, hash_bytes(key), now, visit);
}

LookUp ReadPath::look_up(Space& space, std::string_view key, std::uint64_t hash, Instant now,
                         FunctionRef<void(const EntryView&)> visit) {
  Instant due = kNever;
  Found found = find(space, key, hash, now, due, visit);
  if (found == Found::kStaleIfError) [[unlikely]]
    found = find_throttled(space, key, hash, now, visit);
  switch (found) {
    case Found::kHit:
      space.counters.add(kHits);
      break;
    case Found::kStale:
      space.counters.add(kStale);
      break;
    case Found::kNegative:
      space.counters.add(kNegative);
      note_read(space, hash, now);
      return LookUp::kAbsent;
    case Found::kNothing:
    case Found::kStaleIfError:
      return missed(space, hash, now);
  }
  note_read(space, hash, now);
  if (due != kNever && space.info.read_through) [[unlikely]]
    refresh(space, key, hash, now, due);
  return LookUp::kAnswered;
}

LookUp ReadPath::look_up_any_bytes(Space& space, std::string_view key, std::uint64_t hash, Instant now,
                                   VisitBytes visit) {
  return look_up(space, key, hash, now,
                 [&](const EntryView& entry) { visit(entry.bytes(), entry.shared()); });
}

ReadPath::Found ReadPath::find_throttled(Space& space, std::string_view key, std::uint64_t hash, Instant now,
                                         FunctionRef<void(const EntryView&)> visit) {
  if (!flights_.throttled(key, hash, now)) return Found::kStaleIfError;
  // The source has just failed for this key: what would be served after asking it again is served without.
  Found found = Found::kStaleIfError;
  tier_.find(key, now, [&](const EntryView& entry) {
    if (!space.owns(entry.stamp()) || !serves_errors(space.config, entry.stamp(), now)) return;
    visit(entry);
    found = Found::kStale;
  });
  return found;
}

void ReadPath::refresh(Space& space, std::string_view key, std::uint64_t hash, Instant now, Instant due) {
  const FlightPtr flight = flights_.open_background(
      key, hash, space, now, [&] { return fields_of(space, key); },
      [&] {
        bool same = false;
        tier_.find(
            key, now, [&](const EntryView& entry) { same = entry.stamp().fresh_until == due; }, Touch::kNo);
        return same;
      });
  if (!flight) return;
  space.counters.add(kRefreshes);
  if (auto queued = space.gate->enqueue(flight, Urgency::kBackground); !queued)
    return failed(flight, queued.error());
  dispatch_soon();
}

void ReadPath::read(Space& space, std::string_view key, Level level, ReadCallback done) {
  const Instant now = clock_.now();
  if (level == Level::kAny || !space.info.read_through) {
    Answer answer = absent(ReadResult::kMiss);
    LookUp seen = LookUp::kLoad;
    bool stale = false;
    seen = look_up(space, key, now, [&](const EntryView& entry) {
      stale = now >= entry.stamp().fresh_until;
      answer = answer_of(entry, now, stale ? ReadResult::kStale : ReadResult::kHit);
    });
    if (seen == LookUp::kAbsent && space.info.read_through) answer.result = ReadResult::kNegative;
    if (seen != LookUp::kLoad) return done(std::move(answer));
  }
  Waiter waiter{std::move(done), kNever, saturating_add(now, space.caller_timeout), level == Level::kAny};
  if (level == Level::kAny && space.config.soft_timeout.count() > 0 && fallback(space, key, now)) {
    waiter.soft = saturating_add(now, space.config.soft_timeout);
  }
  const std::uint64_t hash = hash_bytes(key);
  if (level != Level::kFresh) {
    note_read(space, hash, now);
  } else if (curves_.sampled(hash)) {
    curves_.read_past_memory(hash, space.info.index);
  }
  fly(space, key, hash, level == Level::kFresh ? FlightTable::Join::kFresh : FlightTable::Join::kAny,
      Urgency::kForeground, std::move(waiter));
}

void ReadPath::warm(Space& space, std::string_view key, ReadCallback done) {
  bool fresh = false;
  Instant due = kNever;
  const Instant now = clock_.now();
  const std::uint64_t hash = hash_bytes(key);
  const Found found = find(space, key, hash, now, due, [](const EntryView&) {});
  fresh = found == Found::kHit || found == Found::kNegative;
  if (fresh) return done(absent(ReadResult::kHit));
  fly(space, key, hash, FlightTable::Join::kAny, Urgency::kBackground,
      Waiter{std::move(done), kNever, kNever, false});
}

void ReadPath::load_for_write(Space& space, std::string_view key, Within within, ReadCallback done) {
  Waiter waiter{std::move(done), kNever, saturating_add(clock_.now(), space.caller_timeout), true,
                std::move(within)};
  fly(space, key, hash_bytes(key), FlightTable::Join::kAny, Urgency::kForeground, std::move(waiter));
}

std::optional<Answer> ReadPath::from_pending(Space& space, std::string_view key, std::uint64_t hash,
                                             Instant now) {
  if (queue_ == nullptr || queue_->empty()) return std::nullopt;
  const auto pending = queue_->of(key);
  if (!pending) return std::nullopt;
  const journal::Shape shape = shape_of(space, key);
  if (!journal::absolute(shape, pending->steps)) return std::nullopt;
  auto value = with_pending(shape, std::nullopt, pending->steps);
  Answer answer = absent(value ? ReadResult::kHit : ReadResult::kNegative);
  if (!value) return answer;
  answer.value = Value::bytes(std::move(*value));
  Stamp stamp = space.stamp(space.epoch.load(std::memory_order_acquire), now);
  set_times(space.config, stamp, now, random_);
  if (space.config.ttl.count() > 0) answer.fresh_for = space.config.ttl;
  const PutOutcome outcome = tier_.update(
      key, now, [&](const EntryView*) { return Change::replace(*answer.value, stamp, space.info.type); });
  note_write(curves_, space, key, hash, value_bytes(*answer.value), stamp, outcome);
  return answer;
}

void ReadPath::look_again(const std::weak_ptr<Flight>& waiting, Duration after) {
  scheduler_.post_at(clock_.now() + after, [this, waiting, after] {
    const FlightPtr flight = waiting.lock();
    if (!flight) return;
    const auto pending = queue_->of(flight->key);
    if (pending && pending->applying) return look_again(flight, std::min(after * 2, kLookAgainMost));
    resume(flights_.unpark(flight->key, flight->hash));
  });
}

void ReadPath::resume(const std::vector<FlightPtr>& flights) {
  for (const FlightPtr& flight : flights) {
    if (auto queued = flight->space.gate->enqueue(flight, Urgency::kForeground); !queued)
      failed(flight, queued.error());
  }
  if (!flights.empty()) dispatch_soon();
}

void ReadPath::fly(Space& space, std::string_view key, std::uint64_t hash, FlightTable::Join kind,
                   Urgency urgency, Waiter waiter) {
  const Instant now = clock_.now();
  Answer at_hand = absent(ReadResult::kMiss);
  const auto joined = flights_.join(
      key, hash, space, kind, urgency, [&] { return fields_of(space, key); }, &waiter,
      [&] {
        if (kind == FlightTable::Join::kAny) {
          Instant due = kNever;
          const Found found = find(space, key, hash, now, due, [&](const EntryView& entry) {
            at_hand = answer_of(entry, now, ReadResult::kHit);
          });
          if (found == Found::kNegative) at_hand.result = ReadResult::kNegative;
          if (found == Found::kHit || found == Found::kNegative) return true;
        }
        // What the source is told next is as fresh as anything that it could be asked for.
        auto pending = from_pending(space, key, hash, now);
        if (pending) at_hand = std::move(*pending);
        return pending.has_value();
      });
  if (!joined.flight) {
    space.counters.add(at_hand.result == ReadResult::kNegative ? kNegative : kHits);
    return waiter.done(std::move(at_hand));
  }
  if (joined.opened) {
    if (auto queued = space.gate->enqueue(joined.flight, urgency); !queued)
      return failed(joined.flight, queued.error());
  } else {
    space.counters.add(kCoalesced);
    if (joined.promoted) space.gate->promote(joined.flight);
  }
  watch(joined.flight);
  if (joined.opened || joined.promoted) dispatch_soon();
}

void ReadPath::dispatch_soon() {
  // Relaxed would do: a missed race only means that the other thread's timer is the one that fires.
  if (dispatch_armed_.exchange(true)) return;
  scheduler_.post_at(clock_.now() + kGather, [this] {
    dispatch_armed_.store(false);
    if (holders_.load(std::memory_order_relaxed) > 0) return dispatch_soon();
    dispatch();
  });
}

void ReadPath::dispatch() {
  std::vector<std::shared_ptr<SourceGate>> gates;
  {
    MutexLock lock(gates_mutex_);
    gates = gates_;
  }
  for (const auto& gate : gates) gate->dispatch();
}

void ReadPath::set_gates(std::vector<std::shared_ptr<SourceGate>> gates) {
  MutexLock lock(gates_mutex_);
  gates_ = std::move(gates);
}

bool ReadPath::starting(Flight& flight, const std::shared_ptr<SourceCall>& call) {
  return flights_.start(flight, clock_.now(), call);
}

bool ReadPath::store(const Flight& flight, const LoadedValue& value, Instant now, Duration took) {
  Space& space = flight.space;
  Stamp stamp = space.stamp(flight.epoch, flight.started_at);
  if (space.notes_loads) stamp.load_cost = duration_cast<std::chrono::microseconds>(took);
  stamp.version = value.version;
  stamp.evidence = value.evidence;
  const config::Namespace& policy = space.config;
  if (value.value) {
    set_times(policy, stamp, now, random_);
  } else {
    stamp.negative = true;
    stamp.fresh_until = saturating_add(now, policy.negative_ttl);
    stamp.expires = stamp.fresh_until;
  }
  bool stored = true;
  const PutOutcome outcome = tier_.update(flight.key, now, [&](const EntryView* current) {
    // Under the shard's lock: if the epoch is raised later, so is this shard cleared later. An entry of a
    // space that shares the tier says its epoch itself.
    if (space.sole && flight.epoch != space.epoch.load(std::memory_order_acquire)) {
      stored = false;
      return Change::keep();
    }
    if (current && space.owns(current->stamp())) {
      const Stamp& kept = current->stamp();
      const bool older_row = value.version != 0 && kept.version > value.version;
      const bool older_proof = value.evidence != 0 && kept.evidence > value.evidence;
      if (older_row || older_proof) {
        stored = false;
        return Change::keep();
      }
    }
    if (value.value) return Change::replace(*value.value, stamp, space.info.type);
    if (policy.negative_ttl.count() > 0) return Change::replace(std::string_view(), stamp);
    return Change::erase();
  });
  if (stored)
    note_write(curves_, space, flight.key, flight.hash, value.value ? value_bytes(*value.value) : 0, stamp,
               outcome);
  return stored && (outcome == PutOutcome::kStored || !value.value);
}

void ReadPath::loaded(const FlightPtr& flight, LoadedValue value, Duration took) {
  Space& space = flight->space;
  const Instant now = clock_.now();
  bool stored = false;
  bool epoch_changed = false;
  auto settled = flights_.land(flight, [&](const FlightTable::Seen& seen) {
    const auto pending = queue_ != nullptr ? queue_->of(flight->key) : std::nullopt;
    if (pending && pending->applying) return FlightTable::Landing::kPark;
    if (seen.overlapped) return FlightTable::Landing::kAgain;
    if (pending) {
      std::optional<std::string> loaded;
      if (value.value) loaded = value.value->view();
      auto merged = with_pending(shape_of(space, flight->fields), std::move(loaded), pending->steps);
      value.value.reset();
      if (merged) value.value = Value::bytes(std::move(*merged));
    }
    bool written = false;
    for (Waiter& waiter : seen.waiters) {
      if (!waiter.within || seen.writing) continue;
      waiter.within(value.value);
      written = true;
    }
    epoch_changed = flight->epoch != space.epoch.load(std::memory_order_acquire);
    if (!seen.fenced && !epoch_changed) stored = store(*flight, value, now, took);
    // A copy that is better than what was loaded does not have what was just written.
    if (written && !stored) tier_.erase(flight->key, now, Departure::kInvalidated);
    return FlightTable::Landing::kSettle;
  });
  if (settled.again) resume({flight});
  if (settled.unseen) look_again(flight, kLookAgainFirst);
  if (settled.open) return;
  if (settled.timer_id != 0) scheduler_.cancel(settled.timer_id);
  if (settled.fenced || epoch_changed) {
    space.counters.add(kFenced);
    events_.unstored(flight->hash, observe::Unstored::kFenced);
  } else if (!stored) {
    events_.unstored(flight->hash, observe::Unstored::kRejected);
  } else {
    events_.stored(flight->hash);
  }
  Answer answer = absent(ReadResult::kMiss);
  answer.value = std::move(value.value);
  answer.version = value.version;
  answer.age = duration_cast<milliseconds>(now - flight->started_at);
  if (space.config.ttl.count() > 0) answer.fresh_for = space.config.ttl;
  for (Waiter& waiter : settled.waiters) {
    space.counters.add(kMisses);
    waiter.done(answer);
  }
}

void ReadPath::failed(const FlightPtr& flight, const Error& error) {
  Space& space = flight->space;
  const Instant now = clock_.now();
  auto settled = flights_.fail(*flight, saturating_add(now, space.config.stale_throttle));
  if (settled.timer_id != 0) scheduler_.cancel(settled.timer_id);
  if (settled.waiters.empty()) return;
  const auto stale = fallback(space, flight->key, now);
  for (Waiter& waiter : settled.waiters) {
    if (stale && waiter.stale_ok) {
      space.counters.add(kStale);
      waiter.done(*stale);
    } else {
      space.counters.add(kErrors);
      waiter.done(error);
    }
  }
}

void ReadPath::watch(const FlightPtr& flight) {
  const Instant at = flights_.arm(*flight);
  if (at == kNever) return;
  const std::uint64_t id = scheduler_.post_at(at, [this, weak = std::weak_ptr(flight)] {
    if (const FlightPtr alive = weak.lock()) on_timer(alive);
  });
  const std::uint64_t replaced = flights_.set_timer(*flight, id);
  if (replaced != 0) scheduler_.cancel(replaced);
}

void ReadPath::on_timer(const FlightPtr& flight) {
  Space& space = flight->space;
  const Instant now = clock_.now();
  const auto stale = fallback(space, flight->key, now);
  Instant next = kNever;
  auto due = flights_.take_due(*flight, now, stale.has_value(), next);
  for (Waiter& waiter : due) {
    if (stale && waiter.stale_ok) {
      space.counters.add(kStale);
      waiter.done(*stale);
      continue;
    }
    space.counters.add(kErrors);
    waiter.done(Error{ErrorCode::kTimeout,
                      fmt::format("source '{}': no answer for namespace '{}' within {} ms; the load goes on",
                                  space.gate->name(), space.name(),
                                  duration_cast<milliseconds>(space.caller_timeout).count())});
  }
  if (next != kNever) watch(flight);
}

}  // namespace forebay::layer
