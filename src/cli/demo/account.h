#pragma once

// The demo's account: a load, then one experiment for each thing that Forebay promises. Each prints what was
// measured and claims only what it has checked.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "cli/demo/console.h"
#include "cli/demo/load.h"
#include "cli/demo/population.h"
#include "forebay/layer.h"
#include "forebay/result.h"

namespace forebay::cli::demo {

// What all experiments work on. Everything is borrowed.
struct Laboratory {
  Console& console;
  Layer& layer;
  const Population& population;
  std::string database;  // path
  std::uint16_t port;
  unsigned clients;
  std::chrono::seconds seconds;
  std::function<bool()> interrupted;

  bool all_held = true;
  void claim(bool held, const std::string& text) {
    console.claim(held, text);
    all_held = all_held && held;
  }
};

// Runs them all in turn. An Error is one that the demo can't go on from; a claim that fails is not.
Result<void> give_account(Laboratory& laboratory);

// The parts, in the order in which they are run.
Result<void> mixed_load(Laboratory& laboratory, Answered& answered);
Result<void> same_requests_without_cache(Laboratory& laboratory, Answered& answered);
Result<void> stampede(Laboratory& laboratory);
Result<void> cold_batches(Laboratory& laboratory);
Result<void> stale_while_loading(Laboratory& laboratory);
Result<void> write_through(Laboratory& laboratory);
Result<void> changes_made_elsewhere(Laboratory& laboratory);

// Loads from the database so far, as the layer counts them: calls and keys.
struct SourceWork {
  std::uint64_t calls = 0, keys = 0;
  std::chrono::microseconds time{0};
  SourceWork operator-(const SourceWork& before) const {
    return {calls - before.calls, keys - before.keys, time - before.time};
  }
};
SourceWork source_work(const Layer& layer);

}  // namespace forebay::cli::demo
