#include "base/thread_scheduler.h"

namespace forebay {

ThreadScheduler::ThreadScheduler(const Clock& clock) : clock_(clock), thread_([this] { run(); }) {}

ThreadScheduler::~ThreadScheduler() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void ThreadScheduler::post(Task task) {
  post_at(clock_.now(), std::move(task));
}

std::uint64_t ThreadScheduler::post_at(Instant at, Task task) {
  // Condition variables wait by the steady clock.
  at = saturating_add(std::chrono::steady_clock::now(), at - clock_.now());
  MutexLock lock(mutex_);
  const std::uint64_t id = next_id_++;
  const bool earliest = timers_.empty() || at < timers_.begin()->first.first;
  timers_.emplace(std::pair(at, id), std::move(task));
  due_.emplace(id, at);
  if (earliest) wake_.notify_one();
  return id;
}

bool ThreadScheduler::cancel(std::uint64_t id) {
  Task dropped;  // destroyed after the lock: what it captured may call back
  MutexLock lock(mutex_);
  const auto place = due_.find(id);
  if (place == due_.end()) return false;
  const auto timer = timers_.find({place->second, id});
  dropped = std::move(timer->second);
  timers_.erase(timer);
  due_.erase(place);
  return true;
}

void ThreadScheduler::run() {
  for (;;) {
    Task task;
    {
      MutexLock lock(mutex_);
      for (;;) {
        if (stopping_) return;
        if (timers_.empty()) {
          wake_.wait(mutex_, [this]() NO_THREAD_SAFETY_ANALYSIS { return stopping_ || !timers_.empty(); });
          continue;
        }
        const Instant at = timers_.begin()->first.first;
        if (at <= std::chrono::steady_clock::now()) break;
        wake_.wait_until(mutex_, at, [this, at]() NO_THREAD_SAFETY_ANALYSIS {
          return stopping_ || timers_.empty() || timers_.begin()->first.first < at;
        });
      }
      const auto first = timers_.begin();
      task = std::move(first->second);
      due_.erase(first->first.second);
      timers_.erase(first);
    }
    task();
  }
}

}  // namespace forebay
