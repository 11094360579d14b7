#pragma once

// The journal as a file: an SQLite database in WAL mode, held by one process (consistency.md §9, J1 to J3).
//
// One thread commits what all callers have queued since its last commit, so that they share an fsync and a
// row of the file: a group is closed at kGroupBytes bytes, or when the disk is idle and somebody waits for
// one of its ops (for kNone nobody does: such an op doesn't wait either). So who appends many before it asks
// for the last of them has them in one group. (J1 names a bound of 512 ops as well, which keeps the first
// reply of a group from waiting for rows that are inserted one by one. As one row ten thousand take less than
// a millisecond (bench/journal), an fsync more, so that such a bound would only add fsyncs.) A group is
// synced (synchronous=FULL) where one of its ops asks for that, or somebody waits for when_kept(); else its
// commit ends with write(2) (NORMAL), and the next one that is synced, or a checkpoint, takes it along.
//
// From three quarters of a bound (bytes or records) on, acknowledgements are delayed, so that
// who waits for them slows down before anything is refused: ack_delay(). What is written is not: only the
// answers of when_committed() wait, until they are old enough, a trim has made room, the journal fails or it
// is closed. What the databases get, reads, and writes whose answer waits for nothing go on as ever.
//
// While the disk is nearly full, new writes are refused before anything of them is written. The journal's
// thread looks at the disk after each commit, and ten times a second while it is nearly full; append() only
// reads what that thread found.
//
// Failure: any error of a commit or a checkpoint, a full disk included, gives the group kUnknownOutcome, and
// everything queued and to come is refused. Nothing is tried again on that connection, not on closing either:
// after an fsync that failed the kernel may have dropped the pages, and the next one would report success.
// The file is closed as it is, and from time to time everything in it is written and synced again
// (LogFile::rewrite()); once that succeeds it is opened and checked as at the start, and what it holds
// decides what was kept. If that is less than had been synced before, or the file is another one, it stays
// closed until a person has looked. What is not in it is lost; its numbers stay unused, so that nobody who
// still asks about a number is told of another op. Until then what is known to be synced goes on to the
// databases. Meanwhile, as always, a lock on a file beside it (its name with "-lock") keeps other processes
// out.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "forebay/clock.h"
#include "journal/group.h"
#include "journal/journal.h"
#include "journal/lock_file.h"
#include "journal/log_file.h"

namespace forebay::journal {

// In front of a lane that has stopped for good, a blank and its source, in the name of the note that says why.
inline constexpr std::string_view kStoppedNote = "stopped ";

struct LogOptions {
  std::string path;                              // the database file; made if absent, its folder is not
  std::size_t max_bytes = std::size_t{1} << 30;  // of ops that are not trimmed, keys and payloads; at least 1
  std::size_t max_records = 10'000'000;          // of ops that are not trimmed; at least 1
  // Age of the oldest op that is not trimmed, up to 2 % less. It goes on over a restart, by the wall clock
  // (journal/ages.h). 0: no bound
  Duration max_age{0};
  // Free bytes of the disk below which nothing is taken: room for the write-ahead log and its checkpoint, so
  // that what was taken can be written. Up to half of it may be room within the file, where it was trimmed.
  // 0: not looked at
  std::uint64_t min_free = std::uint64_t{8} << 20;
  std::function<std::uint64_t()> free_bytes = {};  // empty: statvfs(3) of the path
  // By how much an acknowledgement is delayed at a bound (ack_delay()); 0: never.
  Duration ack_delay_most = std::chrono::milliseconds(100);
  const char* vfs = nullptr;  // SQLite's name of how it uses files; null: its default
  // How long receipts are remembered, at least, by the clock; they go with later commits. 0: none are given
  // back
  Duration remember = std::chrono::hours(1);
  // How long after a failure it is opened again, and at most after failures of that; doubling in between.
  Duration reopen_first = std::chrono::milliseconds(100);
  Duration reopen_most = std::chrono::seconds(5);
};

// How long after its commit a group's acknowledgement comes where the journal is filled to this share of a
// bound, 0 to 1 or more: most * x^2, where x rises from 0 at 3/4 to 1 at the bound.
Duration ack_delay(double fill, Duration most);

class Log final : public Journal {
 public:
  static constexpr std::size_t kGroupBytes = std::size_t{1} << 20;
  static constexpr std::size_t kOpBytes = std::size_t{512} << 20;  // of an op's texts, at most
  static constexpr std::uint32_t kLanes = 4;

