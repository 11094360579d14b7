#pragma once

#include <chrono>
#include <thread>

namespace forebay::test {

// Polls `done` until it holds or `deadline` has passed, and returns whether it held. For what another process
// or thread brings about with no event to wait for; the deadline is generous, because a passing test never
// reaches it.
template <class Condition>
bool eventually(Condition done, std::chrono::milliseconds deadline = std::chrono::seconds(20)) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (!done()) {
    if (std::chrono::steady_clock::now() >= end) return done();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace forebay::test
