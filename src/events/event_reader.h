#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/cancel.h"
#include "base/mutex.h"
#include "base/random.h"
#include "events/event_sink.h"
#include "events/event_source.h"
#include "events/template.h"
#include "forebay/clock.h"

namespace forebay::events {

// Reads what applications say, of one section of the configuration, on a thread of its own, and tells a sink.
//
// A message is confirmed when all that it names has been invalidated. One that makes no sense is counted, logged once in a
// while, and passed over: it never holds up the others. A source that fails is asked again, at growing intervals with some
// chance in them, so that a fleet does not return at once; that it has begun to fail is logged, and that it is back.
class EventReader {
 public:
  enum class Run : std::uint8_t { kThread, kSteps };  // kSteps: nothing happens but in step()
  struct Parts {
    EventSink& sink;
    const Clock& clock;
    Random& random;
  };
  // The parts are borrowed and outlive the reader.
  EventReader(config::Events section, std::unique_ptr<EventSource> source, const Parts& parts,
              Run run = Run::kThread);
  ~EventReader();  // waits for the call in progress, which it cancels
  EventReader(const EventReader&) = delete;
  EventReader& operator=(const EventReader&) = delete;

  const config::Events& section() const { return section_; }

  // Thread-safe.
  struct Stats {
    bool connected = false;
    std::uint64_t invalidated = 0;       // messages that were done
    std::uint64_t malformed = 0;         // messages that made no sense, at least in part
    std::uint64_t too_large = 0;         // messages that were passed over unread
    std::uint64_t keys = 0;              // that they named
    std::uint64_t gaps = 0;              // times at which messages may have been missed
    std::optional<double> last_seconds;  // since the last message; none: there was none
    std::string failure;                 // why it is not connected
    std::vector<std::string> warnings;
  };
  Stats stats() const;

  // One round. Returns how long to wait before the next one.
  std::chrono::milliseconds step();

 private:
  void run();
  void take(Delivery delivery);
  void take(const Message& message);
  void complain(const Message& message, const Error& error);
  void fail(const Error& error);
  void works();

  const config::Events section_;
  const std::unique_ptr<EventSource> source_;
  const Parts parts_;
  CancelFlag cancel_;

  // The reading thread's.
  std::chrono::milliseconds pause_{0};
  bool begun_ = false;      // it has worked or failed at least once
  bool delivered_ = false;  // it has worked
  std::optional<Instant> complained_at_;
  std::uint64_t kept_quiet_ = 0;  // malformed messages that nobody was told of

  // Relaxed: figures for people.
  std::atomic<std::uint64_t> invalidated_{0}, malformed_{0}, too_large_{0}, keys_{0}, gaps_{0};

  mutable Mutex mutex_;
  Condition wake_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  bool connected_ GUARDED_BY(mutex_) = false;
  std::optional<Instant> last_at_ GUARDED_BY(mutex_);
  std::string failure_ GUARDED_BY(mutex_);
  std::vector<std::string> warnings_ GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace forebay::events
