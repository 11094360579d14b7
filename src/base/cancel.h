#pragma once

#include <atomic>
#include <functional>
#include <utility>

#include "base/mutex.h"
#include "forebay/source.h"

namespace forebay {

// The CancelToken that the layer hands to a call. Acquire and release on the flag: who sees it set also sees
// what was done before cancel() was called.
class CancelFlag final : public CancelToken {
 public:
  bool cancelled() const override { return cancelled_.load(std::memory_order_acquire); }

  void on_cancel(std::function<void()> action) override {
    MutexLock lock(mutex_);
    action_ = std::move(action);
    if (action_ && cancelled()) action_();
  }

  void cancel() {
    MutexLock lock(mutex_);
    if (cancelled_.exchange(true, std::memory_order_acq_rel)) return;
    if (action_) action_();
  }

 private:
  std::atomic<bool> cancelled_{false};
  Mutex mutex_;
  std::function<void()> action_ GUARDED_BY(mutex_);
};

}  // namespace forebay
