#pragma once

// Readers and writers at full speed while sessions of the database stand still, end, or hold their COMMITs: does
// anybody ever read what is older than what was complete before, and does all agree at the end?
//
// Every change of a row raises its number, whoever makes it: clients through Forebay, and a program that writes
// past it and then invalidates. So one number per row says how much of its history a value includes, and each
// reader checks its answer at once: against what was complete when it asked (C1), and against what the same
// connection has read before (C2). Sums over rows, which depend on them, are checked in the same way.

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace forebay::test {

struct HistoryOptions {
  std::uint64_t seed = 1;
  std::string write = "through";  // or "around", "behind"
  std::chrono::milliseconds length{3000};
  bool outsider = true;  // a program that writes past Forebay; not with "behind"
  bool faults = true;    // in the database
  // Breaks the outsider on purpose, for the campaign's own test: it says that it is done and has told nobody.
  bool silent_outsider = false;
};

struct HistoryResult {
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;   // confirmed
  std::uint64_t unknown = 0;  // writes whose outcome was not
  std::uint64_t errors = 0;   // other errors: timeouts, refusals while the database stands still
  std::uint64_t outside = 0;  // the outsider's writes
  int faults = 0;
  std::vector<std::string> violations;  // the first of them; empty: none
};

// Starts a PostgreSQL and a server of its own. `folder`: an empty one. Throws std::runtime_error when it can't
// go on.
HistoryResult history_campaign(const std::string& folder, const HistoryOptions& options);

}  // namespace forebay::test
