#include "feed/change_poller.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace forebay::feed {

ChangePoller::ChangePoller(Options options, ChangeLog& log, ChangeSink& sink, const Clock& clock)
    : options_(std::move(options)),
      log_(log),
      sink_(sink),
      clock_(clock),
      known_at_(clock.now()),
      thread_([this] { run(); }) {}

ChangePoller::~ChangePoller() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

std::chrono::duration<double> ChangePoller::lag() const {
  return clock_.now() - known_at_.load();
}

void ChangePoller::run() {
  for (;;) {
    {
      MutexLock lock(mutex_);
      const Instant until = std::chrono::steady_clock::now() + options_.interval;
      wake_.wait_until(mutex_, until, [this]() NO_THREAD_SAFETY_ANALYSIS { return stopping_; });
      if (stopping_) return;
    }
    poll();
  }
}

void ChangePoller::poll() {
  const Instant began = clock_.now();
  const auto changes = log_.poll(CallContext{options_.timeout, nullptr});
  if (!changes) {
    if (!std::exchange(failing_, true)) {
      spdlog::warn("feed of source '{}': {}; trying again every {} ms", options_.source,
                   changes.error().message, options_.interval.count());
    }
    return;
  }
  if (std::exchange(failing_, false)) spdlog::info("feed of source '{}': works again", options_.source);
  if (changes->lost) sink_.lost(options_.source);
  for (const RowChange& change : changes->rows) sink_.changed(options_.source, change);
  known_at_.store(began);
}

}  // namespace forebay::feed
