#pragma once

#include <cstddef>
#include <deque>
#include <thread>
#include <vector>

#include "base/executor.h"
#include "base/mutex.h"

namespace forebay {

// A fixed number of threads for calls that block. Thread-safe. The queue has no bound of its own: who submits
// bounds what it submits (the source gate never has more calls open than the pool has threads).
class ThreadPool {
 public:
  explicit ThreadPool(std::size_t threads);
  ~ThreadPool();  // waits for tasks that run; destroys those that have not begun

  void run(Task task);

 private:
  void work();

  Mutex mutex_;
  Condition wake_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::deque<Task> queue_ GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace forebay
