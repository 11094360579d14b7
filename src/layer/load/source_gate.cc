#include "layer/load/source_gate.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace forebay::layer {
namespace {

bool is_of_outages(const Error& error) {
  return error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kTimeout ||
         error.code == ErrorCode::kInternal;
}

// Fewer keys might have been answered. A lock that somebody holds is no matter of their number.
bool is_too_slow(const Error& error) {
  return error.code == ErrorCode::kTimeout && error.scope == ErrorScope::kSource;
}

// Of a batch of writes behind, which has as much time as it needs.
constexpr Duration kNoEnd = std::chrono::hours(24);
// How late a write may be answered that could not be sent in time.
constexpr Duration kExpiryEvery = std::chrono::milliseconds(5);

std::string_view table_of(const Namespace& space) {
  return space.config.table.empty() ? std::string_view(space.name()) : std::string_view(space.config.table);
}

SlotShares::Group loads_of(const Namespace& space) {
  return {SlotShares::Use::kLoad, table_of(space)};
}

Error too_late(const std::string& source, Duration waited) {
  return {ErrorCode::kTimeout,
          fmt::format(
              "source '{}': the write waited {} ms for a connection and was not sent: nothing has changed",
              source, std::chrono::duration_cast<std::chrono::milliseconds>(waited).count()),
          ErrorScope::kCall};
}

}  // namespace

SourceGate::SourceGate(GateOptions options, const Clock& clock, Scheduler& scheduler, FlightSink& sink,
                       Ping ping)
    : options_(std::move(options)),
      clock_(clock),
      scheduler_(scheduler),
      sink_(sink),
      ping_(std::move(ping)),
      self_(std::make_shared<SourceGate*>(this)),
      breaker_(options_.breaker),
      slots_(options_.limit) {}

Error SourceGate::refusal() const {
  if (closed_)
    return {ErrorCode::kCancelled,
            fmt::format("source '{}': closed, as the server stops or the source was reconfigured",
                        options_.name)};
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(breaker_.probe_at() - clock_.now());
  return {ErrorCode::kUnavailable,
          fmt::format("source '{}': circuit breaker is open, next try in {} ms; last error: {}",
                      options_.name, std::max<std::int64_t>(left.count(), 0), last_error_)};
}

Result<void> SourceGate::enqueue(FlightPtr flight, Urgency urgency) {
  MutexLock lock(mutex_);
  if (closed_ || !breaker_.allows()) {
    ++stats_.rejected;
    return refusal();
  }
  if (foreground_.size() + background_.size() >= options_.max_queue) {
    ++stats_.rejected;
    return Error{ErrorCode::kOverloaded,
                 fmt::format("source '{}': {} keys are waiting for a connection already", options_.name,
                             options_.max_queue)};
  }
  Queue& queue = urgency == Urgency::kBackground ? background_ : foreground_;
  Namespace* space = &flight->space;
  queue.push(space, std::move(flight));
  return {};
}

void SourceGate::promote(FlightPtr flight) {
  MutexLock lock(mutex_);
  if (closed_) return;
  Namespace* space = &flight->space;
  // One that was about to be sent is sent twice to the sink, which skips it then.
  background_.remove(space, flight);
  foreground_.push(space, std::move(flight));
}

void SourceGate::withdraw(const FlightPtr& flight) {
  MutexLock lock(mutex_);
  if (!foreground_.remove(&flight->space, flight)) background_.remove(&flight->space, flight);
}

bool SourceGate::next_turn(Next& next, Instant now) {
  const SlotShares::Group group{SlotShares::Use::kBatch, {}};
  if (turns_.empty() || !breaker_.allows() || !slots_.may_take(group, now)) return false;
  next.turn = std::move(turns_.front());
  turns_.pop_front();
  next.slot = slots_.take(group, now, kNoEnd);
  return true;
}

bool SourceGate::next_write(Next& next, Instant now) {
  const auto group = [](std::string_view table) { return SlotShares::Group{SlotShares::Use::kWrite, table}; };
  const std::string_view* table = writes_.oldest(
      [&](std::string_view of) NO_THREAD_SAFETY_ANALYSIS { return slots_.may_take(group(of), now); });
  if (table == nullptr) return false;
  const SlotShares::Group own = group(*table);
  next.write = std::move(writes_.pop(own.of, 1).front());
  next.slot = slots_.take(own, now, options_.timeout);
  return true;
}

bool SourceGate::next_part(Next& next, Instant now) {
  const auto part = std::ranges::find_if(parts_, [&](const Batch& batch) NO_THREAD_SAFETY_ANALYSIS {
    return slots_.may_take(loads_of(*batch.space), now);
  });
  if (part == parts_.end()) return false;
  next.batch = std::move(*part);
  parts_.erase(part);
  next.slot = slots_.take(loads_of(*next.batch.space), now, next.batch.space->load_timeout);
  return true;
}