  struct Opened;
  // Reads and checks what is there. kConfig: the path can't be used, another process holds it, or it is no
  // journal. kInternal: it is damaged; the message says where, and nothing has been changed.
  static Result<Opened> open(const LogOptions& options, const Clock& clock = system_clock());
  // Commits what is queued, then closes.
  ~Log() override;

  const std::string& id() const override { return id_; }
  std::uint32_t lanes() const override { return lanes_; }
  Result<std::uint64_t> append(const OpView& op, Durability durability) override EXCLUDES(mutex_);
  void when_committed(std::uint64_t first, std::uint64_t last, Kept kept) override EXCLUDES(mutex_);
  void when_kept(std::uint64_t seq, Kept kept) override EXCLUDES(mutex_);
  Result<std::vector<Op>> read(std::uint32_t lane, const std::string* key, std::uint64_t first,
                               std::uint64_t last) override EXCLUDES(mutex_);
  void trim(std::uint64_t seq, std::vector<Applied> applied) override EXCLUDES(mutex_);
  Result<void> note(Notes notes) override EXCLUDES(mutex_);
  Pressure pressure() const override EXCLUDES(mutex_);
  // Not to be called by a watcher.
  void watch(Watcher* watcher) override EXCLUDES(mutex_, watch_mutex_);

 private:
  struct Waiting {
    std::uint64_t upto;
    Kept kept;
    bool lost = false;
  };
  // Receipts of the file with one time, by the last one's number.
  struct Remembered {
    std::uint64_t last;
    Instant at;
  };
  struct Committing {  // when_committed()
    std::uint64_t first, last;
    Kept kept;
  };
  // A commit whose answers are delayed.
  struct DelayedAck {
    std::uint64_t upto;
    std::chrono::steady_clock::time_point at;  // of the commit
  };
  struct Read;
  struct Note;
  struct Step;
  // A group with its receipts, and whether it must be synced.
  struct Gathered {
    Group group;
    std::string receipts;
    std::uint64_t last_receipt = 0;  // its number
    LogFile::Sync sync = LogFile::Sync::kNo;
  };
  // What the writer thread does between two looks at what callers want.
  struct Work {
    std::optional<LogFile::Trim> trim;
    std::vector<Waiting> waiting;  // when_kept(), for what is committed with the group at the latest
    std::vector<Read*> reads;
    std::vector<Note*> notes;
    std::uint64_t last = 0;  // the last op that is then committed
  };

  Log(LogOptions options, const Clock& clock);
  // Takes an op, the next one, into the steps.
  void count(std::deque<Step>& steps, std::uint64_t seq, std::size_t bytes, Instant since) const;
  // The steps of what the file holds.
  std::deque<Step> steps_of(const std::vector<Op>& ops) const;
  std::optional<Error> refusal(const OpView& op) REQUIRES(mutex_);
  std::optional<std::uint64_t> disk_room() const;  // nothing: the disk doesn't tell
  // Free bytes of the disk if they are too few.
  std::optional<std::uint64_t> too_little_room() const;
  void wake() REQUIRES(mutex_);

  void work();
  bool next(Work& work) EXCLUDES(mutex_);  // false: the end
  Result<void> commit(const Work& work, LogFile::Sync sync) EXCLUDES(mutex_);
  // What the commit of group_ does about receipts; costs nothing while there are none.
  LogFile::Receipts receipts_now();
  // Those of the file: from now on they age, and those that are too old for it are taken out of `content`.
  void remember(LogFile::Content& content);
  // Tells append() whether the disk has room.
  void look_at_room() EXCLUDES(mutex_);
  // The same where it had none.
  void look_for_room_again() EXCLUDES(mutex_);
  bool lost(std::uint64_t seq) const REQUIRES(mutex_) { return any_lost(seq, seq); }
  bool any_lost(std::uint64_t first, std::uint64_t last) const REQUIRES(mutex_);
  // What when_committed() answers; requires that they are committed, or that the journal has failed.
  Result<void> became(std::uint64_t first, std::uint64_t last) const REQUIRES(mutex_);
  double fill() const REQUIRES(mutex_);
  Duration delay() const REQUIRES(mutex_);
  // Moves acknowledged_ on, as far as the delay allows by now.
  void end_delays() REQUIRES(mutex_);
  void answer_committed() EXCLUDES(mutex_);
  // What the ops after committed_ up to `unknown` came to is unknown from here on; those after them are gone.
  void fail(const Error& error, std::uint64_t unknown, std::optional<LogFile::Trim> trim) EXCLUDES(mutex_);
  bool wait_closed() EXCLUDES(mutex_, watch_mutex_);  // a while; false: the end
  void tell_failed() EXCLUDES(mutex_, watch_mutex_);
  Result<void> reopen() EXCLUDES(mutex_, watch_mutex_);

