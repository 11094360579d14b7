#pragma once

// A flight: one load of one key in progress, shared by all who ask for the key meanwhile.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/executor.h"
#include "forebay/layer.h"
#include "layer/key/key_ref.h"

namespace forebay::layer {

// What a write that needs the key's value does with it. Runs under the key's lock when the load has come in,
// and makes the value what it is after the write.
using Within = std::move_only_function<void(std::optional<Value>&)>;

// One reader that waits for a flight.
struct Waiter {
  ReadCallback done;
  Instant soft = kNever;  // from here on a stale copy will do
  Instant hard = kNever;  // from here on the answer is an error
  bool stale_ok = true;   // a stale copy is better than an error (level `any` only, rule R9)
  Within within = {};     // called before `done`, if the load succeeds
};

// One call to the source. It loads the keys of one or more flights.
struct SourceCall {
  std::shared_ptr<CancelFlag> cancel = std::make_shared<CancelFlag>();
  // How many flights want the result, because somebody waits for it or it may be stored; and one for the gate
  // until all flights of the call have started. At 0 the call is cancelled. Raised in relaxed order by who holds
  // one already, lowered with acquire and release: who comes to 0 sees what the others have done.
  std::atomic<std::size_t> wanted{1};
};
using SourceCallPtr = std::shared_ptr<SourceCall>;

enum class Urgency : std::uint8_t {
  kForeground,  // somebody waits
  kBackground,  // refreshing and warming: behind the loads that somebody waits for
};

struct Flight {
  Flight(const KeyRef& at, KeyFields fields_in, Urgency urgency_in)
      : key(at.text), hash(at.hash), space(at.space), fields(std::move(fields_in)), urgency(urgency_in) {}

  const std::string key;
  const std::uint64_t hash;
  Namespace& space;
  const KeyFields fields;

  KeyRef at() const { return {space, key, hash}; }

  // Guarded by the key's lock in the KeyTable.
  Urgency urgency;
  bool started = false;       // the source may have been read
  bool fenced = false;        // the key changed since it started: its result must not be stored
  bool ended = false;         // its waiters have been taken
  AsOf as_of;                 // when it started
  std::uint32_t applies = 0;  // KeyTable's count of applies when it started
  Instant started_at{};
  std::vector<Waiter> waiters;
  SourceCallPtr call;
  // Set before it is queued: the load is made on the side, and belongs to no key. What it brings, or why it failed,
  // goes here and nowhere else. Called once.
  std::move_only_function<void(Result<std::optional<Value>>)> aside;
  std::shared_ptr<void> log;  // Boards' own, for a load of a board; set before the source is asked
  Instant timer_at = kNever;  // when the timer for the waiters' deadlines is due
  std::uint64_t timer_id = 0;
};
using FlightPtr = std::shared_ptr<Flight>;

}  // namespace forebay::layer
