#pragma once

// The way to one source: queues, a concurrency limit and a circuit breaker. Everything that the layer asks of
// a source passes here, so that its load never depends on how many clients ask.
//
// Keys wait in three queues: writes first, then loads that somebody waits for, then refreshes and warming.
// Whenever a call slot is free, the oldest key of the first non-empty queue goes, and with it all keys of its
// namespace that wait in the same queue, as many as a call is expected to load in time (batch_size.h): keys
// gather by themselves while the slots are busy, and not at all when they aren't, so batching costs an idle
// source no latency. Refreshes never take the last free slot. SlotShares says who may take the slots that are
// left, so that a table whose rows somebody has locked does not keep the others from the source.
//
// Bounds: `limit` calls at once; `max_queue` keys waiting and as many writes, half of them of one table, beyond
// which a load or a write fails as overloaded. A write that has waited until its deadline is answered and never
// sent; one that is sent has what is left of its time. A load whose readers have gone leaves the queue. While the
// breaker is open loads and writes fail at once; when its pause ends the gate pings the source by itself, so
// that it closes without a client having to try.
//
// Batches of writes behind take a slot each as well, at most half of the slots at once (one at least), and
// where others wait they take turns with them, so that neither starves. They count for the breaker. While it
// is open they wait: nobody's reply depends on them, and they are due whenever the source is back.
//
// Who waits for whom: a batch waits for a slot, and slots are held by calls to the source only, which end by
// their timeouts. Nothing that holds a slot waits for a batch: a load that a batch overlapped gives its slot
// back before it waits for the batch's end, and a write through waits for its key's pending writes before it
// is queued here.
//
// A batch of loads that the source refused for a reason in the data is halved and sent again, down to the key
// that is to blame: one bad key must not take its neighbours' answers away. One that it did not answer in time is
// sent again in parts, down to the key that takes too long by itself: the load goes on, whoever still waits.
//
// Thread-safe. The sink's and writes' callbacks run without the gate's lock.

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/executor.h"
#include "base/mutex.h"
#include "layer/load/batch_size.h"
#include "layer/load/breaker.h"
#include "layer/load/lines.h"
#include "layer/load/load_stage.h"
#include "layer/load/slot_shares.h"

namespace forebay::layer {

struct GateOptions {
  std::string name;       // the source's, for messages
  std::size_t limit = 4;  // calls at once, at least 1
  std::size_t max_queue = 10'000;
  std::chrono::milliseconds timeout{2000};  // of a ping and of a write
  BreakerOptions breaker;
};

class SourceGate final : public LoadStage {
 public:
  using Ping = std::move_only_function<void(CallOptions, PingDone)>;

  SourceGate(GateOptions options, const Clock& clock, Scheduler& scheduler, FlightSink& sink, Ping ping);

  // LoadStage
  Result<void> enqueue(FlightPtr flight, Urgency urgency) override;
  void promote(FlightPtr flight) override;
  void withdraw(const FlightPtr& flight) override;
  // Fills the free slots from the queues.
  void dispatch() override;

  // Queues a write of a namespace's key and dispatches. `done` is called exactly once: kTimeout if it could not
  // be sent by the deadline.
  void write(Namespace& space, KeyFields key, Write write, Instant deadline, WriteDone done);
  // How long a write may take that nobody is before.
  Duration write_timeout() const { return options_.timeout; }

  // A slot for one call. Free again when this is destroyed; the gate may be gone by then.
  class Slot {
   public:
    Slot(std::weak_ptr<SourceGate*> gate, SlotShares::Ticket ticket)
        : gate_(std::move(gate)), ticket_(ticket) {}
    Slot(Slot&&) noexcept = default;
    Slot& operator=(Slot&&) = delete;
    ~Slot();
    // The call has ended, with an error or well (null).
    void ended(const Error* error);

