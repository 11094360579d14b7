#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "feed/change_sink.h"
#include "forebay/change_log.h"
#include "forebay/clock.h"

namespace forebay::feed {

// Reads a source's change log at an interval, on a thread of its own, and tells a sink what it says. A poll
// that fails is tried again at the next interval: the log keeps what was not read. That polls have begun to
// fail is logged, and that they work again, not each failure.
class ChangePoller {
 public:
  struct Options {
    std::string source;  // its name
    std::chrono::milliseconds interval{50};
    std::chrono::milliseconds timeout{2000};  // of one poll
  };
  // Everything is borrowed and outlives the poller.
  ChangePoller(Options options, ChangeLog& log, ChangeSink& sink, const Clock& clock);
  ~ChangePoller();

  // How old the newest knowledge is: time since the last poll that succeeded began.
  std::chrono::duration<double> lag() const;

 private:
  void run();
  void poll();

  const Options options_;
  ChangeLog& log_;
  ChangeSink& sink_;
  const Clock& clock_;
  std::atomic<Instant> known_at_;
  bool failing_ = false;  // the polling thread's

  Mutex mutex_;
  Condition wake_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace forebay::feed
