#pragma once

// A source's change log: which rows were changed, whoever changed them. Forebay reads it and drops what it
// keeps of these rows.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "forebay/dataset.h"
#include "forebay/result.h"

namespace forebay {

// One change to one row of a table.
struct RowChange {
  std::string table;
  RowImages images;  // every column of the row that the log knows
  // Its change number; a Loaded whose evidence is at least this includes it. 0: unknown
  std::uint64_t evidence = 0;
  bool whole_table = false;  // which of its rows changed is unknown (it was truncated): images are empty
};

// What a change log has had to say since it was last asked.
struct Changes {
  std::vector<RowChange> rows;  // oldest first
  // Changes were missed, and no row tells of them: the log has dropped them before they were read, or it is
  // another one now. All that was loaded from the watched tables is in doubt.
  bool lost = false;
};

// A table whose changes are to be told.
struct WatchedTable {
  std::string name;
  std::vector<std::string> columns;  // that images must have
};

// Thread-safe: watch() may be called while another thread is in poll(). Never outlives its source.
class ChangeLog {
 public:
  virtual ~ChangeLog() = default;

  // Records changes of these tables from here on, in place of those watched so far, and creates what that
  // needs in the database. Called before the first poll(), and again when the configuration names others.
  virtual Result<void> watch(std::span<const std::string> tables) = 0;

  // The same for a log that can leave columns out that nobody needs. As it stands, it watches whole rows.
  virtual Result<void> watch_columns(std::span<const WatchedTable> tables);

  // What has changed since the last call; blocks at most the context's timeout. Called from one thread, every
  // few tens of milliseconds. After an Error the next call returns what this one would have.
  virtual Result<Changes> poll(const CallContext& context) = 0;
};

}  // namespace forebay
