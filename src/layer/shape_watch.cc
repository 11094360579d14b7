#include "layer/shape_watch.h"

#include <chrono>

namespace forebay::layer {
namespace {

constexpr std::chrono::milliseconds kEvery{1000};
constexpr std::chrono::milliseconds kSoon{250};

}  // namespace

void ShapeWatch::start(Configuration& configuration) {
  thread_ = std::thread([this, &configuration] { run(configuration); });
}

void ShapeWatch::stop() {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  cancel_->cancel();
  thread_.join();
}

void ShapeWatch::wake() {
  {
    MutexLock lock(mutex_);
    due_ = true;
  }
  changed_.notify_all();
}

void ShapeWatch::run(Configuration& configuration) {
  for (bool soon = false;;) {
    {
      MutexLock lock(mutex_);
      const auto woken = [this]() NO_THREAD_SAFETY_ANALYSIS { return due_ || ending_; };
      changed_.wait_until(mutex_, std::chrono::steady_clock::now() + (soon ? kSoon : kEvery), woken);
      if (ending_) return;
      due_ = false;
    }
    soon = configuration.look_at_tables(cancel_);
  }
}

}  // namespace forebay::layer
