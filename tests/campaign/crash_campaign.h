#pragma once

// Writers that keep their own record of what was acknowledged, and a server that is killed under them:
// whether write-behind loses, doubles or reorders a write (consistency.md C9 to C11).
//
// Each writer is one connection and pipelines increments of counters that all share, texts and rows of its
// own. A shared counter is a number whose 16-bit digits are the writers', so that one number tells how many
// of each writer's increments it holds. When the connection breaks, the writes without an answer may each be
// there or not, but per key a prefix of them; the writer reads each such key when the server is back, and
// holds Forebay to that answer from then on. Or every write has an op-id, and the writer repeats those
// without an answer, in order, until they have one: then all of them count, once. At the end the database's
// own tables must say exactly what the writers know.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "campaign/real_database.h"

namespace forebay::test {

struct CampaignOptions {
  std::uint64_t seed = 1;
  int kills = 10;
  int stops_every = 5;      // of the database, in kills; 0: never
  std::size_t writers = 4;  // at most 4
  std::size_t acks = 1000;  // most acknowledged writes between two kills; half of the kills come right after
                            // a commit of the database instead
  std::string durability = "fsync";
  // Breaks Forebay on purpose, for the campaign's own test: before each start the ledger is put back to what
  // the journal itself knows, as if there were none.
  bool without_ledger = false;
  bool until_violation = false;  // no more kills after one that did harm
  bool repeats = false;          // by op-ids
  std::function<void(const std::string&)> progress = [](const std::string&) {};
};

struct CampaignResult {
  std::uint64_t acknowledged = 0;
  std::uint64_t refused = 0;          // with an error that says that nothing was written
  std::uint64_t unanswered = 0;       // when the server was killed
  std::uint64_t kept_unanswered = 0;  // of those, the ones that were there afterwards
  int kills = 0;
  int kills_before_trim = 0;  // the journal still held writes that the database had
  int stops = 0;
  std::vector<std::string> violations;  // empty: nothing lost, doubled or reordered
};

// `folder`: for the configuration, the journal and the server's log; empty when the campaign begins. Throws
// std::runtime_error when it can't go on.
CampaignResult crash_campaign(RealDatabase& database, const std::string& folder,
                              const CampaignOptions& options);

}  // namespace forebay::test
