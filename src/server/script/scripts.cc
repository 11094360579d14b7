#include "server/script/scripts.h"

#include <utility>

#include "server/script/engine.h"

namespace forebay::server::script {
namespace {

constexpr const char* kKilled = "Script killed by user with SCRIPT KILL.";
constexpr const char* kStopped = "The server stops.";
constexpr const char* kTooLong = "Script took longer than lua-time-limit, inside a transaction.";
constexpr int kSpins = 200;  // some microseconds

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

Scripts::Scripts(Layer& layer) : layer_(layer) {}
Scripts::~Scripts() = default;

bool Scripts::stays_active() const {
  for (int i = 0; i < kSpins && active(); ++i) relax();
  return active();
}

bool Scripts::enter() {
  std::optional<Layer::Alone> alone = layer_.try_alone();
  for (int i = 0; i < kSpins && !alone; ++i) {
    relax();
    if (active()) continue;
    if (auto right = layer_.try_alone()) alone.emplace(std::move(*right));
  }
  if (!alone) return false;
  alone_.emplace(std::move(*alone));
  const MutexLock lock(mutex_);
  entered_ = true;
  // From here on it is this script that is meant.
  if (engine_ != nullptr) engine_->kill(nullptr);
  active_.store(true, std::memory_order_relaxed);
  return true;
}

void Scripts::leave() {
  if (engine_ != nullptr) count_.store(engine_->scripts(), std::memory_order_relaxed);
  std::vector<Task> waiting;
  {
    // Given back last: from then on somebody else may enter, and all of this is theirs.
    const Layer::Alone last = std::move(*alone_);
    alone_.reset();
    busy_.store(false, std::memory_order_relaxed);
    written_.store(false, std::memory_order_relaxed);
    active_.store(false, std::memory_order_relaxed);
    const MutexLock lock(mutex_);
    entered_ = false;
    waiting.swap(waiting_);
  }
  for (Task& wake : waiting) wake();
}

Engine& Scripts::engine() {
  if (engine_ == nullptr) {
    engine_ = std::make_unique<Engine>();
    made_.store(engine_.get(), std::memory_order_release);
  }
  return *engine_;
}

void Scripts::set_busy() {
  if (busy_.exchange(true, std::memory_order_relaxed)) return;
  std::vector<Task> waiting;
  {
    const MutexLock lock(mutex_);
    waiting.swap(waiting_);
  }
  for (Task& wake : waiting) wake();
}

void Scripts::wait(Task wake) {
  {
    const MutexLock lock(mutex_);
    if (entered_ && !busy()) return waiting_.push_back(std::move(wake));
  }
  wake();
}

Scripts::Kill Scripts::kill() {
  const MutexLock lock(mutex_);
  Engine* const engine = made_.load(std::memory_order_acquire);
  if (!entered_ || engine == nullptr) return Kill::kNothingRuns;
  if (written_.load(std::memory_order_relaxed)) return Kill::kHasWritten;
  engine->kill(kKilled);
  return Kill::kDone;
}

void Scripts::kill_anyway(Why why) {
  if (Engine* const engine = made_.load(std::memory_order_acquire))
    engine->kill(why == Why::kServerStops ? kStopped : kTooLong);
}

std::size_t Scripts::memory() const {
  const Engine* const engine = made_.load(std::memory_order_acquire);
  return engine == nullptr ? 0 : engine->memory();
}

}  // namespace forebay::server::script