  const LogOptions options_;
  const Clock& clock_;
  std::string id_;
  std::uint32_t lanes_ = kLanes;
  std::unique_ptr<LockFile> lock_file_;
  // The writer thread's, once it runs: the file (null: it failed), the group that it commits, the last op on
  // the disk for sure; when the file is opened again, and which error the watcher knows.
  std::unique_ptr<LogFile> file_;
  Gathered group_;
  std::uint64_t synced_ = 0;
  std::deque<Remembered> remembered_;  // oldest first
  std::chrono::steady_clock::time_point reopen_at_;
  Duration reopen_in_{0};
  std::string told_;
  // Bytes of the file that trimming left unused, as of the last commit on a disk that was nearly full.
  std::uint64_t unused_ = 0;

  mutable Mutex mutex_;
  Condition wake_;
  bool asleep_ GUARDED_BY(mutex_) = false;          // the writer thread, in next()
  Gathered open_ GUARDED_BY(mutex_);                // what append() adds to
  bool unawaited_ GUARDED_BY(mutex_) = false;       // it has an op that nobody will ask for
  std::deque<Gathered> closed_ GUARDED_BY(mutex_);  // those before it
  std::optional<LogFile::Trim> trim_ GUARDED_BY(mutex_);
  std::deque<Waiting> waiting_ GUARDED_BY(mutex_);        // when_kept()
  std::deque<Committing> committing_ GUARDED_BY(mutex_);  // by their last numbers
  std::deque<Read*> reads_ GUARDED_BY(mutex_);
  std::vector<Note*> notes_ GUARDED_BY(mutex_);
  std::uint64_t committed_ GUARDED_BY(mutex_) = 0;  // the last op that is as durable as asked
  // The last op that may be acknowledged: committed_, unless delayed_acks_ has some.
  std::uint64_t acknowledged_ GUARDED_BY(mutex_) = 0;
  std::deque<DelayedAck> delayed_acks_ GUARDED_BY(mutex_);  // oldest first
  std::uint64_t delayed_count_ GUARDED_BY(mutex_) = 0;      // answers that were delayed
  std::uint64_t unknown_ GUARDED_BY(mutex_) = 0;            // the last op of the group whose commit failed
  std::optional<Error> failed_ GUARDED_BY(mutex_);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> lost_ GUARDED_BY(mutex_);  // numbers, from and to
  bool watched_ GUARDED_BY(mutex_) = false;
  bool watch_changed_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
  // The disk is nearly full: how many bytes were free when the journal's thread looked last.
  std::optional<std::uint64_t> too_little_ GUARDED_BY(mutex_);
  std::uint64_t next_ GUARDED_BY(mutex_) = 1;
  std::uint64_t trimmed_ GUARDED_BY(mutex_) = 0;
  std::size_t bytes_ GUARDED_BY(mutex_) = 0;   // of ops after trimmed_, and those of their first step
  std::deque<Step> steps_ GUARDED_BY(mutex_);  // oldest first

  Mutex watch_mutex_;  // held while the watcher is called; before mutex_ and all that the watcher locks
  Watcher* watcher_ GUARDED_BY(watch_mutex_) = nullptr;
  std::thread writer_;
};

// Some consecutive ops: what is kept of them to know how much is pending, and since when.
struct Log::Step {
  std::uint64_t last;
  std::size_t bytes;
  Instant since;
};

// A call of read() that waits for its answer.
struct Log::Read {
  std::uint64_t upto;  // what must be written before
  std::uint32_t lane;
  const std::string* key;  // null: every key's
  std::uint64_t first;
  std::uint64_t last;
  std::promise<Result<std::vector<Op>>> answer = {};
};

// A call of note() that waits for its answer.
struct Log::Note {
  Notes notes;
  std::promise<Result<void>> answer = {};
};

struct Log::Opened {
  std::unique_ptr<Log> log;
  std::vector<Op> ops;            // those not trimmed, in order
  std::vector<Receipt> receipts;  // of ops that were kept, trimmed or not, in order; not older than said
  std::vector<Applied> applied;   // what the databases had applied at the last trim, at least
  std::uint64_t last = 0;         // the last seq ever kept, as far as the file tells; 0: none
  Notes notes;
  std::string cut;  // LogFile::Content's
};

}  // namespace forebay::journal
