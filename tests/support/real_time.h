#pragma once

#include <chrono>
#include <thread>

namespace forebay::test {

// Lets real time pass: how long a fault in a real program lasts, and a campaign as a whole. Not for waiting until
// something has happened, which eventually() is for.
inline void let_pass(std::chrono::milliseconds time) {
  std::this_thread::sleep_for(time);
}

}  // namespace forebay::test
