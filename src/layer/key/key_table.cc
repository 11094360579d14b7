#include "layer/key/key_table.h"

#include <algorithm>
#include <utility>

namespace forebay::layer {

KeyState* KeyTable::find(Shard& shard, const KeyRef& at) {
  if (shard.keys.empty()) return nullptr;
  const auto place = shard.keys.find(at);
  return place == shard.keys.end() ? nullptr : &place->second;
}

KeyState& KeyTable::make(Shard& shard, const KeyRef& at) {
  if (KeyState* key = find(shard, at)) return *key;
  return shard.keys.try_emplace(Name{at.hash, std::string(at.text)}).first->second;
}

void KeyTable::tidy(Shard& shard, const KeyRef& at) {
  const auto place = shard.keys.find(at);
  if (place != shard.keys.end() && place->second.quiet() && !place->second.has_throttle())
    shard.keys.erase(place);
}

void KeyTable::throttle(Shard& shard, const KeyRef& at, Instant until) {
  if (++shard.throttled > kMaxThrottled) {
    shard.throttled = 1;
    for (auto& [name, key] : shard.keys) key.unthrottle();
    std::erase_if(shard.keys, [](const auto& each) { return each.second.quiet(); });
  }
  make(shard, at).throttle(until);
}

SourceCallPtr KeyTable::note(Shard& shard, KeyState::Effects effects) {
  if (effects.detached != nullptr) {
    std::erase_if(shard.detached, [](const auto& gone) { return gone.expired(); });
    shard.detached.emplace_back(effects.detached);
  }
  return std::move(effects.unwanted);
}

void KeyTable::release(const SourceCallPtr& call) {
  if (call == nullptr || call->wanted.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  scheduler_.post([cancel = call->cancel] { cancel->cancel(); });
}

// ---- Loads

KeyTable::Joined KeyTable::join(const KeyRef& at, Join kind, Urgency urgency, FunctionRef<KeyFields()> fields,
                                Waiter& waiter, FunctionRef<bool()> look) {
  Shard& shard = shard_of(at.hash);
  Joined joined;
  SourceCallPtr unwanted;
  {
    MutexLock lock(shard.mutex);
    // A second look: a flight may have landed between the caller's look at the tier and this lock, and opening
    // another would ask the source again for what has just been stored.
    if (look()) return {};
    KeyState::Effects effects;
    joined = make(shard, at).join(at, kind, urgency, fields, std::move(waiter), effects);
    unwanted = note(shard, std::move(effects));
  }
  release(unwanted);
  return joined;
}

FlightPtr KeyTable::open_background(const KeyRef& at, Instant now, FunctionRef<KeyFields()> fields,
                                    FunctionRef<bool()> wanted) {
  Shard& shard = shard_of(at.hash);
  MutexLock lock(shard.mutex);
  if (KeyState* key = find(shard, at)) {
    if (key->load() != nullptr || key->throttled(now) || !wanted()) return nullptr;
    return key->open_background(at, now, fields);
  }
  return wanted() ? make(shard, at).open_background(at, now, fields) : nullptr;
}

bool KeyTable::start(Flight& flight, Instant now, const SourceCallPtr& call) {
  Shard& shard = shard_of(flight.hash);
  MutexLock lock(shard.mutex);
  if (flight.started || flight.ended) return false;
  flight.started = true;
  flight.started_at = now;
  flight.as_of = flight.space.as_of();
  flight.applies = apply_count(shard, flight.hash);
  flight.call = call;
  call->wanted.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void KeyTable::end(Shard& shard, Flight& flight, Ended& ended) {
  flight.ended = true;
  ended.fenced = flight.fenced;
  ended.timer_id = std::exchange(flight.timer_id, 0);
  flight.call = nullptr;
  if (!flight.fenced) {
    if (KeyState* key = find(shard, flight.at())) key->land(flight);
    tidy(shard, flight.at());
  }
  ended.waiters = std::move(flight.waiters);
  flight.waiters.clear();
}

KeyTable::Ended KeyTable::fail(Flight& flight, Instant retry_at) {
  Shard& shard = shard_of(flight.hash);
  MutexLock lock(shard.mutex);
  Ended ended;
  if (flight.ended) return ended;
  if (!flight.fenced) throttle(shard, flight.at(), retry_at);
  end(shard, flight, ended);
  return ended;
}

KeyTable::Ended KeyTable::land(const FlightPtr& flight, const Evidence& evidence,
                               FunctionRef<Landing(const Seen&)> decide) {
  Shard& shard = shard_of(flight->hash);
  MutexLock lock(shard.mutex);
  Ended ended;
  if (flight->ended) return ended;
  KeyState* key = find(shard, flight->at());
  const bool overlapped = flight->applies != apply_count(shard, flight->hash);
  const bool writing = key != nullptr && key->writing();
  const Landing landing = decide({flight->fenced, overlapped, writing, key, flight->waiters});
  // What is fenced and has no readers left is wanted by nobody.
  if (landing != Landing::kEnd && !(flight->fenced && flight->waiters.empty())) {
    flight->started = false;
    flight->call = nullptr;
    ended.open = true;
    ended.again = landing == Landing::kAgain;
    if (landing == Landing::kPark) {
      KeyState& parked = make(shard, flight->at());
      parked.park(flight);
      ended.unseen = parked.apply() == nullptr;
    }
    return ended;
  }
  if (writing) key->loaded_in_turn(evidence);
  if (key != nullptr && !flight->fenced) key->unthrottle();
  end(shard, *flight, ended);
  return ended;
}

KeyTable::Due KeyTable::take_due(Flight& flight, Instant now, bool soft_ok) {
  Due due;
  SourceCallPtr unwanted;
  Shard& shard = shard_of(flight.hash);
  {
    MutexLock lock(shard.mutex);
    if (flight.ended) return due;
    due.started = flight.started;
    bool given_up = false;  // by somebody who has no copy to fall back on
    std::vector<Waiter> still;
    for (Waiter& waiter : flight.waiters) {
      // Without a copy to fall back on, the reader waits for its hard limit.
      if (waiter.soft <= now && !soft_ok) waiter.soft = kNever;
      if (waiter.hard <= now || waiter.soft <= now) {
        given_up |= waiter.hard <= now;
        due.waiters.push_back(std::move(waiter));
      } else {
        due.next = std::min({due.next, waiter.hard, waiter.soft});
        still.push_back(std::move(waiter));
      }
    }
    flight.waiters = std::move(still);
    flight.timer_at = kNever;
    flight.timer_id = 0;
    if (flight.fenced && flight.waiters.empty()) unwanted = std::exchange(flight.call, nullptr);
    due.abandoned = given_up && !flight.started && flight.waiters.empty();
    if (due.abandoned) {
      Ended ended;
      end(shard, flight, ended);
    }
  }
  release(unwanted);
  return due;
}

Instant KeyTable::arm(Flight& flight) {
  MutexLock lock(shard_of(flight.hash).mutex);
  if (flight.ended) return kNever;
  Instant earliest = kNever;
  for (const Waiter& waiter : flight.waiters) earliest = std::min({earliest, waiter.soft, waiter.hard});
  if (earliest >= flight.timer_at) return kNever;
  flight.timer_at = earliest;
  return earliest;
}

std::uint64_t KeyTable::set_timer(Flight& flight, std::uint64_t id) {
  MutexLock lock(shard_of(flight.hash).mutex);
  if (flight.ended) return id;  // too late: the caller cancels the timer that it has just set
  return std::exchange(flight.timer_id, id);
}

bool KeyTable::throttled(const KeyRef& at, Instant now) {
  Shard& shard = shard_of(at.hash);
  MutexLock lock(shard.mutex);
  const KeyState* key = find(shard, at);
  return key != nullptr && key->throttled(now);
}

std::optional<bool> KeyTable::in_flight(const KeyRef& at) {
  Shard& shard = shard_of(at.hash);
  MutexLock lock(shard.mutex);
  const KeyState* key = find(shard, at);
  if (key == nullptr || key->load() == nullptr) return std::nullopt;
  return key->load()->started;
}

bool KeyTable::unsettled(const KeyRef& at) {
  Shard& shard = shard_of(at.hash);
  MutexLock lock(shard.mutex);
  const KeyState* key = find(shard, at);
  return key != nullptr && !key->settled();
}

// ---- Changes

bool KeyTable::change(const KeyRef& at, const ChangeMark& change, Visible visible, FunctionRef<void()> drop) {
  Shard& shard = shard_of(at.hash);
  bool fenced = false;
  SourceCallPtr unwanted;
  {
    MutexLock lock(shard.mutex);
    KeyState* key = visible == Visible::kNotYet ? &make(shard, at) : find(shard, at);
    if (key != nullptr) {
      KeyState::Effects effects;
      fenced = key->change(change, visible, effects);
      unwanted = note(shard, std::move(effects));
      tidy(shard, at);
    }
    drop();
  }
  release(unwanted);
  return fenced;
}

void KeyTable::settle(const KeyRef& at, const ChangeMark& change) {
  Shard& shard = shard_of(at.hash);
  SourceCallPtr unwanted;
  {
    MutexLock lock(shard.mutex);
    KeyState* key = find(shard, at);
    if (key == nullptr) return;
    KeyState::Effects effects;
    key->settle(change, effects);
    unwanted = note(shard, std::move(effects));
    tidy(shard, at);
  }
  release(unwanted);
}

// ---- Writes

bool KeyTable::begin_write(const KeyRef& at, Task& start) {
  Shard& shard = shard_of(at.hash);
  MutexLock lock(shard.mutex);
  return make(shard, at).begin_write(start);
}

Task KeyTable::end_write(const KeyRef& at, bool committed, FunctionRef<void(const Fence&)> store) {
  Shard& shard = shard_of(at.hash);
  Task next;
  SourceCallPtr unwanted;
  {
    MutexLock lock(shard.mutex);
    KeyState* key = find(shard, at);
    if (key == nullptr || !key->writing()) return {};
    if (committed) {
      KeyState::Effects effects;
      key->committed(effects);
      unwanted = note(shard, std::move(effects));
      store(key->reported_in_turn());
    }
    next = key->end_write();
    tidy(shard, at);
  }
  release(unwanted);
  return next;
}

void KeyTable::with_key(const KeyRef& at, FunctionRef<void(bool)> act) {
  Shard& shard = shard_of(at.hash);
  MutexLock lock(shard.mutex);
  const KeyState* key = find(shard, at);
  act(key != nullptr && key->writing());
}

void KeyTable::pass_all_locks() {
  for (Shard& shard : shards_) MutexLock lock(shard.mutex);
}

// ---- Applies

void KeyTable::count_apply(Shard& shard, std::uint64_t hash) {
  if (shard.apply_counts.empty()) shard.apply_counts.resize(kApplyCounts);
  ++shard.apply_counts[hash / kShards % kApplyCounts];
}

std::uint32_t KeyTable::apply_count(const Shard& shard, std::uint64_t hash) {
  return shard.apply_counts.empty() ? 0 : shard.apply_counts[hash / kShards % kApplyCounts];
}

void KeyTable::begin_apply(const KeyRef& at) {
  Shard& shard = shard_of(at.hash);
  MutexLock lock(shard.mutex);
  count_apply(shard, at.hash);
  make(shard, at).begin_apply(at.space.as_of());
}

std::vector<FlightPtr> KeyTable::end_apply(const KeyRef& at,
                                           FunctionRef<void(const KeyState::Apply*)> settle) {
  Shard& shard = shard_of(at.hash);
  MutexLock lock(shard.mutex);
  count_apply(shard, at.hash);
  KeyState* key = find(shard, at);
  settle(key == nullptr ? nullptr : key->apply());
  if (key == nullptr) return {};
  key->end_apply();
  std::vector<FlightPtr> waiting = key->unpark();
  tidy(shard, at);
  return waiting;
}

std::vector<FlightPtr> KeyTable::unpark(const KeyRef& at) {
  Shard& shard = shard_of(at.hash);
  MutexLock lock(shard.mutex);
  KeyState* key = find(shard, at);
  if (key == nullptr) return {};
  std::vector<FlightPtr> waiting = key->unpark();
  tidy(shard, at);
  return waiting;
}

// ---- The end

std::vector<Waiter> KeyTable::close() {
  std::vector<Waiter> all;
  for (Shard& shard : shards_) {
    MutexLock lock(shard.mutex);
    std::vector<FlightPtr> flights;
    for (auto& [name, key] : shard.keys) {
      if (key.load() != nullptr) flights.push_back(key.load());
      key.unpark();
    }
    for (auto& weak : shard.detached) {
      if (auto flight = weak.lock()) flights.push_back(std::move(flight));
    }
    shard.detached.clear();
    for (const FlightPtr& flight : flights) {
      flight->ended = true;
      flight->fenced = true;
      for (Waiter& waiter : flight->waiters) all.push_back(std::move(waiter));
      flight->waiters.clear();
      if (flight->call) flight->call->cancel->cancel();
      if (KeyState* key = find(shard, flight->at())) key->land(*flight);
    }
  }
  return all;
}

}  // namespace forebay::layer
