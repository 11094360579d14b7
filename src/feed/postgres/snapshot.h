#pragma once

// Which transactions a PostgreSQL server shows to those who read it from now on.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "source/postgres/pool.h"

namespace forebay::feed::postgres {

struct Snapshot {
  std::uint64_t begin = 0;                 // all below have ended
  std::uint64_t end = 0;                   // none from here on had begun
  std::vector<std::uint64_t> in_progress;  // of those between, in order; top-level transactions only

  // Of a transaction that has committed, and is a top-level one.
  bool shows(std::uint64_t transaction) const;
};

// As txid_current_snapshot() writes it: "10:20:10,14,15". Nothing: it is none.
std::optional<Snapshot> parse_snapshot(std::string_view text);

// One that is taken now. Of a server that is not a standby.
source::postgres::Outcome<Snapshot> take_snapshot(source::postgres::Pool& pool,
                                                  const source::postgres::Call& call);

// All 64 bits of a transaction's number, of which the log has the lower half. `near`: a number that is less than half
// the range of 32 bits away, on either side: one that waits for its commit may lie at or above a snapshot's end.
std::uint64_t widened(std::uint32_t transaction, std::uint64_t near);

}  // namespace forebay::feed::postgres
