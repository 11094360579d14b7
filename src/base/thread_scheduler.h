#pragma once

#include <map>
#include <memory>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/executor.h"
#include "base/mutex.h"

namespace forebay {

// A Scheduler with one thread. Times are the given clock's; how long it is until one comes is measured when
// it is posted and then runs on the system's monotonic clock. Timers cost O(log n).
class ThreadScheduler final : public Scheduler {
 public:
  explicit ThreadScheduler(const Clock& clock = system_clock());
  ~ThreadScheduler() override;

  void post(Task task) override;
  std::uint64_t post_at(Instant at, Task task) override;
  bool cancel(std::uint64_t id) override;

 private:
  void run();

  const Clock& clock_;
  Mutex mutex_;
  Condition wake_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::uint64_t next_id_ GUARDED_BY(mutex_) = 1;
  std::map<std::pair<Instant, std::uint64_t>, Task> timers_ GUARDED_BY(mutex_);
  std::unordered_map<std::uint64_t, Instant> due_ GUARDED_BY(mutex_);  // id -> its place in timers_
  std::thread thread_;
};

}  // namespace forebay
