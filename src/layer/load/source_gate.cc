#include "layer/load/source_gate.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace forebay::layer {
namespace {

// Whether an error says that the source is unwell, as opposed to the request.
bool source_is_unwell(const Error& error) {
  return error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kTimeout ||
         error.code == ErrorCode::kInternal;
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
      breaker_(options_.breaker) {}

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

void SourceGate::push(Queue& queue, FlightPtr flight) {
  Namespace* space = &flight->space;
  queue.waiting[space].push_back(std::move(flight));
  queue.order.push_back(space);
  ++queue.size;
}

std::vector<FlightPtr> SourceGate::pop(Queue& queue) {
  std::vector<FlightPtr> popped;
  while (!queue.order.empty() && popped.empty()) {
    Namespace* space = queue.order.front();
    queue.order.pop_front();
    auto& waiting = queue.waiting[space];
    const std::size_t most = space->port->batches() ? size_of(*space).keys() : 1;
    const std::size_t count = std::min(most, waiting.size());
    popped.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      popped.push_back(std::move(waiting.front()));
      waiting.pop_front();
    }
    queue.size -= count;
  }
  if (queue.size == 0) queue.order.clear();
  return popped;
}

Result<void> SourceGate::enqueue(FlightPtr flight, Urgency urgency) {
  MutexLock lock(mutex_);
  if (closed_ || !breaker_.allows()) {
    ++stats_.rejected;
    return refusal();
  }
  if (foreground_.size + background_.size >= options_.max_queue) {
    ++stats_.rejected;
    return Error{ErrorCode::kOverloaded,
                 fmt::format("source '{}': {} keys are waiting for a connection already", options_.name,
                             options_.max_queue)};
  }
  Queue& queue = urgency == Urgency::kBackground ? background_ : foreground_;
  push(queue, std::move(flight));
  return {};
}

void SourceGate::promote(FlightPtr flight) {
  MutexLock lock(mutex_);
  if (!closed_)
    push(foreground_, std::move(flight));  // its place in the background is skipped: it has started by then
}

bool SourceGate::batch_is_next() const {
  if (turns_.empty() || !breaker_.allows()) return false;
  if (batches_in_flight_ >= std::max<std::size_t>(options_.limit / 2, 1)) return false;
  const bool others = !writes_.empty() || !parts_.empty() || foreground_.size > 0;
  return !batch_went_last_ || !others;
}

bool SourceGate::next(Next& next) {
  if (in_flight_ >= options_.limit || closed_) return false;
  if (batch_is_next()) {
    next.turn = std::move(turns_.front());
    turns_.pop_front();
    ++in_flight_;
    ++batches_in_flight_;
    batch_went_last_ = true;
    return true;
  }
  Batch& batch = next.batch;
  batch_went_last_ = false;
  if (!writes_.empty()) {
    next.write = std::move(writes_.front());
    writes_.pop_front();
    ++in_flight_;
    return true;
  }
  if (!parts_.empty()) {
    batch = std::move(parts_.front());
    parts_.pop_front();
    ++in_flight_;
    return true;
  }
  batch.flights = pop(foreground_);
  const bool room_for_background = options_.limit == 1 || in_flight_ + 1 < options_.limit;
  if (batch.flights.empty() && room_for_background) batch.flights = pop(background_);
  if (batch.flights.empty()) return false;
  batch.space = &batch.flights.front()->space;
  ++in_flight_;
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
      going.turn(Slot(self_));
    } else if (going.write.done) {
      send_write(std::move(going.write));
    } else {
      send(std::move(going.batch));
    }
  }
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
    --in_flight_;
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
    } else if (loaded.error().code == ErrorCode::kTimeout) {
      timed_out_unexpectedly = size.timed_out(batch.flights.size());
    }
    next_size = size.keys();
    --in_flight_;
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
    const bool too_slow = loaded.error().code == ErrorCode::kTimeout;
    const bool unwell = source_is_unwell(loaded.error()) && (!too_slow || timed_out_unexpectedly);
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
    parts_.push_back({batch.space, {from, to}, batch.call});
    from = to;
  }
  return true;
}

void SourceGate::write(DatasetPort& port, KeyFields key, Write write, WriteDone done) {
  std::optional<Error> refused;
  {
    MutexLock lock(mutex_);
    if (closed_ || !breaker_.allows()) {
      refused = refusal();
    } else if (writes_.size() >= options_.max_queue) {
      refused = Error{ErrorCode::kOverloaded, fmt::format("source '{}': {} writes are waiting already",
                                                          options_.name, options_.max_queue)};
    } else {
      writes_.push_back({&port, std::move(key), std::move(write), std::move(done)});
    }
    if (refused) ++stats_.rejected;
  }
  if (refused) return done(std::move(*refused));  // NOLINT(bugprone-use-after-move): not moved if refused
  dispatch();
}

void SourceGate::send_write(PendingWrite write) {
  {
    MutexLock lock(mutex_);
    ++stats_.writes;
  }
  write.port->write(
      std::move(write.key), std::move(write.write), CallOptions{options_.timeout, nullptr},
      [self = std::weak_ptr(self_), done = std::move(write.done)](Result<Written> written) mutable {
        const auto gate = self.lock();
        if (gate) {
          SourceGate& me = **gate;
          {
            MutexLock lock(me.mutex_);
            --me.in_flight_;
          }
          std::optional<Error> error;
          if (!written) error = written.error();
          if (written && written->unconfirmed)
            error = Error{ErrorCode::kUnknownOutcome, written->unconfirmed->why};
          me.record(!error || !source_is_unwell(*error), error ? &*error : nullptr);
        }
        done(std::move(written));
        if (gate) (*gate)->dispatch();
      });
}

SourceGate::Slot::~Slot() {
  if (const auto gate = gate_.lock()) (*gate)->free_slot();
}

void SourceGate::Slot::ended(const Error* error) {
  if (const auto gate = gate_.lock()) (*gate)->record(error == nullptr || !source_is_unwell(*error), error);
}

void SourceGate::free_slot() {
  {
    MutexLock lock(mutex_);
    --in_flight_;
    --batches_in_flight_;
  }
  dispatch();
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
    if (good) reached_ = true;
    if (error) {
      ++stats_.errors;
      if (error->code == ErrorCode::kTimeout) ++stats_.timeouts;
      if (!good) last_error_ = error->message;
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
  stats.in_flight = in_flight_;
  stats.queued = foreground_.size + background_.size + writes_.size();
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
  std::deque<PendingWrite> writes;
  std::deque<BatchTurn> turns;
  std::vector<FlightPtr> flights;
  Error cancelled;
  {
    MutexLock lock(mutex_);
    closed_ = true;
    cancelled = refusal();
    for (Queue* queue : {&foreground_, &background_}) {
      for (auto& [space, waiting] : queue->waiting)
        flights.insert(flights.end(), waiting.begin(), waiting.end());
      *queue = {};
    }
    for (const Batch& half : parts_) flights.insert(flights.end(), half.flights.begin(), half.flights.end());
    parts_.clear();
    writes = std::exchange(writes_, {});
    turns = std::exchange(turns_, {});
  }
  for (const FlightPtr& flight : flights) sink_.failed(flight, cancelled);
  for (PendingWrite& write : writes) write.done(cancelled);
  for (BatchTurn& turn : turns) turn(cancelled);
}

}  // namespace forebay::layer
