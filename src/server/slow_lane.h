#pragma once

#include <memory>

#include "base/executor.h"
#include "base/mutex.h"
#include "base/thread_pool.h"

namespace forebay::server {

// Where single commands run that would keep an event loop for long (LCS of long strings, KEYS of a large
// table): one after the other on a thread of their own, which begins with the first of them and leaves the
// processor to the event loops. Thread-safe.
//
// A client has at most one command here, as such commands are not kConcurrent, so the queue is bounded by
// max_clients, and nobody's commands delay another client's by more than one of each.
class SlowLane {
 public:
  SlowLane() = default;
  ~SlowLane() { stop(); }
  SlowLane(const SlowLane&) = delete;
  SlowLane& operator=(const SlowLane&) = delete;

  // Destroys the task unrun once stop() was called.
  void run(Task task);
  // Waits for the task that runs and destroys the others.
  void stop();

 private:
  Mutex mutex_;
  bool stopped_ GUARDED_BY(mutex_) = false;
  std::unique_ptr<ThreadPool> thread_ GUARDED_BY(mutex_);
};

}  // namespace forebay::server
