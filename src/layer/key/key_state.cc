#include "layer/key/key_state.h"

#include <algorithm>
#include <utility>

namespace forebay::layer {

void KeyState::detach(Effects& effects) {
  load_->fenced = true;
  if (load_->waiters.empty()) {
    // It loads for nothing. Once that is true of all flights of its call, the call is cancelled.
    effects.unwanted = std::exchange(load_->call, nullptr);
  } else {
    effects.detached = load_;
  }
  load_ = nullptr;
}

KeyState::Joined KeyState::join(const KeyRef& at, Join kind, Urgency urgency, FunctionRef<KeyFields()> fields,
                                Waiter waiter, Effects& effects) {
  if (load_ != nullptr) {
    // What began under another epoch, or for a namespace that has been replaced, answers nobody who comes now.
    const bool in_force =
        &load_->space == &at.space && (!load_->started || !at.space.purged_since(load_->as_of));
    if (!in_force || (kind == Join::kFresh && load_->started)) detach(effects);
  }
  Joined joined;
  if (load_ == nullptr) {
    load_ = std::make_shared<Flight>(at, fields(), urgency);
    joined.opened = true;
  } else if (urgency == Urgency::kForeground) {
    joined.promoted = load_->urgency == Urgency::kBackground && !load_->started;
    load_->urgency = Urgency::kForeground;
  }
  joined.flight = load_;
  load_->waiters.push_back(std::move(waiter));
  return joined;
}

FlightPtr KeyState::open_background(const KeyRef& at, Instant now, FunctionRef<KeyFields()> fields) {
  if (load_ != nullptr || throttled(now)) return nullptr;
  load_ = std::make_shared<Flight>(at, fields(), Urgency::kBackground);
  return load_;
}

void KeyState::land(const Flight& flight) {
  if (load_.get() == &flight) load_ = nullptr;
}

bool KeyState::change(const ChangeMark& change, Visible visible, Effects& effects) {
  const bool fences = load_ != nullptr && load_->started;
  if (fences) detach(effects);
  if (turn_ != nullptr) turn_->changes.add(change);
  if (apply_ != nullptr) apply_->changes.add(change);
  if (visible == Visible::kNotYet) unsettled_.push_back(change);
  unthrottle();
  return fences;
}

void KeyState::settle(const ChangeMark& change, Effects& effects) {
  // A change that was reported twice is settled twice.
  const auto found = std::ranges::find(unsettled_, change);
  if (found == unsettled_.end()) return;
  unsettled_.erase(found);
  if (load_ != nullptr && load_->started) detach(effects);
}

bool KeyState::admits(const Evidence& evidence) const {
  return std::ranges::all_of(unsettled_, [&](const ChangeMark& change) { return evidence.covers(change); });
}

bool KeyState::begin_write(Task& start) {
  if (turn_ == nullptr) {
    turn_ = std::make_unique<Turn>();
    return true;
  }
  turn_->waiting.push_back(std::move(start));
  return false;
}

void KeyState::committed(Effects& effects) {
  // A load that has started may have read the row as it was before.
  if (load_ != nullptr && load_->started) detach(effects);
  unthrottle();
}

Task KeyState::end_write() {
  if (turn_->waiting.empty()) {
    turn_ = nullptr;
    return {};
  }
  Task next = std::move(turn_->waiting.front());
  turn_->waiting.pop_front();
  turn_->changes = {};
  return next;
}

}  // namespace forebay::layer
