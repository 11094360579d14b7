#include "events/event_reader.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace forebay::events {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kWait{1000};  // for the next messages
constexpr milliseconds kPauseFirst{100};
constexpr milliseconds kPauseMost{3000};
// One line for all malformed messages of this time: an application that errs, errs often.
constexpr Duration kComplainEvery = std::chrono::seconds(10);

}  // namespace

EventReader::EventReader(config::Events section, std::unique_ptr<EventSource> source, const Parts& parts,
                         Run run)
    : section_(std::move(section)), source_(std::move(source)), parts_(parts) {
  if (run == Run::kThread) thread_ = std::thread([this] { this->run(); });
}

EventReader::~EventReader() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  cancel_.cancel();
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

EventReader::Stats EventReader::stats() const {
  Stats stats;
  stats.invalidated = invalidated_.load(std::memory_order_relaxed);
  stats.malformed = malformed_.load(std::memory_order_relaxed);
  stats.too_large = too_large_.load(std::memory_order_relaxed);
  stats.keys = keys_.load(std::memory_order_relaxed);
  stats.gaps = gaps_.load(std::memory_order_relaxed);
  MutexLock lock(mutex_);
  stats.connected = connected_;
  stats.failure = failure_;
  stats.warnings = warnings_;
  if (last_at_) stats.last_seconds = std::chrono::duration<double>(parts_.clock.now() - *last_at_).count();
  return stats;
}

void EventReader::run() {
  for (;;) {
    const milliseconds pause = step();
    MutexLock lock(mutex_);
    if (pause.count() > 0 && !stopping_) {
      const auto until = std::chrono::steady_clock::now() + pause;
      wake_.wait_until(mutex_, until, [this]() NO_THREAD_SAFETY_ANALYSIS { return stopping_; });
    }
    if (stopping_) return;
  }
}

milliseconds EventReader::step() {
  auto delivery = source_->next(CallContext{kWait, &cancel_});
  if (!delivery) {
    if (cancel_.cancelled()) return milliseconds(0);
    fail(delivery.error());
    pause_ = std::clamp(pause_ * 2, kPauseFirst, kPauseMost);
    return std::chrono::duration_cast<milliseconds>(pause_ * (0.5 + parts_.random.unit() / 2));
  }
  pause_ = milliseconds(0);
  take(std::move(*delivery));
  works();
  return milliseconds(0);
}

void EventReader::take(Delivery delivery) {
  if (!delivery.gap.empty()) {
    // Before the first delivery nobody listened: what was loaded meanwhile is dropped, and that is all.
    if (delivered_) {
      gaps_.fetch_add(1, std::memory_order_relaxed);
      spdlog::warn("events '{}': messages may have been missed ({}): what they could have named is dropped",
                   section_.name, delivery.gap);
    }
    parts_.sink.missed(section_);
  }
  delivered_ = true;
  for (const Message& message : delivery.messages) take(message);
  if (!delivery.messages.empty()) {
    MutexLock lock(mutex_);
    last_at_ = parts_.clock.now();
  }
  // Not before: what is confirmed and not done would be lost by a break between.
  source_->confirm();
}

void EventReader::take(const Message& message) {
  Expansion expansion = expand(section_.invalidate, message, section_.max_keys);
  for (const Invalidation& each : expansion.made) {
    if (!parts_.sink.invalidate(section_, each))
      expansion.wrong = {ErrorCode::kInvalidArgument, "a key that it names is of no namespace"};
  }
  keys_.fetch_add(expansion.made.size(), std::memory_order_relaxed);
  if (expansion.wrong.message.empty()) {
    invalidated_.fetch_add(1, std::memory_order_relaxed);
  } else {
    complain(message, expansion.wrong);
  }
}

void EventReader::complain(const Message& message, const Error& error) {
  (message.too_large ? too_large_ : malformed_).fetch_add(1, std::memory_order_relaxed);
  const Instant now = parts_.clock.now();
  if (complained_at_ && now - *complained_at_ < kComplainEvery) {
    ++kept_quiet_;
    return;
  }
  complained_at_ = now;
  // Not the message: whose data it holds, nobody knows.
  spdlog::warn(
      "events '{}': a message was passed over, at least in part: {} ({} more since the last such line)",
      section_.name, error.message, std::exchange(kept_quiet_, 0));
}

void EventReader::fail(const Error& error) {
  {
    MutexLock lock(mutex_);
    failure_ = error.message;
    if (!connected_ && begun_) return;
    connected_ = false;
  }
  begun_ = true;
  spdlog::warn("events '{}': {}; trying again", section_.name, error.message);
}

void EventReader::works() {
  auto warnings = source_->warnings();
  const bool again = std::exchange(begun_, true);
  MutexLock lock(mutex_);
  for (const std::string& warning : warnings) {
    if (std::ranges::find(warnings_, warning) == warnings_.end())
      spdlog::warn("events '{}': {}", section_.name, warning);
  }
  warnings_ = std::move(warnings);
  if (connected_) return;
  connected_ = true;
  failure_.clear();
  if (again) spdlog::info("events '{}': connected again", section_.name);
}

}  // namespace forebay::events
