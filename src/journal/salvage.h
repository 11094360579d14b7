#pragma once

// Reads a journal's files as far as they can be read, and changes nothing: not them, nor what is beside them
// (consistency.md J3). For the person who has to decide what to do about a journal that is damaged.
//
// What SQLite reads comes first: each group whose checksum matches, whatever is the matter with others. Where
// anything is wrong, the numbers that are missing are looked for in the files' pages (journal/page_scan.h).
// What is found there only may be of a commit that never ended, and so of writes that nobody was told of.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "forebay/result.h"
#include "journal/journal.h"
#include "journal/op.h"

namespace forebay::journal {

struct Salvaged {
  struct Range {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
  };
  std::string id;  // empty: it can't be read
  std::uint32_t lanes = 0;
  // What the databases have up to this number is not among `ops`. Nothing: that can't be read, and they may
  // have some of them.
  std::optional<std::uint64_t> trimmed;
  std::vector<Applied> applied;
  Notes notes;
  std::vector<Op> ops;              // in order
  std::vector<std::string> damage;  // what is wrong and where; empty: nothing
  std::vector<Range> lost;          // numbers before the last that is known of which nothing can be read
  std::vector<Range> unseen;        // those of `ops` that SQLite does not read
  std::uint64_t last = 0;           // the last number that is known
  bool more = false;                // there may have been some after it
};

// `path`: the database file. Not while a process holds the journal, and none can open it meanwhile; others
// may read it like this. kConfig: there is no journal there, or a process holds it. Linear in the files'
// size, all of which may be in memory at the end.
Result<Salvaged> salvage(const std::string& path);

}  // namespace forebay::journal
