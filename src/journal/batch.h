#pragma once

// What goes to a database in one transaction.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "forebay/clock.h"
#include "forebay/ledger.h"
#include "journal/effect.h"

namespace forebay::journal {

// One key's part of a batch.
struct Item {
  std::string space;  // the namespace
  std::string key;
  std::vector<Step> steps;
  Instant since{};        // when the first of them was appended
  std::size_t bytes = 0;  // of the key and of what the steps write
  std::uint32_t lane = 0;
};

// A generation of pending writes (journal/queue.h), as a whole; or one of each of several lanes.
struct Batch {
  std::string source;
  std::uint32_t lane = 0;
  std::uint64_t after = 0;      // where the database's ledger stands for the lane before it
  std::uint64_t upto = 0;       // and after it
  std::vector<LaneRange> also;  // the same for the other lanes that have items here
  std::vector<Item> items;      // in order of their first write
  std::uint64_t ops = 0;
  std::size_t bytes = 0;
};

// Is called once the database has what somebody waits for. False: the queue ended first.
using Flushed = std::move_only_function<void(bool)>;

}  // namespace forebay::journal
