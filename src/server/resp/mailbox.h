#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/mutex.h"

namespace forebay::server {

// How other threads reach an event loop: tasks are gathered and the loop is woken once for all of them.
//
// It outlives its loop where somebody still holds it (a reply that is late); then tasks are destroyed unrun.
class Mailbox {
 public:
  // `wake` arranges that deliver() is called on the loop's thread soon. Called from any thread, until close()
  // returns.
  explicit Mailbox(std::move_only_function<void()> wake) : wake_(std::move(wake)) {}

  // Any thread.
  void post(Task task) {
    const MutexLock lock(mutex_);
    if (closed_) return;
    tasks_.push_back(std::move(task));
    if (std::exchange(woken_, true)) return;
    if (of_this_thread() == this) {
      due_ = true;
    } else {
      wake_();
    }
  }

  // On the loop's thread: deliver() is to be called before it waits again, as it has posted something itself.
  // Waking itself would cost it two system calls.
  bool due() const { return due_; }

  // On the loop's thread.
  void deliver() {
    std::vector<Task> tasks;
    {
      const MutexLock lock(mutex_);
      tasks.swap(tasks_);
      woken_ = false;
    }
    due_ = false;
    for (Task& task : tasks) task();
  }

  void close() {
    std::vector<Task> tasks;
    const MutexLock lock(mutex_);
    closed_ = true;
    tasks.swap(tasks_);
  }

  // The mailbox of the loop that runs on this thread; null on other threads.
  static Mailbox*& of_this_thread() {
    thread_local Mailbox* current = nullptr;
    return current;
  }

 private:
  Mutex mutex_;
  std::move_only_function<void()> wake_ GUARDED_BY(mutex_);
  std::vector<Task> tasks_ GUARDED_BY(mutex_);
  bool woken_ GUARDED_BY(mutex_) = false;
  bool closed_ GUARDED_BY(mutex_) = false;
  bool due_ = false;  // the loop's thread only
};

}  // namespace forebay::server
