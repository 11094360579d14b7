#pragma once

// What lies between a flight and the source: a chain of stages. The last one is the source's gate; another may
// be put before it, as the remote tier will be, which answers some flights by itself and hands on the rest.
//
//   read path -> stage -> … -> gate -> source
//   read path <- stage <- … <- gate            by FlightSink
//
// A stage is made with the sink that it answers to: the read path, or the stage before it. It hands a flight
// on by calling the next stage, and answers one by calling its sink. Each flight that was taken by enqueue()
// is answered exactly once, by loaded() or failed(), unless it is withdrawn first. Neither blocks. Thread-safe.

#include <cstdint>

#include "forebay/result.h"
#include "layer/key/flight.h"
#include "layer/port/source_port.h"

namespace forebay::layer {

// Who learns what became of flights.
class FlightSink {
 public:
  virtual ~FlightSink() = default;
  // The flight is about to be loaded by `call`. False: it has ended, skip it.
  virtual bool starting(Flight& flight, const SourceCallPtr& call) = 0;
  // All flights of `call` have been through starting().
  virtual void started(const SourceCallPtr& call) = 0;
  virtual void loaded(const FlightPtr& flight, LoadedValue value, Duration took) = 0;
  virtual void failed(const FlightPtr& flight, const Error& error) = 0;
};

class LoadStage {
 public:
  virtual ~LoadStage() = default;
  // Takes a flight that the caller opened. Nothing is sent before dispatch(). An error (overloaded, breaker
  // open) means that the flight was not taken: the caller ends it. `urgency` is what it was opened with;
  // whoever joins it later moves it on by promote().
  virtual Result<void> enqueue(FlightPtr flight, Urgency urgency) = 0;
  // Moves on a flight that was taken in the background and is now waited for.
  virtual void promote(FlightPtr flight) = 0;
  // Nobody wants a flight any more that was taken and has not started: it has ended, and is forgotten.
  virtual void withdraw(const FlightPtr& flight) = 0;
  // Sends what has gathered, as far as there is room.
  virtual void dispatch() = 0;
};

}  // namespace forebay::layer
