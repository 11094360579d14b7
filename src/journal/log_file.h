#pragma once

// The file behind journal/log.h: an SQLite database in WAL mode, one row for each commit group
// (journal/group.h) with its time, its mark and the CRC-32C of all that, and one for a group's receipts
// (journal/receipt_bytes.h) with theirs.
//
// A group's mark says up to which number the file was synced when the group was written. SQLite takes the
// first frame of its log that does not match for the end of it. Where later groups are found behind it, their
// marks tell whether what is missing had been synced: then the file is damaged, and not opened. Without such
// a mark it is what a crash may leave (a torn tail, writes that only the operating system had).
//
// After an error of a commit or a checkpoint the only thing that is left to do is to close it: abandon().
// One thread at a time.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "forebay/result.h"
#include "journal/group.h"
#include "journal/journal.h"

struct sqlite3;

namespace forebay::journal {

class LogFile {
 public:
  static constexpr int kApplicationId = 0x46424a31;  // "FBJ1"
  static constexpr int kFormat = 3;                  // user_version
  static constexpr int kWithoutMarks = 2;            // an earlier one, which is taken over

  // What the file held when it was opened.
  struct Content {
    bool expected = false;  // given: there was a journal
    std::string id;
    std::uint32_t lanes = 0;
    std::uint64_t trimmed = 0;
    std::uint64_t last = 0;  // the last number
    // The first of the last group's numbers if they were given to no op.
    std::optional<std::uint64_t> voided;
    std::vector<Op> ops;  // after `trimmed`
    std::vector<Applied> applied;
    std::vector<Receipt> receipts;  // in order
    Notes notes;
    // Not empty: SQLite's log ends in the midst of something that had not been synced, and is cut there. Says
    // where.
    std::string cut;
  };
  struct Trim {
    std::uint64_t seq;
    std::vector<Applied> applied;
  };
  // What a commit does about receipts: adds its group's, and lets old ones go.
  struct Receipts {
    std::string_view bytes;    // empty: the group has none
    std::uint64_t last = 0;    // the number of the last of them
    std::int64_t wall_ms = 0;  // when, in Unix time
    std::uint64_t forget = 0;  // the groups of receipts that end with numbers up to this one go
  };
  enum class Sync : bool { kNo, kYes };

  // Makes a file with so many lanes if there is none, which is damage where `content.expected`; else reads and checks all of it, and changes nothing if
  // it is damaged. `vfs`: SQLite's name of how it uses files; null: its default. Errors as Log::open().
  static Result<std::unique_ptr<LogFile>> open(const std::string& path, const char* vfs, std::uint32_t lanes,
                                               Content& content);
  // Makes sure that the disk has what reading the file shows: reads its bytes and those of its write-ahead
  // log, writes them in place and syncs them. After an fsync that failed the kernel may take pages for clean
  // that never reached the disk, and go on showing them (A. Rebello et al., "Can Applications Recover from
  // fsync Failures?", USENIX ATC 2020); written again they are dirty again. By way of the VFS, so that it is
  // the same files that are written. Nobody may have the file open.
  static Result<void> rewrite(const std::string& path, const char* vfs);
  ~LogFile();

  // In one transaction. Without a group and a trim, one that is synced and so takes those before along.
  // `last`: the last number that is then in the file; `synced`: the group's mark.
  Result<void> commit(const Group& group, const Receipts& receipts, const Trim* trim, std::uint64_t last,
                      std::uint64_t synced, Sync sync);
  // Remembers these beside what is remembered already, synced; an empty text: forgets it.
  Result<void> note(const Notes& notes);
  // Gives the numbers from `first` to `last`, which follow those in the file, to no op, and then moves the
  // write-ahead log into the database; all of it synced. `first` beyond `last`: only that.
  Result<void> void_numbers(std::uint64_t first, std::uint64_t last);
  // Moves the write-ahead log into the database once it has grown enough. Nothing else does.
  Result<void> checkpoint_if_due();
  // As Journal::read().
  Result<std::vector<Op>> read(std::uint32_t lane, const std::string* key, std::uint64_t first,
                               std::uint64_t last);
  // Bytes that are not in use, where it was trimmed; nothing: it can't tell.
  std::optional<std::uint64_t> unused();
  // Closing it will neither write nor sync anything.
  void abandon();

 private:
  class Statement;
  struct Close {
    void operator()(sqlite3* database) const;
  };
  LogFile(std::string path, sqlite3* database);
  Result<void> prepare(std::uint32_t lanes, bool expected);
  Result<void> recover(Content& content);
  Result<void> recover_receipts(Content& content);
  Result<void> run(const char* sql);
  Result<void> run(std::unique_ptr<Statement>& statement, const char* sql);
  Statement* prepared(std::unique_ptr<Statement>& statement, const char* sql);
  Result<std::optional<std::string>> meta(const char* name);
  Result<void> set_meta(const char* name, const std::string& value);
  Result<void> checkpoint();
  // Takes over a file of an earlier version.
  Result<void> upgrade();
  Result<void> recover_notes(Content& content);
  // kInternal: what SQLite does not read had been synced.
  Result<void> look_behind_the_end(Content& content);
  Result<void> insert(std::uint64_t first, std::uint64_t last, std::int64_t wall_ms, std::string_view bytes,
                      std::uint64_t synced);
  Result<void> write(const Group& group, const Trim* trim, std::uint64_t last, std::uint64_t synced);
  Result<void> write(const Receipts& receipts);
  Error error(const char* doing) const;
  Error damaged(const std::string& what) const;

  const std::string path_;
  const std::unique_ptr<sqlite3, Close> database_;
  std::int64_t format_ = kFormat;
  std::uint64_t trimmed_ = 0;
  Sync synchronous_ = Sync::kYes;  // the connection's setting
  int log_pages_ = 0;              // in the write-ahead log
  std::unique_ptr<Statement> begin_, commit_, insert_, remove_, position_, set_meta_, add_receipts_, forget_;
};

}  // namespace forebay::journal
