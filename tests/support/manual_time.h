#pragma once

#include <map>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/random.h"
#include "forebay/clock.h"

namespace forebay::test {

// Time that moves only when told. Not thread-safe: for tests on one thread.
class ManualClock final : public Clock {
 public:
  Instant now() const override { return now_; }
  std::int64_t to_wall_ms(Instant at) const override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count() +
           wall_offset_ms_;
  }
  Instant from_wall_ms(std::int64_t unix_ms) const override {
    return Instant(std::chrono::milliseconds(unix_ms - wall_offset_ms_));
  }
  Duration follow_wall_clock() override {
    wall_offset_ms_ += std::exchange(stepped_ms_, 0);
    return std::exchange(moved_, {});
  }
  void set(Instant at) { now_ = at; }
  void advance(Duration by) { now_ += by; }
  // Somebody sets the wall clock.
  void step_wall_clock(std::chrono::milliseconds by) {
    stepped_ms_ += by.count();
    moved_ -= by;
  }

 private:
  std::int64_t wall_offset_ms_ = 1'700'000'000'000;
  std::int64_t stepped_ms_ = 0;
  Duration moved_{};
  Instant now_{std::chrono::hours(1)};
};

// A Scheduler that runs what is due when the test advances the clock, in order of time, then of posting.
class ManualScheduler final : public Scheduler {
 public:
  explicit ManualScheduler(ManualClock& clock) : clock_(clock) {}

  void post(Task task) override { post_at(clock_.now(), std::move(task)); }
  std::uint64_t post_at(Instant at, Task task) override {
    const std::uint64_t id = next_id_++;
    tasks_.emplace(std::pair(at, id), std::move(task));
    return id;
  }
  bool cancel(std::uint64_t id) override {
    for (auto i = tasks_.begin(); i != tasks_.end(); ++i) {
      if (i->first.second == id) {
        tasks_.erase(i);
        return true;
      }
    }
    return false;
  }

  // Runs everything due up to now + by, moving the clock from one due time to the next.
  void advance(Duration by) {
    const Instant until = clock_.now() + by;
    run_until(until);
    clock_.set(until);
  }
  void run_due() { run_until(clock_.now()); }
  // Drops everything that is still to come.
  void forget() { tasks_.clear(); }
  bool idle() const { return tasks_.empty(); }

 private:
  void run_until(Instant until) {
    while (!tasks_.empty() && tasks_.begin()->first.first <= until) {
      auto first = tasks_.begin();
      Task task = std::move(first->second);
      if (first->first.first > clock_.now()) clock_.set(first->first.first);
      tasks_.erase(first);
      task();
    }
  }

  ManualClock& clock_;
  std::uint64_t next_id_ = 1;
  std::map<std::pair<Instant, std::uint64_t>, Task> tasks_;
};

// Chance that a test chooses: returns the given numbers in turn, then the last one for ever.
class FixedRandom final : public Random {
 public:
  explicit FixedRandom(std::vector<std::uint64_t> numbers) : numbers_(std::move(numbers)) {}
  std::uint64_t next() override {
    const std::uint64_t number = numbers_[at_];
    if (at_ + 1 < numbers_.size()) ++at_;
    return number;
  }

 private:
  std::vector<std::uint64_t> numbers_;
  std::size_t at_ = 0;
};

// Numbers that a seed decides (SplitMix64, Steele et al. 2014), for schedules that can be repeated.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() override {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

}  // namespace forebay::test
