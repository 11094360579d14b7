#pragma once

#include <cstdint>
#include <functional>

#include "forebay/clock.h"

namespace forebay {

using Task = std::move_only_function<void()>;

// Runs work later, on threads of its own: what nobody waits for, and what is due at a time. Thread-safe.
//
// Tasks must not block. Order among tasks that are due is not promised. After the destructor nothing runs;
// what was still queued is destroyed unrun.
class Scheduler {
 public:
  virtual ~Scheduler() = default;
  virtual void post(Task task) = 0;
  // Runs `task` once `at` has come. The id is never 0.
  virtual std::uint64_t post_at(Instant at, Task task) = 0;
  // True: the task will not run. False: it has run, is running, or never was.
  virtual bool cancel(std::uint64_t id) = 0;
};

}  // namespace forebay
