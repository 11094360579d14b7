#pragma once

// What is going on with one key, as a state machine: it decides, and does nothing else. It has no lock, no
// clock and no thread; KeyTable calls it under the key's lock and does what it says.
//
// Five things go on side by side, each in one of a few states:
//
//   load      none | queued | started     the flight that readers join
//   turn      free | taken                who may write the key at its source; others stand in line
//   apply     none | under way            a transaction with the key's pending writes has been sent
//   fence     settled | unsettled         changes that were reported before the source shows them
//   throttle  none | until a time         the source has just failed for this key
//
// What a change does (rules R6, L5, X2, X7, X8). A load reads the source at some moment after it has started,
// so a load that has started when the key changes may have read the old value. It is marked as fenced and
// taken out of the key's state: who joined it before is answered with what it brings, which is stored nowhere,
// and who comes later opens a new one. A load that is still queued will read the new value and is left alone.
//
// Unsettled changes. A feed may report a change before the source shows it, so a load that starts after the
// report may read the old value all the same. Until the change is settled, what is loaded answers its readers
// and is not stored, unless it is proved to include the change. A load that is under way when the change is
// settled is fenced as by the change itself: it may have read the source just before.
//
// Writes take turns (rule X1), so that two writes of a key commit and store in one order. A change that is
// reported during a turn is remembered: the value that the write returns is stored only if it includes it. So is
// what loads have brought meanwhile: where another program has written the row right after the commit, and a
// reader was faster than the commit's answer, that is the newer value.
//
// Applies. A load of a key whose pending writes are being applied may have read the row before or after them,
// and nobody can say which: merged with them it could count an addition twice. Such a load is parked, and
// asked again when the apply has ended.

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "forebay/function_ref.h"
#include "layer/key/evidence.h"
#include "layer/key/flight.h"

namespace forebay::layer {

enum class Join : std::uint8_t {
  kAny,    // any flight of the key will do
  kFresh,  // only one that has not started: its source read must begin after now (rule R8)
};

enum class Visible : std::uint8_t {
  kYes,     // whoever reads the source from now on sees the change
  kNotYet,  // until settle() a reader of the source may see the value before it
};

class KeyState {
 public:
  // What an event leaves for the caller to do once it has let the lock go.
  struct Effects {
    SourceCallPtr unwanted;  // one flight less wants this call's result
    FlightPtr detached;      // has readers, and belongs to no key any more
  };
  struct Joined {
    FlightPtr flight;
    bool opened = false;    // new: the caller sends it on its way
    bool promoted = false;  // it was queued in the background: the caller moves it to the front
  };
  // The apply that the key is in.
  struct Apply {
    Fence changes;
    AsOf as_of;  // when it began
  };

  // ---- Loads.
  Joined join(const KeyRef& at, Join kind, Urgency urgency, FunctionRef<KeyFields()> fields, Waiter waiter,
              Effects& effects);
  // Null: the key has a flight already, or is throttled.
  FlightPtr open_background(const KeyRef& at, Instant now, FunctionRef<KeyFields()> fields);
  // The flight has come in or failed. Nothing happens to the key's own if that is another one by now.
  void land(const Flight& flight);
  // The flight waits for the apply's end.
  void park(FlightPtr flight) { parked_.push_back(std::move(flight)); }
  std::vector<FlightPtr> unpark() { return std::exchange(parked_, {}); }

  // ---- Changes. True: a load was fenced.
  bool change(const ChangeMark& change, Visible visible, Effects& effects);
  // The source shows it from now on.
  void settle(const ChangeMark& change, Effects& effects);
  // Whether a value that was loaded since the last change may be stored.
  bool admits(const Evidence& evidence) const;

  // ---- Writes. True: it has the turn; false: `start` runs when the writes before it have ended.
  bool begin_write(Task& start);
  // Requires the turn to be taken.
  const Fence& reported_in_turn() const { return turn_->changes; }
  // A load has brought a value while a write has the turn.
  void loaded_in_turn(const Evidence& evidence) { turn_->changes.add(evidence.as_change()); }
  // The write of the turn happened, or may have.
  void committed(Effects& effects);
  // Ends the turn; returns the next write, which has it now, if there is one.
  Task end_write();
  bool writing() const { return turn_ != nullptr; }

  // ---- Applies.
  void begin_apply(const AsOf& as_of) { apply_ = std::make_unique<Apply>(Apply{{}, as_of}); }
  // Null: none is under way.
  const Apply* apply() const { return apply_.get(); }
  void end_apply() { apply_.reset(); }

  // ---- Throttle.
  void throttle(Instant until) { retry_at_ = until; }
  void unthrottle() { retry_at_ = Instant::min(); }
  bool throttled(Instant now) const { return now < retry_at_; }

  // ---- Looking.
  const FlightPtr& load() const { return load_; }
  bool settled() const { return unsettled_.empty(); }
  // Whether there is nothing to remember but, perhaps, a throttle.
  bool quiet() const {
    return load_ == nullptr && turn_ == nullptr && apply_ == nullptr && parked_.empty() && unsettled_.empty();
  }
  bool has_throttle() const { return retry_at_ != Instant::min(); }

 private:
  struct Turn {
    Fence changes;             // reported since it began
    std::deque<Task> waiting;  // the writes after it, in order
  };
  void detach(Effects& effects);

  FlightPtr load_;
  std::unique_ptr<Turn> turn_;
  std::unique_ptr<Apply> apply_;
  std::vector<FlightPtr> parked_;
  std::vector<ChangeMark> unsettled_;
  Instant retry_at_ = Instant::min();
};

}  // namespace forebay::layer