bool SourceGate::next_load(Next& next, Queue& queue, Instant now) {
  Namespace* const* found = queue.oldest(
      [&](Namespace* space) NO_THREAD_SAFETY_ANALYSIS { return slots_.may_take(loads_of(*space), now); });
  if (found == nullptr) return false;
  Namespace& space = **found;
  next.batch.space = &space;
  next.batch.flights = queue.pop(&space, space.port->batches() ? size_of(space).keys() : 1);
  next.slot = slots_.take(loads_of(space), now, space.load_timeout);
  return true;
}

bool SourceGate::next(Next& next) {
  if (slots_.free() == 0 || closed_) return false;
  const Instant now = clock_.now();
  const bool others = !writes_.empty() || !parts_.empty() || !foreground_.empty();
  const bool turn_is_due = !batch_went_last_ || !others;
  if (turn_is_due && next_turn(next, now)) {
    batch_went_last_ = true;
    return true;
  }
  batch_went_last_ = false;
  if (next_write(next, now) || next_part(next, now) || next_load(next, foreground_, now)) return true;
  const bool room_for_background = options_.limit == 1 || slots_.free() > 1;
  if (room_for_background && next_load(next, background_, now)) return true;
  if (turn_is_due || !next_turn(next, now)) return false;
  batch_went_last_ = true;
  return true;
}

void SourceGate::dispatch() {
  for (;;) {
    Next going;
    {
      MutexLock lock(mutex_);
      if (!next(going)) return;
    }
    if (going.turn) {
      going.turn(Slot(self_, going.slot));
    } else if (going.write.done) {
      send_write(std::move(going.write), going.slot);
    } else {
      going.batch.slot = going.slot;
      send(std::move(going.batch));
    }
  }
}

void SourceGate::free_slot(SlotShares::Ticket slot) {
  slots_.give_back(slot, clock_.now());
}

void SourceGate::send(Batch batch) {
  // The breaker may have opened while keys waited.
  std::optional<Error> refused;
  {
    MutexLock lock(mutex_);
    if (!breaker_.allows()) refused = refusal();
  }
  if (batch.call == nullptr) {
    batch.call = std::make_shared<SourceCall>();
    std::erase_if(batch.flights,
                  [&](const FlightPtr& flight) { return !sink_.starting(*flight, batch.call); });
    sink_.started(batch.call);
  }
  if (!refused && !batch.flights.empty()) return call_source(std::move(batch));
  {
    MutexLock lock(mutex_);
    free_slot(batch.slot);
    if (refused) stats_.rejected += batch.flights.size();
  }
  if (!refused) return;
  for (const FlightPtr& flight : batch.flights) sink_.failed(flight, *refused);
}

void SourceGate::call_source(Batch batch) {
  std::vector<KeyFields> keys;
  keys.reserve(batch.flights.size());
  for (const FlightPtr& flight : batch.flights) keys.push_back(flight->fields);
  {
    MutexLock lock(mutex_);
    ++stats_.loads;
    stats_.load_keys += keys.size();
  }
  CallOptions call{std::chrono::duration_cast<std::chrono::milliseconds>(batch.space->load_timeout),
                   batch.call->cancel};
  DatasetPort& port = *batch.space->port;
  port.load(
      std::move(keys), std::move(call),
      [self = std::weak_ptr(self_), began = clock_.now(), batch = std::move(batch)](auto loaded) mutable {
        const auto gate = self.lock();
        if (!gate) return;
        SourceGate& me = **gate;
        me.finish(std::move(batch), std::move(loaded), me.clock_.now() - began);
      });
}

void SourceGate::finish(Batch batch, Result<std::vector<LoadedValue>> loaded, Duration took) {
  bool timed_out_unexpectedly = false;
  std::size_t next_size = 0;
  {
    MutexLock lock(mutex_);
    BatchSize& size = size_of(*batch.space);
    if (loaded) {
      size.answered(batch.flights.size(), took);
    } else if (is_too_slow(loaded.error())) {
      timed_out_unexpectedly = size.timed_out(batch.flights.size());
    }
    next_size = size.keys();
    free_slot(batch.slot);
    stats_.load_microseconds +=
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(took).count());
    const auto bound =
        std::ranges::lower_bound(kLoadSecondsBounds, std::chrono::duration<double>(took).count());
    ++stats_.load_seconds[static_cast<std::size_t>(bound - kLoadSecondsBounds.begin())];
  }
  if (loaded) {
    record(true, nullptr);
    // The cost is shared: a key of a batch was that much cheaper to load.
    for (std::size_t i = 0; i < batch.flights.size(); ++i) {
      sink_.loaded(batch.flights[i], std::move((*loaded)[i]), took);
    }
  } else {
    const bool too_slow = is_too_slow(loaded.error());
    const bool unwell = is_of_outages(loaded.error()) && (!too_slow || timed_out_unexpectedly);
    record(!unwell, &loaded.error());
    std::size_t parts_of = 0;
    if (loaded.error().code == ErrorCode::kRefused) parts_of = (batch.flights.size() + 1) / 2;
    if (too_slow) parts_of = next_size;
    if (parts_of == 0 || !send_again(batch, parts_of)) {
      for (const FlightPtr& flight : batch.flights) sink_.failed(flight, loaded.error());
    }
  }
  dispatch();
}

