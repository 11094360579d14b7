#pragma once

// Notices that tables are not what they were, though no call has failed: a column that was added, a trigger, a
// table in the place of another.
//
// A thread looks about once a second at what each namespace stands on (DatasetPort::look()), and takes the
// configuration over anew where something has changed, as names of tables may mean others then. A table that is
// still changing is waited for, a quarter of a second. Between two looks, calls that fail find out by
// themselves.

#include <memory>
#include <thread>

#include "base/cancel.h"
#include "base/mutex.h"
#include "layer/configuration.h"

namespace forebay::layer {

class ShapeWatch {
 public:
  ShapeWatch() = default;
  ~ShapeWatch() { stop(); }
  ShapeWatch(const ShapeWatch&) = delete;
  ShapeWatch& operator=(const ShapeWatch&) = delete;

  // Looks from now on. `configuration` is borrowed until stop().
  void start(Configuration& configuration);
  // Cancels the look that is in progress, and waits for it.
  void stop();
  // Something has changed: the next look is now. Thread-safe, at any time, and does not block.
  void wake();

 private:
  void run(Configuration& configuration);

  const std::shared_ptr<CancelFlag> cancel_ = std::make_shared<CancelFlag>();
  Mutex mutex_;
  Condition changed_;
  bool due_ GUARDED_BY(mutex_) = false;
  bool ending_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace forebay::layer
