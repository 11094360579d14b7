#pragma once

// What happens to a read, for the server and the C++ library alike.
//
// look_up() answers from the memory tier where the namespace's windows allow and starts refreshes that are
// due; read() does that too and otherwise joins the key's flight or opens one. Flights go to the source
// through its gate and come back through FlightSink: the value is stored unless the fence says otherwise, and
// all who wait are answered. A reader whose soft limit passes gets the stale copy, one whose hard limit
// passes a stale copy or an error; the load goes on and its value is stored for the next.
//
// Where writes go behind, what is loaded is merged with the key's pending writes when it comes in, under the
// key's lock, so that copies and answers always include every write that was taken. A load that an apply of
// them overlapped is asked again (flight.h). Where the pending writes alone say what the value is, nothing is
// loaded.
//
// Thread-safe. Callbacks run without any lock of the layer.

#include <atomic>
#include <string_view>

#include "base/random.h"
#include "journal/queue.h"
#include "layer/read/flight.h"
#include "layer/read/freshness.h"
#include "layer/read/source_gate.h"
#include "memory/tier.h"
#include "observe/key_events.h"
#include "observe/miss_ratio_curve.h"

namespace forebay::layer {

class ReadPath final : public FlightSink {
 public:
  ReadPath(memory::Tier& tier, FlightTable& flights, observe::KeyEvents& events,
           observe::MissRatioCurves& curves, const Clock& clock, Random& random, Scheduler& scheduler)
      : tier_(tier),
        flights_(flights),
        events_(events),
        curves_(curves),
        clock_(clock),
        random_(random),
        scheduler_(scheduler) {}

  LookUp look_up(Space& space, std::string_view key, Instant now, FunctionRef<void(const EntryView&)> visit);
  // The same for who wants the value only: as bytes or as a (non-null) Value. Defined in
  // layer/read/look_up.h.
  using VisitBytes = FunctionRef<void(std::string_view bytes, const Value* shared)>;
  [[gnu::always_inline]] LookUp look_up_bytes(Space& space, std::string_view key, Instant now,
                                              VisitBytes visit);
  // `level`: kAny or kFresh (read-your-writes has been decided by the caller).
  void read(Space& space, std::string_view key, Level level, ReadCallback done);
  // Loads a key that is not fresh, behind foreground loads. Neither a request nor bound by the reader's
  // limits.
  void warm(Space& space, std::string_view key, ReadCallback done);
  // Loads a key for a write that needs its value: `within` gets it, merged, under the key's lock, and `done`
  // follows. Where `done` comes without `within` it has an error, a stale copy because the source fails, or a
  // value to be looked at again, as it has come into memory meanwhile or another write has the turn. Not
  // counted as a request.
  void load_for_write(Space& space, std::string_view key, Within within, ReadCallback done);

  // The pending writes; before the first request. Null: none are ever pending.
  void set_queue(const journal::Queue* queue) { queue_ = queue; }
  // Sends flights that waited for an apply.
  void resume(const std::vector<FlightPtr>& flights);

  // Sends what has gathered. Gates are those given to set_gates().
  void dispatch();
  // While held, the timer does not send what has gathered: the holder is still adding to it and will call
  // dispatch().
  void hold() { holders_.fetch_add(1, std::memory_order_relaxed); }
  void release() { holders_.fetch_sub(1, std::memory_order_relaxed); }
  void set_gates(std::vector<std::shared_ptr<SourceGate>> gates);

  // FlightSink
  bool starting(Flight& flight, const std::shared_ptr<SourceCall>& call) override;
  void started(const std::shared_ptr<SourceCall>& call) override { flights_.release(call); }
  void loaded(const FlightPtr& flight, LoadedValue value, Duration took) override;
  void failed(const FlightPtr& flight, const Error& error) override;

 private:
  enum class Found : std::uint8_t { kNothing, kHit, kStale, kNegative, kStaleIfError };

  LookUp look_up(Space& space, std::string_view key, std::uint64_t hash, Instant now,
                 FunctionRef<void(const EntryView&)> visit);
  LookUp look_up_any_bytes(Space& space, std::string_view key, std::uint64_t hash, Instant now,
                           VisitBytes visit);
  // `due`: where a refresh of the entry is, how long it is fresh; else kNever.
  template <class Visit>
  Found find(Space& space, std::string_view key, std::uint64_t hash, Instant now, Instant& due,
             Visit&& visit);
  // What a look-up says of a key that isn't there.
  LookUp missed(Space& space, std::uint64_t hash, Instant now) {
    if (space.info.read_through) return LookUp::kLoad;  // read() notes it
    space.counters.add(kMisses);
    note_read(space, hash, now);
    return LookUp::kAbsent;
  }
  // What look_up() does about an entry that may answer only where the source fails: serves it if the source
  // has just failed for its key.
  Found find_throttled(Space& space, std::string_view key, std::uint64_t hash, Instant now,
                       FunctionRef<void(const EntryView&)> visit);
  // The copy that may answer when the source does not; nothing if there is none.
  std::optional<Answer> fallback(Space& space, std::string_view key, Instant now);
  // Of the entry that find() saw, unless another reader's refresh has replaced it meanwhile.
  void refresh(Space& space, std::string_view key, std::uint64_t hash, Instant now, Instant due);
  void fly(Space& space, std::string_view key, std::uint64_t hash, FlightTable::Join kind, Urgency urgency,
           Waiter waiter);
  // To be called once for each read that counts (kHits … kErrors), before what it leads to is stored.
  void note_read(const Space& space, std::uint64_t hash, Instant now) {
    if (curves_.sampled(hash)) [[unlikely]]
      curves_.read(hash, space.info.index, space.epoch.load(std::memory_order_acquire), now);
  }
  bool store(const Flight& flight, const LoadedValue& value, Instant now, Duration took);
  // The value that a key's pending writes alone come to, stored; nothing: they don't. Under the key's lock.
  std::optional<Answer> from_pending(Space& space, std::string_view key, std::uint64_t hash, Instant now);
  // Sends a parked flight once its key is no longer being applied, which nobody will report: what a journal
  // held at the start counts so until the source has told its ledger.
  void look_again(const std::weak_ptr<Flight>& waiting, Duration after);
  void watch(const FlightPtr& flight);
  void on_timer(const FlightPtr& flight);
  void dispatch_soon();
  static KeyFields fields_of(const Space& space, std::string_view key);

  memory::Tier& tier_;
  FlightTable& flights_;
  observe::KeyEvents& events_;
  observe::MissRatioCurves& curves_;
  const Clock& clock_;
  Random& random_;
  Scheduler& scheduler_;
  const journal::Queue* queue_ = nullptr;
  std::atomic<bool> dispatch_armed_{false};
  std::atomic<int> holders_{0};  // a hint for the timer: nothing is published through it
  Mutex gates_mutex_;
  std::vector<std::shared_ptr<SourceGate>> gates_ GUARDED_BY(gates_mutex_);
};

// An entry as the answer that a reader gets.
Answer answer_of(const EntryView& entry, Instant now, ReadResult result);

}  // namespace forebay::layer