BatchSize& SourceGate::size_of(const Namespace& space) {
  return sizes_.try_emplace(&space, space.first_batch, space.config.max_batch, space.load_timeout)
      .first->second;
}

bool SourceGate::send_again(const Batch& batch, std::size_t each) {
  if (batch.flights.size() < 2) return false;
  MutexLock lock(mutex_);
  if (closed_) return false;
  for (auto from = batch.flights.begin(); from != batch.flights.end();) {
    const auto left = static_cast<std::size_t>(batch.flights.end() - from);
    const auto to =
        from + static_cast<std::ptrdiff_t>(std::min(std::min(each, batch.flights.size() - 1), left));
    parts_.push_back({batch.space, {from, to}, batch.call, 0});
    from = to;
  }
  return true;
}

void SourceGate::write(Namespace& space, KeyFields key, Write write, Instant deadline, WriteDone done) {
  const std::string_view table = table_of(space);
  std::optional<Error> refused;
  {
    MutexLock lock(mutex_);
    const Instant now = clock_.now();
    if (closed_ || !breaker_.allows()) {
      refused = refusal();
    } else if (writes_.size() >= options_.max_queue ||
               writes_.size(table) >= std::max<std::size_t>(options_.max_queue / 2, 1)) {
      refused = Error{ErrorCode::kOverloaded,
                      fmt::format("source '{}': {} writes are waiting already, {} of them of {}",
                                  options_.name, writes_.size(), writes_.size(table), table)};
    } else {
      writes_.push(table, {&space, std::move(key), std::move(write), now, deadline, std::move(done)});
      if (deadline < expiry_at_) expire_writes_at(deadline);
    }
    if (refused) ++stats_.rejected;
  }
  if (refused) return done(std::move(*refused));  // NOLINT(bugprone-use-after-move): not moved if refused
  dispatch();
}

void SourceGate::expire_writes_at(Instant at) {
  expiry_at_ = at;
  scheduler_.post_at(at, [self = std::weak_ptr(self_)] {
    if (const auto gate = self.lock()) (*gate)->expire_writes();
  });
}

void SourceGate::expire_writes() {
  std::vector<PendingWrite> expired;
  {
    MutexLock lock(mutex_);
    const Instant now = clock_.now();
    expiry_at_ = kNever;
    Instant next = kNever;
    expired = writes_.take_if([&](const PendingWrite& write) {
      const bool late = write.deadline <= now;
      if (!late) next = std::min(next, write.deadline);
      return late;
    });
    // Each look costs a walk through all that wait.
    if (next != kNever) expire_writes_at(std::max(next, saturating_add(now, kExpiryEvery)));
    stats_.rejected += expired.size();
  }
  for (PendingWrite& write : expired) write.done(too_late(options_.name, clock_.now() - write.since));
}

void SourceGate::send_write(PendingWrite write, SlotShares::Ticket slot) {
  const Instant now = clock_.now();
  const bool late = write.deadline <= now;
  {
    MutexLock lock(mutex_);
    if (late) {
      free_slot(slot);
      ++stats_.rejected;
    } else {
      ++stats_.writes;
    }
  }
  if (late) return write.done(too_late(options_.name, now - write.since));
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(write.deadline - now);
  write.space->port->write(
      std::move(write.key), std::move(write.write), CallOptions{left, nullptr},
      [self = std::weak_ptr(self_), slot, done = std::move(write.done)](Result<Written> written) mutable {
        const auto gate = self.lock();
        if (gate) {
          SourceGate& me = **gate;
          {
            MutexLock lock(me.mutex_);
            me.free_slot(slot);
          }
          std::optional<Error> error;
          if (!written) error = written.error();
          if (written && written->unconfirmed)
            error = Error{ErrorCode::kUnknownOutcome, written->unconfirmed->why};
          me.record(!error || !is_of_outages(*error), error ? &*error : nullptr);
        }
        done(std::move(written));
        if (gate) (*gate)->dispatch();
      });
}

SourceGate::Slot::~Slot() {
  const auto gate = gate_.lock();
  if (!gate) return;
  SourceGate& me = **gate;
  {
    MutexLock lock(me.mutex_);
    me.free_slot(ticket_);
  }
  me.dispatch();
}