   private:
    std::weak_ptr<SourceGate*> gate_;
    SlotShares::Ticket ticket_;
  };
  // Calls `turn` once, without the lock, when a batch may be sent: then it makes the call, or lets the slot
  // go. The error, kCancelled: the gate was closed before.
  using BatchTurn = std::move_only_function<void(Result<Slot>)>;
  void queue_batch(BatchTurn turn);
  // Somebody waits for batches: an open breaker doesn't wait for the end of its pause to look again.
  void probe_now() { probe(true); }

  // The source was found unreachable before it was asked for anything: the breaker opens, and probes.
  void start_open(const Error& error);

  const std::string& name() const { return options_.name; }
  SourceStats stats() const;
  void reset_stats();
  // Fails everything that waits, as cancelled, and refuses what comes. Calls in progress go on.
  void close();

 private:
  struct PendingWrite {
    Namespace* space = nullptr;
    KeyFields key;
    Write write;
    Instant since;
    Instant deadline;
    WriteDone done;
  };
  using Queue = Lines<Namespace*, FlightPtr>;
  struct Batch {
    Namespace* space = nullptr;
    std::vector<FlightPtr> flights;
    SourceCallPtr call;  // null until it has been started
    SlotShares::Ticket slot = 0;
  };

  Error refusal() const REQUIRES(mutex_);
  struct Next {
    Batch batch;
    PendingWrite write{};
    BatchTurn turn;
    SlotShares::Ticket slot = 0;
  };
  bool next(Next& next) REQUIRES(mutex_);
  bool next_turn(Next& next, Instant now) REQUIRES(mutex_);
  bool next_write(Next& next, Instant now) REQUIRES(mutex_);
  bool next_part(Next& next, Instant now) REQUIRES(mutex_);
  bool next_load(Next& next, Queue& queue, Instant now) REQUIRES(mutex_);
  // The call's slot is free again.
  void free_slot(SlotShares::Ticket slot) REQUIRES(mutex_);
  void expire_writes_at(Instant at) REQUIRES(mutex_);
  void expire_writes();
  void send(Batch batch);
  void call_source(Batch batch);
  // The size of the namespace's batches.
  BatchSize& size_of(const Namespace& space) REQUIRES(mutex_);
  // Queues the parts of a batch, of so many keys each; false: it has but one key.
  bool send_again(const Batch& batch, std::size_t each);
  void finish(Batch batch, Result<std::vector<LoadedValue>> loaded, Duration took);
  void send_write(PendingWrite write, SlotShares::Ticket slot);
  void start_pause(Instant probe_at, const std::string& error);
  // A call has ended, with an error or well (null): for the counters and the breaker.
  void record(bool good, const Error* error);
  void schedule_probe(Instant at);
  void probe(bool early = false);

  const GateOptions options_;
  const Clock& clock_;
  Scheduler& scheduler_;
  FlightSink& sink_;
  Ping ping_;
  // Lets timers and completions that outlive the gate notice it.
  std::shared_ptr<SourceGate*> self_;

  mutable Mutex mutex_;
  Breaker breaker_ GUARDED_BY(mutex_);
  std::string last_error_ GUARDED_BY(mutex_);
  Queue foreground_ GUARDED_BY(mutex_);
  Queue background_ GUARDED_BY(mutex_);
  Lines<std::string_view, PendingWrite> writes_ GUARDED_BY(mutex_);  // by table
  Instant expiry_at_ GUARDED_BY(mutex_) = kNever;                    // when expire_writes() is due
  std::deque<Batch> parts_ GUARDED_BY(mutex_);  // of batches that were refused, or too large
  std::unordered_map<const Namespace*, BatchSize> sizes_ GUARDED_BY(mutex_);
  std::deque<BatchTurn> turns_ GUARDED_BY(mutex_);
  SlotShares slots_ GUARDED_BY(mutex_);
  bool batch_went_last_ GUARDED_BY(mutex_) = false;
  bool closed_ GUARDED_BY(mutex_) = false;
  bool reached_ GUARDED_BY(mutex_) = false;  // kept by reset_stats(): no counter but a fact
  SourceStats stats_ GUARDED_BY(mutex_);
};

}  // namespace forebay::layer
