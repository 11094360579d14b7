#include "journal/log_file.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <random>
#include <string_view>
#include <utility>

#include "journal/page_scan.h"
#include "journal/receipt_bytes.h"

namespace forebay::journal {
namespace {

constexpr int kCheckpointPages = 1000;
constexpr std::string_view kNote = "note ";  // in front of a note's name in the table meta

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (wrong != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string random_id() {
  std::random_device device;
  std::string id;
  for (int i = 0; i < 4; ++i) id += fmt::format("{:08x}", device());
  return id;
}

std::string ops_of(std::uint64_t first, std::uint64_t last) {
  return first == last ? fmt::format("op {}", first) : fmt::format("ops {} to {}", first, last);
}

}  // namespace

class LogFile::Statement {
 public:
  Statement(sqlite3* database, const char* sql) {
    code_ = sqlite3_prepare_v3(database, sql, -1, 0, &handle_, nullptr);
  }
  ~Statement() { sqlite3_finalize(handle_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  bool good() const { return code_ == SQLITE_OK; }
  void bind(int at, std::uint64_t number) {
    sqlite3_bind_int64(handle_, at, static_cast<sqlite3_int64>(number));
  }
  // Borrowed until the statement is reset.
  void bind(int at, std::string_view bytes) {
    // SQLite takes no address for NULL.
    sqlite3_bind_blob64(handle_, at, bytes.empty() ? "" : bytes.data(), bytes.size(), SQLITE_STATIC);
  }
  int step() { return sqlite3_step(handle_); }
  void reset() { sqlite3_reset(handle_); }
  std::uint64_t number(int column) const {
    return static_cast<std::uint64_t>(sqlite3_column_int64(handle_, column));
  }
  std::optional<std::uint64_t> optional_number(int column) const {
    if (sqlite3_column_type(handle_, column) == SQLITE_NULL) return std::nullopt;
    return number(column);
  }
  // Until the next step.
  std::string_view bytes(int column) const {
    const void* data = sqlite3_column_blob(handle_, column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(handle_, column));
    return data == nullptr ? std::string_view() : std::string_view(static_cast<const char*>(data), size);
  }

 private:
  sqlite3_stmt* handle_ = nullptr;
  int code_ = SQLITE_OK;
};

void LogFile::Close::operator()(sqlite3* database) const {
  sqlite3_close(database);
}

LogFile::LogFile(std::string path, sqlite3* database) : path_(std::move(path)), database_(database) {}

LogFile::~LogFile() = default;

Error LogFile::error(const char* doing) const {
  return {ErrorCode::kInternal,
          fmt::format("journal {}: {}: {}", path_, doing, sqlite3_errmsg(database_.get()))};
}

Error LogFile::damaged(const std::string& what) const {
  return Error{ErrorCode::kInternal,
               fmt::format("journal {} is damaged: {}; nothing has been changed, the journal is not used; "
                           "`forebay journal check` says more, and `forebay journal export --salvage` prints "
                           "the writes that can still be read",
                           path_, what)};
}

Result<void> LogFile::run(const char* sql) {
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return error(sql);
  return {};
}

LogFile::Statement* LogFile::prepared(std::unique_ptr<Statement>& statement, const char* sql) {
  if (!statement) {
    statement = std::make_unique<Statement>(database_.get(), sql);
    if (!statement->good()) {
      statement.reset();
      return nullptr;
    }
  }
  statement->reset();
  return statement.get();
}

Result<void> LogFile::run(std::unique_ptr<Statement>& statement, const char* sql) {
  Statement* const run = prepared(statement, sql);
  const bool done = run != nullptr && run->step() == SQLITE_DONE;
  Result<void> result = done ? Result<void>() : error(sql);
  if (run != nullptr) run->reset();
  return result;
}

Result<std::optional<std::string>> LogFile::meta(const char* name) {
  Statement select(database_.get(), "SELECT value FROM meta WHERE name = ?1");
  if (!select.good()) return error("reading meta");
  select.bind(1, std::string_view(name));
  const int code = select.step();
  if (code == SQLITE_DONE) return std::optional<std::string>();
  if (code != SQLITE_ROW) return error("reading meta");
  return std::optional(std::string(select.bytes(0)));
}

Result<void> LogFile::set_meta(const char* name, const std::string& value) {
  constexpr const char* kSet = "INSERT OR REPLACE INTO meta(name, value) VALUES (?1, ?2)";
  if (Statement* const set = prepared(set_meta_, kSet)) {
    set->bind(1, std::string_view(name));
    set->bind(2, value);
  }
  return run(set_meta_, kSet);
}

Result<void> LogFile::prepare(std::uint32_t lanes, bool expected) {
  // Exclusive before WAL: then no other process gets in, and no shared memory file is needed.
  // Debian's SQLite overwrites what is deleted by default, so that trimming would write as much as was kept,
  // and on a full disk could not make the room that it is for. FAST only overwrites what is written anyway.
  for (const char* setting :
       {"PRAGMA locking_mode = EXCLUSIVE", "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL",
        "PRAGMA secure_delete = FAST", "BEGIN IMMEDIATE"}) {
    const int code = sqlite3_exec(database_.get(), setting, nullptr, nullptr, nullptr);
    if ((code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED) {
      return Error{
          ErrorCode::kConfig,
          fmt::format("journal {}: another process holds it; a journal serves one at a time", path_)};
    }
    if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB)
      return damaged(sqlite3_errmsg(database_.get()));
    if (code != SQLITE_OK) return Error{ErrorCode::kConfig, error(setting).message};
  }
  const auto ask = [&](const char* sql) {
    Statement statement(database_.get(), sql);
    return statement.good() && statement.step() == SQLITE_ROW ? static_cast<std::int64_t>(statement.number(0))
                                                              : -1;
  };
  const auto tables = ask("SELECT count(*) FROM sqlite_schema");
  const auto application = ask("PRAGMA application_id");
  const auto format = ask("PRAGMA user_version");
  if (tables == 0 && application == 0 && expected) {
    return damaged(
        fmt::format("nothing of a journal is in it, and there was one ({0}-lock says so; who has moved "
                    "it away on purpose moves {0}-lock away, too)",
                    path_));
  }
  // A log of which SQLite reads nothing would be written over.
  if (tables == 0 && application == 0 && !scan_pages(path_).groups.empty())
    return damaged("SQLite reads nothing of it, and groups are in its pages");
  if (tables == 0 && application == 0) {
    const std::string make = fmt::format(
        "PRAGMA application_id = {}; PRAGMA user_version = {};"
        "CREATE TABLE meta(name BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE applied(source BLOB NOT NULL, lane INTEGER NOT NULL, seq INTEGER NOT NULL,"
        " PRIMARY KEY (source, lane)) WITHOUT ROWID;"
        "CREATE TABLE groups(first INTEGER PRIMARY KEY, last INTEGER NOT NULL, crc INTEGER NOT NULL,"
        " wall_ms INTEGER NOT NULL, ops BLOB NOT NULL, synced INTEGER);"
        "CREATE TABLE receipts(last INTEGER PRIMARY KEY, crc INTEGER NOT NULL, wall_ms INTEGER NOT NULL,"
        " receipts BLOB NOT NULL);",
        kApplicationId, kFormat);
    if (auto made = run(make.c_str()); !made) return made;
    if (auto set = set_meta("journal_id", random_id()); !set) return set;
    if (auto set = set_meta("lanes", std::to_string(lanes)); !set) return set;
    if (auto set = set_meta("trimmed_to", "0"); !set) return set;
  } else if (application != kApplicationId) {
    return Error{ErrorCode::kConfig, fmt::format("journal {}: this is another program's database", path_)};
  } else if (format != kFormat && format != kWithoutMarks) {
    return Error{
        ErrorCode::kConfig,
        fmt::format("journal {}: its format is {}, this version of Forebay reads {}: let the version "
                    "that wrote it bring its writes to the database (forebay drain), then move the "
                    "file away",
                    path_, format, kFormat)};
  } else {
    format_ = format;
  }
  return run("COMMIT");
}

Result<void> LogFile::upgrade() {
  if (format_ == kFormat) return {};
  const std::string change = fmt::format(
      "BEGIN IMMEDIATE; ALTER TABLE groups ADD COLUMN synced INTEGER; PRAGMA user_version = {}; COMMIT",
      kFormat);
  if (auto changed = run(change.c_str()); !changed) return changed;
  format_ = kFormat;
  return {};
}

Result<void> LogFile::recover(Content& content) {
  {
    auto id = meta("journal_id");
    if (!id) return id.error();
    auto lanes = meta("lanes");
    if (!lanes) return lanes.error();
    auto to = meta("trimmed_to");
    if (!to) return to.error();
    const auto lane_count = number_of(lanes->value_or(""));
    const auto trimmed_to = number_of(to->value_or(""));
    if (!*id || (*id)->empty() || !lane_count || *lane_count < 1 || *lane_count > 1024 || !trimmed_to ||
        *trimmed_to < 0) {
      return damaged("its table meta does not hold journal_id, lanes and trimmed_to");
    }
    content.id = **id;
    content.lanes = static_cast<std::uint32_t>(*lane_count);
    content.trimmed = trimmed_ = static_cast<std::uint64_t>(*trimmed_to);
  }
  {
    Statement positions(database_.get(), "SELECT source, lane, seq FROM applied");
    int code = SQLITE_ERROR;
    while (positions.good() && (code = positions.step()) == SQLITE_ROW) {
      content.applied.push_back({std::string(positions.bytes(0)),
                                 static_cast<std::uint32_t>(positions.number(1)), positions.number(2)});
    }
    if (code != SQLITE_DONE) return damaged(error("reading applied").message);
  }
  Statement rows(database_.get(),
                 format_ == kFormat
                     ? "SELECT first, last, crc, wall_ms, ops, synced FROM groups ORDER BY first"
                     : "SELECT first, last, crc, wall_ms, ops, NULL FROM groups ORDER BY first");
  std::uint64_t expected = content.trimmed + 1;
  bool any = false;
  int code = SQLITE_ERROR;
  while (rows.good() && (code = rows.step()) == SQLITE_ROW) {
    const std::uint64_t first = rows.number(0);
    const std::uint64_t last = rows.number(1);
    // Only the oldest may be trimmed in part.
    const bool follows = any ? first == expected : first <= expected && first != 0;
    if (!follows || last < first || last < expected) {
      return damaged(
          fmt::format("{} in one group follow where op {} should be", ops_of(first, last), expected));
    }
    const auto wall_ms = static_cast<std::int64_t>(rows.number(3));
    const std::string_view bytes = rows.bytes(4);
    const bool matches = checksum(first, last, wall_ms, bytes, rows.optional_number(5)) == rows.number(2);
    GroupReader reader(first, last, bytes);
    while (true) {
      auto read = reader.next();
      if (!matches && (!read || !*read)) {
        return damaged(fmt::format("the checksum of the group of {} does not match its content{}",
                                   ops_of(first, last), read ? "" : " (" + read.error().message + ")"));
      }
      if (!read) {
        return damaged(fmt::format("in the group of {}: {}", ops_of(first, last), read.error().message));
      }
      if (!*read) break;
      const auto& [seq, op] = **read;
      if (!matches || seq < expected) continue;
      if (op.lane >= content.lanes) return damaged(fmt::format("op {} is in a lane that is none", seq));
      content.ops.push_back({seq, op.lane, std::string(op.source), std::string(op.space), std::string(op.key),
                             std::string(op.payload), wall_ms});
    }
    content.voided = bytes.empty() ? std::optional(first) : std::nullopt;
    expected = last + 1;
    any = true;
  }
  if (code != SQLITE_DONE) return damaged(error("reading groups").message);
  content.last = expected - 1;
  if (auto receipts = recover_receipts(content); !receipts) return receipts;
  if (auto notes = recover_notes(content); !notes) return notes;
  return look_behind_the_end(content);
}

Result<void> LogFile::recover_notes(Content& content) {
  Statement rows(database_.get(), "SELECT name, value FROM meta ORDER BY name");
  int code = SQLITE_ERROR;
  while (rows.good() && (code = rows.step()) == SQLITE_ROW) {
    const std::string_view name = rows.bytes(0);
    if (name.starts_with(kNote)) content.notes.emplace(name.substr(kNote.size()), rows.bytes(1));
  }
  return code == SQLITE_DONE ? Result<void>() : damaged(error("reading meta").message);
}

Result<void> LogFile::look_behind_the_end(Content& content) {
  const auto end = end_of_wal(path_);
  if (!end) return {};
  const PageScan scan = scan_pages(path_);
  for (const auto& [first, group] : scan.groups) {
    if (group.synced.value_or(0) <= content.last) continue;
    return damaged(
        fmt::format("{}; it ends with op {}, and had been synced up to op {} when the group of {} was "
                    "written",
                    *end, content.last, *group.synced, ops_of(first, group.last)));
  }
  content.cut =
      fmt::format("journal {}: {}; nothing shows that this had been synced, so that it is cut after op {}",
                  path_, *end, content.last);
  return {};
}

Result<void> LogFile::recover_receipts(Content& content) {
  Statement rows(database_.get(), "SELECT last, crc, wall_ms, receipts FROM receipts ORDER BY last");
  int code = SQLITE_ERROR;
  while (rows.good() && (code = rows.step()) == SQLITE_ROW) {
    const std::uint64_t last = rows.number(0);
    const auto wall_ms = static_cast<std::int64_t>(rows.number(2));
    if (receipts_checksum(last, wall_ms, rows.bytes(3)) != rows.number(1)) {
      return damaged(
          fmt::format("the checksum of the receipts up to op {} does not match their content", last));
    }
    const std::uint64_t before = content.receipts.empty() ? 0 : content.receipts.back().seq;
    const std::size_t first = content.receipts.size();
    auto read = read_receipts(last, wall_ms, rows.bytes(3), content.receipts);
    if (read && (last > content.last || content.receipts[first].seq <= before))
      read = Error{ErrorCode::kInternal, "their numbers are out of place"};
    if (!read) return damaged(fmt::format("in the receipts up to op {}: {}", last, read.error().message));
  }
  if (code != SQLITE_DONE) return damaged(error("reading receipts").message);
  return {};
}

Result<std::unique_ptr<LogFile>> LogFile::open(const std::string& path, const char* vfs, std::uint32_t lanes,
                                               Content& content) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &handle,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, vfs);
  std::unique_ptr<LogFile> file(new LogFile(path, handle));
  if (code != SQLITE_OK) return Error{ErrorCode::kConfig, file->error("opening").message};
  if (auto prepared = file->prepare(lanes, content.expected); !prepared) return std::move(prepared).error();
  auto read = file->recover(content);
  if (!read) file->abandon();
  if (read) read = file->upgrade();
  if (!read) return std::move(read).error();
  // Checkpoints are made here, not by SQLite, which would pass over their errors and try again.
  sqlite3_wal_hook(
      handle,
      [](void* pages, sqlite3*, const char*, int count) {
        *static_cast<int*>(pages) = count;
        return SQLITE_OK;
      },
      &file->log_pages_);
  return file;
}

Result<void> LogFile::rewrite(const std::string& path, const char* vfs_name) {
  sqlite3_vfs* const vfs = sqlite3_vfs_find(vfs_name);
  std::vector<char> buffer(std::size_t{1} << 16);  // SQLite's own VFS takes less than 128 KiB
  struct File {
    explicit File(const sqlite3_vfs& vfs)
        : memory(static_cast<std::size_t>(vfs.szOsFile)),
          file(reinterpret_cast<sqlite3_file*>(memory.data())) {}
    ~File() {
      if (file->pMethods != nullptr) file->pMethods->xClose(file);
    }
    std::vector<char> memory;
    sqlite3_file* file;
  };
  for (const auto& [name, kind] :
       {std::pair(path, SQLITE_OPEN_MAIN_DB), std::pair(path + "-wal", SQLITE_OPEN_WAL)}) {
    const auto failed = [&which = name](const char* doing, int code) {
      return Error{ErrorCode::kInternal,
                   fmt::format("journal {}: {}: {}", which, doing, sqlite3_errstr(code))};
    };
    int there = 0;
    int code = vfs->xAccess(vfs, name.c_str(), SQLITE_ACCESS_EXISTS, &there);
    if (code != SQLITE_OK) return failed("looking for it", code);
    if (there == 0) continue;
    const File opened(*vfs);
    sqlite3_file* const file = opened.file;
    code = vfs->xOpen(vfs, name.c_str(), file, SQLITE_OPEN_READWRITE | kind, nullptr);
    if (code != SQLITE_OK) return failed("opening", code);
    sqlite3_int64 size = 0;
    code = file->pMethods->xFileSize(file, &size);
    if (code != SQLITE_OK) return failed("reading", code);
    for (sqlite3_int64 at = 0; at < size;) {
      const int part = static_cast<int>(std::min<sqlite3_int64>(size - at, std::ssize(buffer)));
      code = file->pMethods->xRead(file, buffer.data(), part, at);
      if (code != SQLITE_OK) return failed("reading", code);
      code = file->pMethods->xWrite(file, buffer.data(), part, at);
      if (code != SQLITE_OK) return failed("writing it again", code);
      at += part;
    }
    code = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
    if (code != SQLITE_OK) return failed("syncing", code);
  }
  return {};
}

void LogFile::abandon() {
  sqlite3_db_config(database_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

Result<void> LogFile::checkpoint_if_due() {
  return log_pages_ < kCheckpointPages ? Result<void>() : checkpoint();
}

Result<void> LogFile::checkpoint() {
  log_pages_ = 0;
  const int code =
      sqlite3_wal_checkpoint_v2(database_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  return code == SQLITE_OK ? Result<void>() : error("checkpoint");
}

std::optional<std::uint64_t> LogFile::unused() {
  Statement free_pages(database_.get(),
                       "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size");
  if (!free_pages.good() || free_pages.step() != SQLITE_ROW) return std::nullopt;
  return free_pages.number(0);
}

Result<std::vector<Op>> LogFile::read(std::uint32_t lane, const std::string* key, std::uint64_t first,
                                      std::uint64_t last) {
  Statement rows(database_.get(),
                 "SELECT first, last, crc, wall_ms, ops, synced FROM groups WHERE first <= ?2 AND first >= "
                 "coalesce((SELECT max(first) FROM groups WHERE first <= ?1), 0) ORDER BY first");
  if (!rows.good()) return error("reading groups");
  first = std::max(first, trimmed_ + 1);
  rows.bind(1, first);
  rows.bind(2, last);
  std::vector<Op> ops;
  int code = SQLITE_ERROR;
  while ((code = rows.step()) == SQLITE_ROW) {
    const std::uint64_t group_first = rows.number(0);
    const std::uint64_t group_last = rows.number(1);
    const auto damaged = [&](const std::string& what) {
      return Error{ErrorCode::kInternal, fmt::format("journal {}: in the group of {}: {}", path_,
                                                     ops_of(group_first, group_last), what)};
    };
    const auto wall_ms = static_cast<std::int64_t>(rows.number(3));
    if (checksum(group_first, group_last, wall_ms, rows.bytes(4), rows.optional_number(5)) !=
        rows.number(2)) {
      return damaged("its checksum does not match its content");
    }
    GroupReader reader(group_first, group_last, rows.bytes(4));
    while (true) {
      auto read = reader.next();
      if (!read) return damaged(read.error().message);
      if (!*read) break;
      const auto& [seq, op] = **read;
      if (seq < first || seq > last || op.lane != lane || (key != nullptr && op.key != *key)) continue;
      ops.push_back({seq, op.lane, std::string(op.source), std::string(op.space), std::string(op.key),
                     std::string(op.payload), wall_ms});
    }
  }
  if (code != SQLITE_DONE) return error("reading groups");
  return ops;
}

Result<void> LogFile::commit(const Group& group, const Receipts& receipts, const Trim* trim,
                             std::uint64_t last, std::uint64_t synced, Sync sync) {
  if (sync != synchronous_) {
    if (auto set = run(sync == Sync::kYes ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
        !set)
      return set;
    synchronous_ = sync;
  }
  if (auto begun = run(begin_, "BEGIN IMMEDIATE"); !begun) return begun;
  auto done = write(group, trim, last, synced);
  if (done) done = write(receipts);
  if (done) done = run(commit_, "COMMIT");
  if (!done) {
    // Ends what is left of it; what the file holds is read when it is opened again.
    if (sqlite3_get_autocommit(database_.get()) == 0) {
      sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
    return done;
  }
  if (trim != nullptr) trimmed_ = trim->seq;
  return {};
}

Result<void> LogFile::void_numbers(std::uint64_t first, std::uint64_t last) {
  auto done =
      first > last ? set_meta("synced_to", std::to_string(last)) : insert(first, last, 0, {}, first - 1);
  if (done) done = checkpoint();
  return done;
}

Result<void> LogFile::insert(std::uint64_t first, std::uint64_t last, std::int64_t wall_ms,
                             std::string_view bytes, std::uint64_t synced) {
  constexpr const char* kInsert =
      "INSERT INTO groups(first, last, crc, wall_ms, ops, synced) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
  if (Statement* const row = prepared(insert_, kInsert)) {
    row->bind(1, first);
    row->bind(2, last);
    row->bind(3, std::uint64_t{checksum(first, last, wall_ms, bytes, synced)});
    row->bind(4, static_cast<std::uint64_t>(wall_ms));
    row->bind(5, bytes);
    row->bind(6, synced);
  }
  return run(insert_, kInsert);
}

Result<void> LogFile::write(const Receipts& receipts) {
  if (!receipts.bytes.empty()) {
    constexpr const char* kAdd = "INSERT INTO receipts(last, crc, wall_ms, receipts) VALUES (?1, ?2, ?3, ?4)";
    if (Statement* const row = prepared(add_receipts_, kAdd)) {
      row->bind(1, receipts.last);
      row->bind(2, std::uint64_t{receipts_checksum(receipts.last, receipts.wall_ms, receipts.bytes)});
      row->bind(3, static_cast<std::uint64_t>(receipts.wall_ms));
      row->bind(4, receipts.bytes);
    }
    if (auto added = run(add_receipts_, kAdd); !added) return added;
  }
  if (receipts.forget == 0) return {};
  constexpr const char* kForget = "DELETE FROM receipts WHERE last <= ?1";
  if (Statement* const remove = prepared(forget_, kForget)) remove->bind(1, receipts.forget);
  return run(forget_, kForget);
}

Result<void> LogFile::note(const Notes& notes) {
  // As FULL as a commit that is waited for.
  if (synchronous_ != Sync::kYes) {
    if (auto set = run("PRAGMA synchronous = FULL"); !set) return set;
    synchronous_ = Sync::kYes;
  }
  if (auto begun = run(begin_, "BEGIN IMMEDIATE"); !begun) return begun;
  Result<void> done;
  for (const auto& [name, value] : notes) {
    const std::string full = std::string(kNote) + name;
    if (!value.empty()) {
      done = set_meta(full.c_str(), value);
    } else {
      Statement remove(database_.get(), "DELETE FROM meta WHERE name = ?1");
      remove.bind(1, std::string_view(full));
      if (!remove.good() || remove.step() != SQLITE_DONE) done = error("forgetting a note");
    }
    if (!done) break;
  }
  if (done) done = run(commit_, "COMMIT");
  if (!done && sqlite3_get_autocommit(database_.get()) == 0)
    sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  return done;
}

Result<void> LogFile::write(const Group& group, const Trim* trim, std::uint64_t last, std::uint64_t synced) {
  // A transaction that changes something is synced, and so all before it.
  if (group.empty() && trim == nullptr) return set_meta("synced_to", std::to_string(last));
  if (!group.empty()) {
    if (auto inserted = insert(group.first(), group.last(), group.wall_ms(), group.bytes(), synced);
        !inserted)
      return inserted;
  }
  if (trim == nullptr) return {};
  constexpr const char* kRemove = "DELETE FROM groups WHERE first <= ?1 AND last <= ?1";
  if (Statement* const remove = prepared(remove_, kRemove)) remove->bind(1, trim->seq);
  if (auto removed = run(remove_, kRemove); !removed) return removed;
  constexpr const char* kPosition = "INSERT OR REPLACE INTO applied(source, lane, seq) VALUES (?1, ?2, ?3)";
  for (const Applied& applied : trim->applied) {
    if (Statement* const position = prepared(position_, kPosition)) {
      position->bind(1, applied.source);
      position->bind(2, std::uint64_t{applied.lane});
      position->bind(3, applied.seq);
    }
    if (auto set = run(position_, kPosition); !set) return set;
  }
  return set_meta("trimmed_to", std::to_string(trim->seq));
}

}  // namespace forebay::journal
