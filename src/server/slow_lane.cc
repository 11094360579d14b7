#include "server/slow_lane.h"

#include <sys/resource.h>
#include <unistd.h>

#include <utility>

namespace forebay::server {
namespace {

// On Linux this is about the calling thread only.
void step_back() {
  constexpr int kNice = 10;
  [[maybe_unused]] const int failed = ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
}

}  // namespace

void SlowLane::run(Task task) {
  const MutexLock lock(mutex_);
  if (stopped_) return;
  if (thread_ == nullptr) {
    thread_ = std::make_unique<ThreadPool>(1);
    thread_->run(step_back);
  }
  thread_->run(std::move(task));
}

void SlowLane::stop() {
  std::unique_ptr<ThreadPool> thread;
  const MutexLock lock(mutex_);
  stopped_ = true;
  thread = std::exchange(thread_, nullptr);
}

}  // namespace forebay::server
