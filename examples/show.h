#pragma once

// What every example needs: to say what happened, and to end with status 1 if that isn't what it is about.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "forebay/layer.h"

namespace show {

// Prints what holds; ends the program if it doesn't.
inline void expect(bool holds, const std::string& what) {
  std::printf("%s %s\n", holds ? "  ok " : "  NOT", what.c_str());
  if (!holds) std::exit(1);
}

// The value of a Result; ends the program with the error's text if there is none.
template <class T>
T value_of(forebay::Result<T> result) {
  if (!result) {
    std::printf("  error: %s\n", result.error().message.c_str());
    std::exit(1);
  }
  return std::move(*result);
}

// An answer's text, "(none)" where there is no such key.
inline std::string text(const forebay::Answer& answer) {
  return answer.value ? std::string(answer.value->view()) : "(none)";
}

// Asks again and again until it is so, for at most ten seconds.
template <class Condition>
bool eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace show
