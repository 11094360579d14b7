#pragma once

// One script at a time, for all event loops: who runs, who waits until it has ended, and how it is ended early.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/executor.h"
#include "base/mutex.h"
#include "forebay/clock.h"
#include "forebay/layer.h"

namespace forebay::server::script {

class Engine;

// Thread-safe, apart from engine() and alone().
class Scripts {
 public:
  explicit Scripts(Layer& layer);
  ~Scripts();
  Scripts(const Scripts&) = delete;
  Scripts& operator=(const Scripts&) = delete;

  // True: the caller has the right to use the engine, and to hold shards for it, until it calls leave() on the
  // same thread. False: somebody else has it, or a transaction goes on.
  bool enter();
  void leave();
  // For whoever has entered. The engine is made when it is asked for first.
  Engine& engine();
  Layer::Alone& alone() { return *alone_; }

  // A hint: whether somebody has entered.
  bool active() const { return active_.load(std::memory_order_relaxed); }
  // The same after some microseconds of waiting: most scripts take no longer.
  bool stays_active() const;
  // Whether it has run for longer than limit(): others are told so then, instead of waiting.
  bool busy() const { return busy_.load(std::memory_order_relaxed); }
  void set_busy();
  // Calls `wake` once nobody is in, or a script is busy; at once if that is so. From any thread.
  void wait(Task wake);

  // The running script has changed something.
  void set_written() { written_.store(true, std::memory_order_relaxed); }
  enum class Kill { kDone, kNothingRuns, kHasWritten };
  // Ends the script that runs, unless it has written something.
  Kill kill();
  enum class Why : std::uint8_t {
    kServerStops,
    kTooLong,  // inside a transaction, whose loop serves nobody else meanwhile
  };
  // Ends it whatever it has written.
  void kill_anyway(Why why);

  std::atomic<std::chrono::milliseconds> limit{std::chrono::milliseconds(5000)};  // relaxed
  std::size_t memory() const;                                                     // bytes that Lua holds
  // Scripts that are known.
  std::size_t count() const { return count_.load(std::memory_order_relaxed); }

 private:
  Layer& layer_;
  std::atomic<bool> active_{false};   // relaxed: a hint
  std::atomic<bool> busy_{false};     // relaxed: a hint
  std::atomic<bool> written_{false};  // relaxed: SCRIPT KILL may come a moment too early
  std::atomic<std::size_t> count_{0};
  std::optional<Layer::Alone> alone_;  // of who has entered
  mutable Mutex mutex_;
  bool entered_ GUARDED_BY(mutex_) = false;
  std::vector<Task> waiting_ GUARDED_BY(mutex_);
  std::unique_ptr<Engine> engine_;      // made by who has entered first
  std::atomic<Engine*> made_{nullptr};  // acquired and released with what it points to
};

}  // namespace forebay::server::script
