#pragma once

// Loads: how a key's value comes from the source into memory, and to those who wait for it.
//
// Whoever wants a value joins the key's flight or opens one. A flight goes through the namespace's stages to
// the source and comes back by loaded() or failed(): what it brings is laid under the key's pending writes,
// stored unless a fence says otherwise, and handed to all who wait.
//
// A reader whose soft limit passes gets the stale copy. One whose hard limit passes gets a stale copy or an
// error. The load goes on in both cases, and what it brings is stored for the next reader.
//
// Thread-safe. Callbacks run without any lock of the layer.

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "base/mutex.h"
#include "layer/key/boards.h"
#include "layer/key/key_loader.h"
#include "layer/key/key_table.h"
#include "layer/key/overlay.h"
#include "layer/load/load_stage.h"
#include "layer/read/memory_view.h"

namespace forebay::layer {

class Loads final : public FlightSink, public KeyLoader {
 public:
  // Everything is borrowed.
  Loads(CopyStore& copies, KeyTable& keys, const MemoryView& memory, const Clock& clock, Scheduler& scheduler)
      : copies_(copies), keys_(keys), memory_(memory), clock_(clock), scheduler_(scheduler) {}

  // Answers a reader with what the source has; at Level::kAny, with what memory has got meanwhile.
  void load(const KeyRef& at, Level level, Instant now, ReadCallback done);
  // Reloads a copy that is due, in the background; not if another reader's reload has replaced it meanwhile.
  void refresh(const KeyRef& at, Instant now, Instant due);
  // Loads a key that is not fresh, behind foreground loads. Neither a request nor bound by a reader's limits.
  void warm(const KeyRef& at, ReadCallback done);

  // Before the first request; nothing is pending otherwise. Borrowed.
  void set_overlay(const Overlay& overlay) { overlay_ = &overlay; }
  // Before the first load of a collection. Borrowed.
  void set_boards(Boards& boards) { boards_ = &boards; }
  // Where the flights of all namespaces go: what dispatch() calls.
  void set_stages(std::vector<std::shared_ptr<LoadStage>> stages);

  // Sends what has gathered.
  void dispatch();
  // Between these two the timer does not send what has gathered: the caller is still adding to it, and calls
  // dispatch() afterwards.
  void begin_gathering() { gathering_.fetch_add(1, std::memory_order_relaxed); }
  void end_gathering() { gathering_.fetch_sub(1, std::memory_order_relaxed); }

  // KeyLoader
  void load_for_write(const KeyRef& at, Within within, ReadCallback done) override;
  void resume(const std::vector<FlightPtr>& flights) override;

  // FlightSink
  bool starting(Flight& flight, const SourceCallPtr& call) override;
  void started(const SourceCallPtr& call) override { keys_.release(call); }
  void loaded(const FlightPtr& flight, LoadedValue value, Duration took) override;
  void failed(const FlightPtr& flight, const Error& error) override;

 private:
  // What became of a loaded value: whether it is the copy now, or why not.
  enum class Kept : std::uint8_t { kStored, kFenced, kRejected };

  void fly(const KeyRef& at, Join kind, Urgency urgency, Instant now, Waiter waiter);
  // What a reader finds who is about to open a flight, under the key's lock.
  std::optional<Answer> at_hand(const KeyRef& at, Join kind, Instant now);
  // Why nobody can say what the key is, if that is so (Overlay::refusal()).
  std::optional<Error> refusal_of(const KeyRef& at) const;
  // What becomes of a flight that has come in. Under the key's lock.
  KeyTable::Landing land(const Flight& flight, LoadedValue& value, Duration took, Instant now,
                         const KeyTable::Seen& seen);
  KeyTable::Landing land_board(const Flight& flight, LoadedValue& value, Duration took, Instant now,
                               const KeyTable::Seen& seen);
  // Stores it, and tells what became of it.
  Kept keep_and_tell(const Flight& flight, const LoadedValue& value, Duration took, Instant now,
                     const KeyTable::Seen& seen);
  Kept keep(const Flight& flight, const LoadedValue& value, Duration took, Instant now,
            const KeyTable::Seen& seen);
  // Sends a parked flight once its key is no longer being applied, which nobody will report: what a journal
  // held at the start counts so until the source has told its ledger.
  void look_again(const std::weak_ptr<Flight>& waiting, Duration after);
  void watch(const FlightPtr& flight);
  void on_timer(const FlightPtr& flight);
  void dispatch_soon();

  CopyStore& copies_;
  KeyTable& keys_;
  const MemoryView& memory_;
  const Clock& clock_;
  Scheduler& scheduler_;
  NoOverlay nothing_pending_;
  const Overlay* overlay_ = &nothing_pending_;
  Boards* boards_ = nullptr;
  std::atomic<bool> dispatch_armed_{false};
  std::atomic<int> gathering_{0};  // relaxed: a hint for the timer, nothing is published through it
  Mutex stages_mutex_;
  std::vector<std::shared_ptr<LoadStage>> stages_ GUARDED_BY(stages_mutex_);
};

}  // namespace forebay::layer
