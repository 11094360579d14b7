#pragma once

// The journal as a file: an SQLite database in WAL mode, held by one process (consistency.md §9, J1 to J3).
//
// One thread commits what all callers have queued since its last commit, so that they share an fsync: a group
// is closed at kGroupOps ops or kGroupBytes bytes, or when the disk is idle.
//
// Failure: any error of a commit, a full disk included, gives the group kUnknownOutcome and ends the journal
// for writes: everything queued and to come is refused until the process starts again and reads what the file
// really holds. An fsync that failed is never tried again: the kernel may have dropped the pages and would
// report success. What was kept before goes on to the database.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "journal/journal.h"

struct sqlite3;

namespace forebay::journal {

struct LogOptions {
  std::string path;                              // the database file; made if absent, its folder is not
  std::size_t max_bytes = std::size_t{1} << 30;  // of ops that are not trimmed, keys and payloads; at least 1
  std::size_t max_records = 10'000'000;          // of ops that are not trimmed; at least 1
};

class Log final : public Journal {
 public:
  static constexpr std::size_t kGroupOps = 512;
  static constexpr std::size_t kGroupBytes = std::size_t{1} << 20;
  static constexpr std::uint32_t kLanes = 4;

  struct Opened;
  // Reads and checks what is there. kConfig: the path can't be used, another process holds it, or it is no
  // journal. kInternal: it is damaged; the message says where, and nothing has been changed.
  static Result<Opened> open(const LogOptions& options);
  // Commits what is queued, then closes.
  ~Log() override;

  const std::string& id() const override { return id_; }
  std::uint32_t lanes() const override { return lanes_; }
  Result<std::uint64_t> append(Op op, Kept kept) override EXCLUDES(mutex_);
  void trim(std::uint64_t seq, std::vector<Applied> applied) override EXCLUDES(mutex_);

 private:
  struct Queued {
    Op op;
    Kept kept;
  };
  struct Trim {
    std::uint64_t seq;
    std::vector<Applied> applied;
  };
  struct Close {
    void operator()(sqlite3* database) const;
  };
  using Database = std::unique_ptr<sqlite3, Close>;

  Log(LogOptions options, Database database) : options_(std::move(options)), database_(std::move(database)) {}
  Result<void> prepare_file();
  Result<void> recover(std::vector<Op>& ops, std::vector<Applied>& applied);
  Result<void> run(const char* sql);
  Result<std::optional<std::string>> meta(const char* name);
  Result<void> set_meta(const char* name, const std::string& value);
  Error error(const char* doing) const;

  void work();
  Result<void> commit(const std::vector<Queued>& group, const std::optional<Trim>& trim);
  Result<void> write(const std::vector<Queued>& group, const std::optional<Trim>& trim);

  const LogOptions options_;
  const Database database_;  // the writer thread's, once it runs
  std::string id_;
  std::uint32_t lanes_ = kLanes;
  int synchronous_ = 2;  // of the connection: 1 NORMAL, 2 FULL; the writer thread's

  Mutex mutex_;
  Condition wake_;
  std::deque<Queued> queue_ GUARDED_BY(mutex_);
  std::optional<Trim> trim_ GUARDED_BY(mutex_);
  std::optional<Error> failed_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::uint64_t next_ GUARDED_BY(mutex_) = 1;
  std::uint64_t trimmed_ GUARDED_BY(mutex_) = 0;
  std::size_t bytes_ GUARDED_BY(mutex_) = 0;  // of ops after trimmed_
  // How many bytes ops hold, in steps of some ops: {last seq, bytes}, oldest first.
  std::deque<std::pair<std::uint64_t, std::size_t>> sizes_ GUARDED_BY(mutex_);
  std::thread writer_;
};

struct Log::Opened {
  std::unique_ptr<Log> log;
  std::vector<Op> ops;           // those not trimmed, in order
  std::vector<Applied> applied;  // what the databases had applied at the last trim, at least
  std::uint64_t last = 0;        // the last seq ever kept, as far as the file tells; 0: none
};

}  // namespace forebay::journal