void SourceGate::Slot::ended(const Error* error) {
  if (const auto gate = gate_.lock()) (*gate)->record(error == nullptr || !is_of_outages(*error), error);
}

void SourceGate::queue_batch(BatchTurn turn) {
  std::optional<Error> refused;
  {
    MutexLock lock(mutex_);
    if (closed_) {
      refused = refusal();
    } else {
      turns_.push_back(std::move(turn));
    }
  }
  if (refused) return turn(std::move(*refused));  // NOLINT(bugprone-use-after-move): not moved if refused
  dispatch();
}

void SourceGate::record(bool good, const Error* error) {
  Instant probe_at = kNever;
  std::string last;
  {
    MutexLock lock(mutex_);
    if (error) {
      ++stats_.errors;
      if (error->code == ErrorCode::kTimeout) ++stats_.timeouts;
    }
    // Who waited for somebody's lock has learned nothing of the source.
    if (!good && error->scope == ErrorScope::kCall) return;
    if (good) {
      reached_ = true;
    } else {
      last_error_ = error->message;
    }
    if (breaker_.record(good, clock_.now())) {
      probe_at = breaker_.probe_at();
      last = last_error_;
    }
  }
  if (probe_at != kNever) start_pause(probe_at, last);
}

void SourceGate::start_open(const Error& error) {
  Instant probe_at = kNever;
  {
    MutexLock lock(mutex_);
    last_error_ = error.message;
    breaker_.trip(clock_.now());
    probe_at = breaker_.probe_at();
  }
  start_pause(probe_at, error.message);
}

// The breaker has opened.
void SourceGate::start_pause(Instant probe_at, const std::string& error) {
  spdlog::warn(
      "source '{}': circuit breaker opened, its keys are answered from memory or with an error; it is "
      "probed until it answers; last error: {}",
      options_.name, error);
  schedule_probe(probe_at);
}

void SourceGate::schedule_probe(Instant at) {
  scheduler_.post_at(at, [self = std::weak_ptr(self_)] {
    if (const auto gate = self.lock()) (*gate)->probe();
  });
}

void SourceGate::probe(bool early) {
  {
    MutexLock lock(mutex_);
    if (closed_ || breaker_.state() != Breaker::State::kOpen) return;
    if (!early && clock_.now() < breaker_.probe_at()) return;  // another probe has begun a new pause
    breaker_.begin_probe();
  }
  ping_(CallOptions{options_.timeout, nullptr}, [self = std::weak_ptr(self_)](Result<void> answer) {
    const auto gate = self.lock();
    if (!gate) return;
    SourceGate& me = **gate;
    Instant again = kNever;
    {
      MutexLock lock(me.mutex_);
      me.breaker_.end_probe(answer.has_value(), me.clock_.now());
      if (answer) {
        me.reached_ = true;
      } else {
        me.last_error_ = answer.error().message;
        again = me.breaker_.probe_at();
      }
    }
    if (again != kNever) {
      me.schedule_probe(again);
    } else {
      spdlog::info("source '{}': answers again, circuit breaker closed", me.options_.name);
      me.dispatch();
    }
  });
}

SourceStats SourceGate::stats() const {
  MutexLock lock(mutex_);
  SourceStats stats = stats_;
  stats.name = options_.name;
  stats.reached = reached_;
  stats.in_flight = slots_.taken();
  stats.queued = foreground_.size() + background_.size() + writes_.size();
  stats.limit = options_.limit;
  switch (breaker_.state()) {
    case Breaker::State::kClosed:
      stats.breaker = "closed";
      break;
    case Breaker::State::kOpen:
      stats.breaker = "open";
      break;
    case Breaker::State::kHalfOpen:
      stats.breaker = "half-open";
      break;
  }
  return stats;
}

void SourceGate::reset_stats() {
  MutexLock lock(mutex_);
  stats_ = {};
}

void SourceGate::close() {
  std::vector<PendingWrite> writes;
  std::deque<BatchTurn> turns;
  std::vector<FlightPtr> flights;
  Error cancelled;
  {
    MutexLock lock(mutex_);
    closed_ = true;
    cancelled = refusal();
    flights = foreground_.pop_all();
    for (FlightPtr& flight : background_.pop_all()) flights.push_back(std::move(flight));
    for (const Batch& part : parts_) flights.insert(flights.end(), part.flights.begin(), part.flights.end());
    parts_.clear();
    writes = writes_.pop_all();
    turns = std::exchange(turns_, {});
  }
  for (const FlightPtr& flight : flights) sink_.failed(flight, cancelled);
  for (PendingWrite& write : writes) write.done(cancelled);
  for (BatchTurn& turn : turns) turn(cancelled);
}

}  // namespace forebay::layer
