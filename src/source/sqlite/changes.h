#pragma once

// Which rows changed, whoever changed them: a log table in the database, filled by triggers.
//
//   forebay_changes(id, tbl, op, before, after, at)
//
// Every table that is watched gets triggers that write one row a changed row, in the transaction that changes
// it. Commits are serial in SQLite, so ids are in commit order, and a transaction that sees id n sees every
// change up to n: that makes the highest id a proof of what a load includes (consistency.md, evidence of kind
// SEQ).
//
// - Images are the row's columns as `"name"=literal,…` with SQLite's own literals (quote()): no other SQL
//   function is needed in the programs whose writes run the triggers, text that isn't UTF-8 survives, and
//   reals keep every digit. A value longer than kImageValueMax is left out of the image.
// - INSERT OR REPLACE deletes rows without a delete trigger, unless a pragma asks for it. So there are BEFORE
//   triggers too, which log the rows that a new row would push out through a unique index, whether or not it
//   then does.
// - A column that a trigger names can't be dropped, whether or not Forebay runs. So images have only the
//   columns that are asked for, and triggers name those and the ones of unique indexes.
// - Every row of the log bears a random mark. The mark of the last one that was read tells a database file that
//   has been restored from a copy, even if it has had as many changes since.
// - Triggers go with their table when it is dropped, and fall behind when columns come and go. The log looks
//   at the schema whenever its version number has changed, repairs the triggers, and reports such tables as
//   changed as a whole.
// - Rows are kept until there are more than `rows` of them or they are older than `age`, the same for every
//   Forebay process on the file. A process that was away for longer, or is behind by more than `backlog`
//   changes, finds ids missing, and reports that changes were lost.
//
// Polling costs one pragma that reads a counter in shared memory as long as nobody has written to the file.
// Thread-safe.

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "source/sqlite/change_triggers.h"
#include "source/sqlite/database.h"

namespace forebay::source::sqlite {

// Longest value that an image holds, in bytes.
inline constexpr std::size_t kImageValueMax = 1024;

// The fields of an image as a trigger writes it; nothing if it isn't one.
std::optional<Fields> parse_image(std::string_view image);

class TriggerLog final : public ChangeLog {
 public:
  struct Options {
    std::int64_t rows = 200'000;
    std::chrono::seconds age{600};
    std::int64_t backlog = 50'000;  // at most `rows`
    std::chrono::milliseconds trim_interval{1000};
  };

  // `database` must outlive the log.
  TriggerLog(Database& database, Options options);

  // Makes the log table and the triggers of these tables (in place of those watched so far; their triggers
  // stay, as other processes may need them). kConfig: one is no table of the file.
  Result<void> watch(std::span<const std::string> tables) override EXCLUDES(mutex_);
  Result<void> watch_columns(std::span<const WatchedTable> tables) override EXCLUDES(mutex_);

  // At most kPollRowsMax changes.
  Result<Changes> poll(const CallContext& context) override EXCLUDES(mutex_);

  static constexpr std::int64_t kPollRowsMax = 5000;

 private:
  struct Watched {
    std::string name;  // as the configuration has it; reported as it is
    LoggedTable logged;
  };

  Result<void> watch_all(std::vector<Watched> wanted) EXCLUDES(mutex_);
  Result<void> install(Connection& connection, Images images) REQUIRES(mutex_);
  Result<bool> install_table(Connection& connection, const Watched& table, Images images) REQUIRES(mutex_);
  Result<bool> is_another(Connection& connection) REQUIRES(mutex_);
  Result<void> remember_mark(Connection& connection) REQUIRES(mutex_);
  Result<void> follow(Connection& connection) REQUIRES(mutex_);
  Result<void> read_new(Connection& connection, Changes& changes) REQUIRES(mutex_);
  void trim() REQUIRES(mutex_);

  Database& database_;
  const Options options_;
  Pool pool_;  // of one connection, kept for its data_version
  Mutex mutex_;
  std::vector<Watched> tables_ GUARDED_BY(mutex_);
  std::uint64_t connection_ GUARDED_BY(mutex_) =
      0;  // the connection that the next three were seen on; 0: none yet
  std::int64_t data_version_ GUARDED_BY(mutex_) = 0;  // changes when another connection commits
  std::int64_t schema_version_ GUARDED_BY(mutex_) = 0;
  std::int64_t last_ GUARDED_BY(mutex_) = 0;              // id of the last change reported or skipped
  std::optional<std::int64_t> mark_ GUARDED_BY(mutex_);   // of that change, if the log has it
  bool more_ GUARDED_BY(mutex_) = false;                  // the last poll left some unread
  std::vector<std::string> repaired_ GUARDED_BY(mutex_);  // tables to report as changed as a whole
  std::chrono::steady_clock::time_point trimmed_ GUARDED_BY(mutex_){};
};

}  // namespace forebay::source::sqlite
