#include "layer/read/flight.h"

#include <algorithm>
#include <utility>

namespace forebay::layer {

// A fenced flight that nobody waits for loads for nothing: once that is true of all flights of its call, the
// call is cancelled at the database.
void FlightTable::release_if_unwanted(Flight& flight) {
  if (!flight.fenced || !flight.waiters.empty() || !flight.call) return;
  release(flight.call);
  flight.call = nullptr;
}

void FlightTable::release(const std::shared_ptr<SourceCall>& call) {
  if (call->wanted.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  scheduler_.post([cancel = call->cancel] { cancel->cancel(); });
}

void FlightTable::detach(Shard& shard, Flight& flight) {
  flight.fenced = true;
  const auto place = shard.flights.find(flight.key);
  if (place != shard.flights.end() && place->second.get() == &flight) {
    if (!flight.waiters.empty()) {
      std::erase_if(shard.detached, [](const auto& gone) { return gone.expired(); });
      shard.detached.push_back(place->second);
    }
    release_if_unwanted(flight);
    shard.flights.erase(place);
  }
}

FlightTable::Joined FlightTable::join(std::string_view key, std::uint64_t hash, Space& space, Join kind,
                                      Urgency urgency, FunctionRef<KeyFields()> fields, Waiter* waiter,
                                      FunctionRef<bool()> look) {
  Shard& shard = shard_of(hash);
  MutexLock lock(shard.mutex);
  // A second look: a flight may have settled between the caller's look at the tier and this lock, and opening
  // another would ask the source again for what has just been stored.
  if (look()) return {};
  Joined joined;
  const auto place = shard.flights.find(key);
  if (place != shard.flights.end()) {
    const FlightPtr flight = place->second;
    const bool in_force = &flight->space == &space &&
                          (!flight->started || flight->epoch == space.epoch.load(std::memory_order_acquire));
    if (in_force && (kind == Join::kAny || !flight->started)) {
      joined.flight = flight;
      if (urgency == Urgency::kForeground) {
        joined.promoted = flight->background && !flight->started;
        flight->background = false;
      }
    } else {
      detach(shard, *flight);
    }
  }
  if (!joined.flight) {
    joined.flight =
        std::make_shared<Flight>(std::string(key), hash, space, fields(), urgency == Urgency::kBackground);
    joined.opened = true;
    shard.flights.emplace(joined.flight->key, joined.flight);
  }
  joined.flight->waiters.push_back(std::move(*waiter));
  return joined;
}

bool FlightTable::throttled_locked(Shard& shard, std::string_view key, Instant now) {
  const auto place = shard.failed.find(key);
  if (place == shard.failed.end()) return false;
  if (now < place->second) return true;
  shard.failed.erase(place);
  return false;
}

bool FlightTable::throttled(std::string_view key, std::uint64_t hash, Instant now) {
  Shard& shard = shard_of(hash);
  MutexLock lock(shard.mutex);
  return throttled_locked(shard, key, now);
}

FlightPtr FlightTable::open_background(std::string_view key, std::uint64_t hash, Space& space, Instant now,
                                       FunctionRef<KeyFields()> fields, FunctionRef<bool()> wanted) {
  Shard& shard = shard_of(hash);
  MutexLock lock(shard.mutex);
  if (shard.flights.contains(key) || throttled_locked(shard, key, now) || !wanted()) return nullptr;
  auto flight = std::make_shared<Flight>(std::string(key), hash, space, fields(), true);
  shard.flights.emplace(flight->key, flight);
  return flight;
}

bool FlightTable::start(Flight& flight, Instant now, const std::shared_ptr<SourceCall>& call) {
  Shard& shard = shard_of(flight.hash);
  MutexLock lock(shard.mutex);
  if (flight.started || flight.settled) return false;
  flight.started = true;
  flight.started_at = now;
  flight.epoch = flight.space.epoch.load(std::memory_order_acquire);
  flight.applies = apply_count(shard, flight.hash);
  flight.call = call;
  call->wanted.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void FlightTable::end(Shard& shard, Flight& flight, Settled& settled) {
  flight.settled = true;
  settled.fenced = flight.fenced;
  settled.timer_id = std::exchange(flight.timer_id, 0);
  flight.call = nullptr;
  if (!flight.fenced) {
    const auto place = shard.flights.find(flight.key);
    if (place != shard.flights.end() && place->second.get() == &flight) shard.flights.erase(place);
  }
  settled.waiters = std::move(flight.waiters);
  flight.waiters.clear();
}

FlightTable::Settled FlightTable::fail(Flight& flight, Instant retry_at) {
  Shard& shard = shard_of(flight.hash);
  MutexLock lock(shard.mutex);
  Settled settled;
  if (flight.settled) return settled;
  if (!flight.fenced) {
    if (shard.failed.size() >= kMaxFailed) shard.failed.clear();
    shard.failed.insert_or_assign(flight.key, retry_at);
  }
  end(shard, flight, settled);
  return settled;
}

FlightTable::Settled FlightTable::land(const FlightPtr& flight, FunctionRef<Landing(const Seen&)> decide) {
  Shard& shard = shard_of(flight->hash);
  MutexLock lock(shard.mutex);
  Settled settled;
  if (flight->settled) return settled;
  const bool overlapped = flight->applies != apply_count(shard, flight->hash);
  const Landing landing =
      decide({flight->fenced, overlapped, shard.writes.contains(flight->key), flight->waiters});
  // What is fenced and has no readers left is wanted by nobody.
  if (landing != Landing::kSettle && !(flight->fenced && flight->waiters.empty())) {
    flight->started = false;
    flight->call = nullptr;
    settled.open = true;
    settled.again = landing == Landing::kAgain;
    if (landing == Landing::kPark) {
      shard.parked[flight->key].push_back(flight);
      settled.unseen = !shard.applies.contains(flight->key);
    }
    return settled;
  }
  if (!flight->fenced) shard.failed.erase(flight->key);
  end(shard, *flight, settled);
  return settled;
}

void FlightTable::count_apply(Shard& shard, std::uint64_t hash) {
  if (shard.apply_counts.empty()) shard.apply_counts.resize(kApplyCounts);
  ++shard.apply_counts[hash / kShards % kApplyCounts];
}

std::uint32_t FlightTable::apply_count(const Shard& shard, std::uint64_t hash) {
  return shard.apply_counts.empty() ? 0 : shard.apply_counts[hash / kShards % kApplyCounts];
}

void FlightTable::with_key(std::string_view key, std::uint64_t hash, FunctionRef<void(bool)> act) {
  Shard& shard = shard_of(hash);
  MutexLock lock(shard.mutex);
  act(!shard.writes.empty() && shard.writes.contains(key));
}

void FlightTable::pass_all_locks() {
  for (Shard& shard : shards_) MutexLock lock(shard.mutex);
}

void FlightTable::begin_apply(std::string_view key, std::uint64_t hash, std::uint32_t epoch) {
  Shard& shard = shard_of(hash);
  MutexLock lock(shard.mutex);
  count_apply(shard, hash);
  shard.applies.insert_or_assign(std::string(key), ApplyFence{{}, epoch});
}

std::vector<FlightPtr> FlightTable::end_apply(std::string_view key, std::uint64_t hash,
                                              FunctionRef<void(const ApplyFence*)> settle) {
  Shard& shard = shard_of(hash);
  MutexLock lock(shard.mutex);
  count_apply(shard, hash);
  const auto fence = shard.applies.find(key);
  settle(fence == shard.applies.end() ? nullptr : &fence->second);
  if (fence != shard.applies.end()) shard.applies.erase(fence);
  return unpark_locked(shard, key);
}

std::vector<FlightPtr> FlightTable::unpark_locked(Shard& shard, std::string_view key) {
  const auto parked = shard.parked.find(key);
  if (parked == shard.parked.end()) return {};
  std::vector<FlightPtr> waiting = std::move(parked->second);
  shard.parked.erase(parked);
  return waiting;
}

std::vector<FlightPtr> FlightTable::unpark(std::string_view key, std::uint64_t hash) {
  Shard& shard = shard_of(hash);
  MutexLock lock(shard.mutex);
  return unpark_locked(shard, key);
}

bool FlightTable::fence(std::string_view key, std::uint64_t hash, std::uint64_t evidence,
                        FunctionRef<void()> drop) {
  Shard& shard = shard_of(hash);
  MutexLock lock(shard.mutex);
  bool fenced = false;
  // Mostly they are empty, and a hash table hashes the key to find that out.
  if (!shard.flights.empty()) {
    if (const auto place = shard.flights.find(key); place != shard.flights.end() && place->second->started) {
      const FlightPtr flight = place->second;
      detach(shard, *flight);
      fenced = true;
    }
  }
  if (!shard.writes.empty()) {
    if (const auto writes = shard.writes.find(key); writes != shard.writes.end()) {
      WriteFence& fence = writes->second.fence;
      if (evidence == 0) fence.fenced = true;
      fence.evidence = std::max(fence.evidence, evidence);
    }
  }
  if (!shard.applies.empty()) {
    if (const auto apply = shard.applies.find(key); apply != shard.applies.end()) {
      WriteFence& fence = apply->second.changes;
      if (evidence == 0) fence.fenced = true;
      fence.evidence = std::max(fence.evidence, evidence);
    }
  }
  if (!shard.failed.empty()) shard.failed.erase(std::string(key));
  drop();
  return fenced;
}

std::vector<Waiter> FlightTable::take_due(Flight& flight, Instant now, bool soft_ok, Instant& next) {
  MutexLock lock(shard_of(flight.hash).mutex);
  std::vector<Waiter> due;
  next = kNever;
  if (flight.settled) return due;
  std::vector<Waiter> still;
  for (Waiter& waiter : flight.waiters) {
    if (waiter.soft <= now && !soft_ok)
      waiter.soft = kNever;  // nothing to fall back on: wait for the hard limit
    if (waiter.hard <= now || waiter.soft <= now) {
      due.push_back(std::move(waiter));
    } else {
      next = std::min({next, waiter.hard, waiter.soft});
      still.push_back(std::move(waiter));
    }
  }
  flight.waiters = std::move(still);
  flight.timer_at = kNever;
  flight.timer_id = 0;
  release_if_unwanted(flight);
  return due;
}

Instant FlightTable::arm(Flight& flight) {
  MutexLock lock(shard_of(flight.hash).mutex);
  if (flight.settled) return kNever;
  Instant earliest = kNever;
  for (const Waiter& waiter : flight.waiters) earliest = std::min({earliest, waiter.soft, waiter.hard});
  if (earliest >= flight.timer_at) return kNever;
  flight.timer_at = earliest;
  return earliest;
}

std::uint64_t FlightTable::set_timer(Flight& flight, std::uint64_t id) {
  MutexLock lock(shard_of(flight.hash).mutex);
  if (flight.settled) return id;  // too late: the caller cancels the timer it has just made
  return std::exchange(flight.timer_id, id);
}

std::optional<bool> FlightTable::in_flight(std::string_view key, std::uint64_t hash) {
  Shard& shard = shard_of(hash);
  MutexLock lock(shard.mutex);
  const auto place = shard.flights.find(key);
  if (place == shard.flights.end()) return std::nullopt;
  return place->second->started;
}

bool FlightTable::begin_write(std::string_view key, std::uint64_t hash, Task& start) {
  Shard& shard = shard_of(hash);
  MutexLock lock(shard.mutex);
  const auto [place, first] = shard.writes.try_emplace(std::string(key));
  if (first) return true;
  place->second.queue.push_back(std::move(start));
  return false;
}

Task FlightTable::end_write(std::string_view key, std::uint64_t hash, bool committed,
                            FunctionRef<void(const WriteFence&)> store) {
  Shard& shard = shard_of(hash);
  MutexLock lock(shard.mutex);
  const auto place = shard.writes.find(key);
  if (place == shard.writes.end()) return {};
  if (committed) {
    // Loads that have started may have read the row as it was before this write.
    if (const auto flight = shard.flights.find(key);
        flight != shard.flights.end() && flight->second->started) {
      const FlightPtr held = flight->second;
      detach(shard, *held);
    }
    shard.failed.erase(std::string(key));
    store(place->second.fence);
  }
  if (place->second.queue.empty()) {
    shard.writes.erase(place);
    return {};
  }
  Task next = std::move(place->second.queue.front());
  place->second.queue.pop_front();
  place->second.fence = {};
  return next;
}

std::vector<Waiter> FlightTable::close() {
  std::vector<Waiter> all;
  for (Shard& shard : shards_) {
    MutexLock lock(shard.mutex);
    std::vector<FlightPtr> flights;
    for (auto& [key, flight] : shard.flights) flights.push_back(flight);
    for (auto& weak : shard.detached) {
      if (auto flight = weak.lock()) flights.push_back(std::move(flight));
    }
    for (const FlightPtr& flight : flights) {
      flight->settled = true;
      flight->fenced = true;
      for (Waiter& waiter : flight->waiters) all.push_back(std::move(waiter));
      flight->waiters.clear();
      if (flight->call) flight->call->cancel->cancel();
    }
    shard.flights.clear();
    shard.detached.clear();
    shard.parked.clear();
  }
  return all;
}

std::size_t FlightTable::size() {
  std::size_t total = 0;
  for (Shard& shard : shards_) {
    MutexLock lock(shard.mutex);
    total += shard.flights.size();
  }
  return total;
}

}  // namespace forebay::layer
