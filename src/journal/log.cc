#include "journal/log.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <future>
#include <random>
#include <utility>

namespace forebay::journal {
namespace {

constexpr int kApplicationId = 0x46424a31;  // "FBJ1"
constexpr int kFormat = 1;                  // user_version
// A step of what is pending ends at so many ops or bytes, or at a share of the age bound.
constexpr std::uint64_t kStepOps = 256;
constexpr std::size_t kStepBytes = std::size_t{1} << 20;
constexpr int kStepsOfAge = 64;
constexpr int kCheckpointPages = 1000;

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

class Statement {
 public:
  Statement(sqlite3* database, const char* sql) {
    code_ = sqlite3_prepare_v2(database, sql, -1, &handle_, nullptr);
  }
  ~Statement() { sqlite3_finalize(handle_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  bool good() const { return code_ == SQLITE_OK; }
  void bind(int at, std::uint64_t number) {
    sqlite3_bind_int64(handle_, at, static_cast<sqlite3_int64>(number));
  }
  // Borrowed until the statement is reset.
  void bind(int at, const std::string& bytes) {
    sqlite3_bind_blob64(handle_, at, bytes.data(), bytes.size(), SQLITE_STATIC);
  }
  int step() { return sqlite3_step(handle_); }
  void reset() { sqlite3_reset(handle_); }
  std::uint64_t number(int column) const {
    return static_cast<std::uint64_t>(sqlite3_column_int64(handle_, column));
  }
  std::string bytes(int column) const {
    const void* data = sqlite3_column_blob(handle_, column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(handle_, column));
    return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), size);
  }

 private:
  sqlite3_stmt* handle_ = nullptr;
  int code_ = SQLITE_OK;
};

std::size_t size_of(const auto& op) {
  return op.key.size() + op.payload.size();
}

}  // namespace

void Log::Close::operator()(sqlite3* database) const {
  sqlite3_close(database);
}

Error Log::error(const char* doing) const {
  return {ErrorCode::kInternal,
          fmt::format("journal {}: {}: {}", options_.path, doing, sqlite3_errmsg(database_.get()))};
}

Result<void> Log::run(const char* sql) {
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return error(sql);
  return {};
}

Result<std::optional<std::string>> Log::meta(const char* name) {
  Statement select(database_.get(), "SELECT value FROM meta WHERE name = ?1");
  if (!select.good()) return error("reading meta");
  const std::string text(name);
  select.bind(1, text);
  const int code = select.step();
  if (code == SQLITE_DONE) return std::optional<std::string>();
  if (code != SQLITE_ROW) return error("reading meta");
  return std::optional(select.bytes(0));
}

Result<void> Log::set_meta(const char* name, const std::string& value) {
  Statement insert(database_.get(), "INSERT OR REPLACE INTO meta(name, value) VALUES (?1, ?2)");
  const std::string text(name);
  insert.bind(1, text);
  insert.bind(2, value);
  if (!insert.good() || insert.step() != SQLITE_DONE) return error("writing meta");
  return {};
}

Result<void> Log::prepare_file() {
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
          fmt::format("journal {}: another process holds it; a journal serves one at a time", options_.path)};
    }
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
  if (tables == 0 && application == 0) {
    const std::string make = fmt::format(
        "PRAGMA application_id = {}; PRAGMA user_version = {};"
        "CREATE TABLE meta(name BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE applied(source BLOB NOT NULL, lane INTEGER NOT NULL, seq INTEGER NOT NULL,"
        " PRIMARY KEY (source, lane)) WITHOUT ROWID;"
        "CREATE TABLE ops(seq INTEGER PRIMARY KEY, lane INTEGER NOT NULL, source BLOB NOT NULL,"
        " namespace BLOB NOT NULL, key BLOB NOT NULL, payload BLOB NOT NULL,"
        " crc INTEGER NOT NULL);",
        kApplicationId, kFormat);
    if (auto made = run(make.c_str()); !made) return made;
    if (auto set = set_meta("journal_id", random_id()); !set) return set;
    if (auto set = set_meta("lanes", std::to_string(kLanes)); !set) return set;
    if (auto set = set_meta("trimmed_to", "0"); !set) return set;
  } else if (application != kApplicationId) {
    return Error{ErrorCode::kConfig,
                 fmt::format("journal {}: this is another program's database", options_.path)};
  } else if (format != kFormat) {
    return Error{ErrorCode::kConfig, fmt::format("journal {}: its format is {}, this version reads {}",
                                                 options_.path, format, kFormat)};
  }
  return run("COMMIT");
}

Result<void> Log::recover(std::vector<Op>& ops, std::vector<Applied>& applied) {
  const auto damaged = [&](std::string what) {
    return Error{ErrorCode::kInternal,
                 fmt::format("journal {} is damaged: {}; nothing has been changed, the journal is not used",
                             options_.path, what)};
  };
  std::uint64_t trimmed = 0;
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
    id_ = **id;
    lanes_ = static_cast<std::uint32_t>(*lane_count);
    trimmed = static_cast<std::uint64_t>(*trimmed_to);
  }
  {
    Statement positions(database_.get(), "SELECT source, lane, seq FROM applied");
    int code = SQLITE_ERROR;
    while (positions.good() && (code = positions.step()) == SQLITE_ROW) {
      applied.push_back(
          {positions.bytes(0), static_cast<std::uint32_t>(positions.number(1)), positions.number(2)});
    }
    if (code != SQLITE_DONE) return damaged(error("reading applied").message);
  }
  Statement rows(database_.get(),
                 "SELECT seq, lane, source, namespace, key, payload, crc FROM ops ORDER BY seq");
  std::uint64_t expected = trimmed + 1;
  std::size_t bytes = 0;
  int code = SQLITE_ERROR;
  while (rows.good() && (code = rows.step()) == SQLITE_ROW) {
    Op op{rows.number(0), static_cast<std::uint32_t>(rows.number(1)),
          rows.bytes(2),  rows.bytes(3),
          rows.bytes(4),  rows.bytes(5)};
    if (op.seq != expected)
      return damaged(fmt::format("op {} follows where op {} should be", op.seq, expected));
    if (checksum(op) != rows.number(6))
      return damaged(fmt::format("the checksum of op {} does not match its content", op.seq));
    if (op.lane >= lanes_) return damaged(fmt::format("op {} is in a lane that is none", op.seq));
    bytes += size_of(op);
    ops.push_back(std::move(op));
    ++expected;
  }
  if (code != SQLITE_DONE) return damaged(error("reading ops").message);
  MutexLock lock(mutex_);
  next_ = expected;
  committed_ = expected - 1;
  trimmed_ = trimmed;
  bytes_ = bytes;
  synced_ = trimmed;  // a process that was killed may have left the rest to the operating system
  if (!ops.empty()) steps_.push_back({ops.back().seq, bytes, clock_.now()});
  return {};
}

Result<Log::Opened> Log::open(const LogOptions& options, const Clock& clock) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(
      options.path.c_str(), &handle,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, options.vfs);
  std::unique_ptr<Log> log(new Log(options, clock, Database(handle)));
  if (code != SQLITE_OK) return Error{ErrorCode::kConfig, log->error("opening").message};
  if (auto prepared = log->prepare_file(); !prepared) return prepared.error();
  Opened opened;
  if (auto read = log->recover(opened.ops, opened.applied); !read) return read.error();
  {
    MutexLock lock(log->mutex_);
    opened.last = log->next_ - 1;
    log->nearly_full_ = log->too_little_room().has_value();
  }
  // Checkpoints are made here, not by SQLite, which would pass over their errors and try again.
  sqlite3_wal_hook(
      handle,
      [](void* pages, sqlite3*, const char*, int count) {
        *static_cast<int*>(pages) = count;
        return SQLITE_OK;
      },
      &log->log_pages_);
  log->writer_ = std::thread([me = log.get()] { me->work(); });
  opened.log = std::move(log);
  return opened;
}

Log::~Log() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  if (writer_.joinable()) writer_.join();
}

std::optional<std::uint64_t> Log::disk_room() const {
  if (options_.free_bytes) return options_.free_bytes();
  struct statvfs disk{};
  if (statvfs(options_.path.c_str(), &disk) != 0) return std::nullopt;
  return std::uint64_t{disk.f_bavail} * disk.f_frsize;
}

std::optional<std::uint64_t> Log::too_little_room() const {
  if (options_.min_free == 0) return std::nullopt;
  const auto room = disk_room();
  if (!room || *room >= options_.min_free) return std::nullopt;
  // The file has room for what it grows by where it was trimmed, the write-ahead log has not.
  const bool reused =
      *room >= options_.min_free / 2 && *room + unused_.load(std::memory_order_relaxed) >= options_.min_free;
  return reused ? std::nullopt : room;
}

std::optional<Error> Log::refusal(const OpView& op) {
  if (failed_) return Error{ErrorCode::kUnavailable, failed_->message};
  if (stopping_) return Error{ErrorCode::kCancelled, "shutting down"};
  if (nearly_full_) {
    if (const auto room = too_little_room()) {
      return Error{ErrorCode::kOverloaded,
                   fmt::format("the journal's disk is nearly full: {} bytes are free, {} must be; this write "
                               "was not taken",
                               *room, options_.min_free)};
    }
    nearly_full_ = false;
  }
  const std::size_t records = next_ - 1 - trimmed_;
  if (records >= options_.max_records || bytes_ + size_of(op) > options_.max_bytes) {
    return Error{ErrorCode::kOverloaded,
                 fmt::format("the journal is full: {} writes, {} bytes wait for the database (bounds: {} "
                             "and {}); this one was not taken",
                             records, bytes_, options_.max_records, options_.max_bytes)};
  }
  if (options_.max_age > Duration::zero() && !steps_.empty()) {
    const Duration age = clock_.now() - steps_.front().since;
    if (age > options_.max_age) {
      return Error{ErrorCode::kOverloaded,
                   fmt::format("the journal is full: its oldest write has waited for the database for {} s "
                               "(bound: {} s); this one was not taken",
                               std::chrono::duration_cast<std::chrono::seconds>(age).count(),
                               std::chrono::duration<double>(options_.max_age).count())};
    }
  }
  return std::nullopt;
}

Result<std::uint64_t> Log::append(const OpView& op, Durability durability) {
  MutexLock lock(mutex_);
  if (auto refused = refusal(op)) return std::move(*refused);
  const std::uint64_t seq = next_++;
  const std::size_t size = size_of(op);
  bytes_ += size;
  const Instant now = options_.max_age > Duration::zero() ? clock_.now() : Instant{};
  if (steps_.empty() || seq % kStepOps == 0 || steps_.back().bytes >= kStepBytes ||
      now - steps_.back().since > options_.max_age / kStepsOfAge) {
    steps_.push_back({seq, 0, now});
  }
  steps_.back().last = seq;
  steps_.back().bytes += size;
  queue_.push_back({Op{seq, op.lane, std::string(op.source), std::string(op.space), std::string(op.key),
                       std::string(op.payload)},
                    durability});
  if (queue_.size() == 1) wake_.notify_one();
  return seq;
}

void Log::when_committed(std::uint64_t seq, Kept kept) {
  {
    MutexLock lock(mutex_);
    seq = std::min(seq, next_ - 1);
    if (seq > committed_) {
      auto at = committing_.end();
      while (at != committing_.begin() && std::prev(at)->upto > seq) --at;
      committing_.insert(at, {seq, std::move(kept)});
      // Else the group that holds the op is still to be committed, and then they are answered.
      if (failed_) wake_.notify_one();
      return;
    }
  }
  kept({});
}

void Log::when_kept(std::uint64_t seq, Kept kept) {
  MutexLock lock(mutex_);
  waiting_.push_back({std::min(seq, next_ - 1), std::move(kept)});
  wake_.notify_one();
}

struct Log::Read {
  std::uint64_t upto;  // what must be written before
  std::uint32_t lane;
  const std::string* key;  // null: every key's
  std::uint64_t first;
  std::uint64_t last;
  std::promise<Result<std::vector<Op>>> answer = {};
};

Result<std::vector<Op>> Log::read(std::uint32_t lane, const std::string* key, std::uint64_t first,
                                  std::uint64_t last) {
  Read read{0, lane, key, first, last};
  auto answer = read.answer.get_future();
  {
    MutexLock lock(mutex_);
    if (stopping_) return Error{ErrorCode::kCancelled, "shutting down"};
    read.upto = next_ - 1;
    reads_.push_back(&read);
    wake_.notify_one();
  }
  return answer.get();
}

void Log::trim(std::uint64_t seq, std::vector<Applied> applied) {
  MutexLock lock(mutex_);
  if (failed_ || seq <= trimmed_) return;
  trim_ = Trim{seq, std::move(applied)};
  wake_.notify_one();
}

bool Log::next(Work& work) {
  MutexLock lock(mutex_);
  wake_.wait(mutex_, [this]() NO_THREAD_SAFETY_ANALYSIS {
    return stopping_ || !queue_.empty() || trim_ || !waiting_.empty() || !reads_.empty() ||
           (failed_ && !committing_.empty());
  });
  if (queue_.empty() && !trim_ && waiting_.empty() && reads_.empty() && committing_.empty()) return false;
  std::size_t bytes = 0;
  while (!queue_.empty() && work.group.size() < kGroupOps && bytes < kGroupBytes) {
    bytes += size_of(queue_.front().op);
    work.group.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  work.last = queue_.empty() ? next_ - 1 : queue_.front().op.seq - 1;
  while (!waiting_.empty() && waiting_.front().upto <= work.last) {
    work.waiting.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  while (!reads_.empty() && reads_.front()->upto <= work.last) {
    work.reads.push_back(reads_.front());
    reads_.pop_front();
  }
  work.trim = std::exchange(trim_, std::nullopt);
  return true;
}

void Log::work() {
  while (true) {
    Work work;
    if (!next(work)) return;
    Sync sync = Sync::kNo;
    for (const Queued& queued : work.group) {
      if (queued.durability == Durability::kSync) sync = Sync::kYes;
    }
    for (const Waiting& waiting : work.waiting) {
      if (waiting.upto > synced_) sync = Sync::kYes;
    }

    Result<void> committed;
    if (!work.group.empty() || work.trim || sync == Sync::kYes) {
      // After a failure callers are refused at once, so what is left to do is only what waits.
      std::optional<Error> before;
      {
        MutexLock lock(mutex_);
        before = failed_;
      }
      committed = before ? Result<void>(*before) : commit(work, sync);
      if (!committed && !before) fail(committed.error(), work.last);
    }
    answer_committed();
    for (Waiting& waiting : work.waiting) {
      waiting.kept(committed || waiting.upto <= synced_ ? Result<void>() : committed);
    }
    for (Read* read : work.reads) read->answer.set_value(select(*read));
    if (committed && log_pages_ >= kCheckpointPages) {
      // What is committed is safe whatever becomes of it; what is queued since then is not.
      if (auto done = checkpoint(); !done) {
        fail(done.error(), work.last);
        answer_committed();
      }
    }
  }
}

// The ops after committed_ up to `unknown` may be in the file or not; those after that are not.
void Log::fail(const Error& error, std::uint64_t unknown) {
  // Closing would checkpoint, and so sync again.
  sqlite3_db_config(database_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  log_pages_ = 0;
  MutexLock lock(mutex_);
  failed_ =
      Error{ErrorCode::kUnavailable,
            fmt::format("{}; the journal takes no writes until the server is started again", error.message)};
  unknown_ = unknown;
  queue_.clear();
  trim_.reset();
}

void Log::answer_committed() {
  std::deque<Waiting> done;
  std::uint64_t committed = 0;
  std::uint64_t unknown = 0;
  std::optional<Error> failed;
  {
    MutexLock lock(mutex_);
    committed = committed_;
    unknown = unknown_;
    failed = failed_;
    while (!committing_.empty() && (failed_ || committing_.front().upto <= committed_)) {
      done.push_back(std::move(committing_.front()));
      committing_.pop_front();
    }
  }
  for (Waiting& waiting : done) {
    if (waiting.upto <= committed) {
      waiting.kept({});
    } else if (waiting.upto <= unknown) {
      waiting.kept(
          Error{ErrorCode::kUnknownOutcome,
                fmt::format("{}; whether this write was kept shows at the next start", failed->message)});
    } else {
      waiting.kept(
          Error{ErrorCode::kUnavailable, fmt::format("{}; this write was not taken", failed->message)});
    }
  }
}

Result<void> Log::checkpoint() {
  log_pages_ = 0;
  const int code =
      sqlite3_wal_checkpoint_v2(database_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  return code == SQLITE_OK ? Result<void>() : error("checkpoint");
}

Result<std::vector<Op>> Log::select(const Read& read) {
  Statement rows(database_.get(),
                 "SELECT seq, source, namespace, key, payload, crc FROM ops "
                 "WHERE seq BETWEEN ?1 AND ?2 AND lane = ?3 AND (?4 IS NULL OR key = ?4) ORDER BY seq");
  if (!rows.good()) return error("reading ops");
  rows.bind(1, read.first);
  rows.bind(2, read.last);
  rows.bind(3, std::uint64_t{read.lane});
  if (read.key != nullptr) rows.bind(4, *read.key);
  std::vector<Op> ops;
  int code = SQLITE_ERROR;
  while ((code = rows.step()) == SQLITE_ROW) {
    Op op{rows.number(0), read.lane, rows.bytes(1), rows.bytes(2), rows.bytes(3), rows.bytes(4)};
    if (checksum(op) != rows.number(5)) {
      return Error{
          ErrorCode::kInternal,
          fmt::format("journal {}: the checksum of op {} does not match its content", options_.path, op.seq)};
    }
    ops.push_back(std::move(op));
  }
  if (code != SQLITE_DONE) return error("reading ops");
  return ops;
}

Result<void> Log::commit(const Work& work, Sync sync) {
  // Trimming alone may be lost: what it removes is passed over by the databases' ledgers.
  if (sync != synchronous_) {
    if (auto set = run(sync == Sync::kYes ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
        !set)
      return set;
    synchronous_ = sync;
  }
  if (auto begun = run("BEGIN IMMEDIATE"); !begun) return begun;
  auto done = write(work);
  if (done) done = run("COMMIT");
  if (!done) {
    // Ends what is left of it; what the file holds is read at the next start.
    if (sqlite3_get_autocommit(database_.get()) == 0) {
      sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
    return done;
  }
  if (sync == Sync::kYes) synced_ = work.last;
  {
    MutexLock lock(mutex_);
    committed_ = work.last;
  }
  if (too_little_room() || unused_.load(std::memory_order_relaxed) > 0) {
    Statement free_pages(database_.get(),
                         "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size");
    if (free_pages.good() && free_pages.step() == SQLITE_ROW) {
      unused_.store(free_pages.number(0), std::memory_order_relaxed);
    }
    if (too_little_room()) {
      MutexLock lock(mutex_);
      nearly_full_ = true;
    }
  }
  if (work.trim) {
    MutexLock lock(mutex_);
    trimmed_ = work.trim->seq;
    while (!steps_.empty() && steps_.front().last <= trimmed_) {
      bytes_ -= steps_.front().bytes;
      steps_.pop_front();
    }
  }
  return {};
}

Result<void> Log::write(const Work& work) {
  if (work.group.empty() && !work.trim) {
    // A transaction that changes something is synced, and so all before it.
    return set_meta("synced_to", std::to_string(work.last));
  }
  if (!work.group.empty()) {
    Statement insert(database_.get(),
                     "INSERT INTO ops(seq, lane, source, namespace, key, payload, crc) "
                     "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
    if (!insert.good()) return error("writing ops");
    // An empty std::string has an address, so SQLite does not take it for NULL.
    for (const Queued& queued : work.group) {
      const Op& op = queued.op;
      insert.bind(1, op.seq);
      insert.bind(2, std::uint64_t{op.lane});
      insert.bind(3, op.source);
      insert.bind(4, op.space);
      insert.bind(5, op.key);
      insert.bind(6, op.payload);
      insert.bind(7, std::uint64_t{checksum(op)});
      if (insert.step() != SQLITE_DONE) return error("writing ops");
      insert.reset();
    }
  }
  if (!work.trim) return {};
  const Trim& trim = *work.trim;
  Statement remove(database_.get(), "DELETE FROM ops WHERE seq <= ?1");
  remove.bind(1, trim.seq);
  if (!remove.good() || remove.step() != SQLITE_DONE) return error("trimming");
  Statement position(database_.get(),
                     "INSERT OR REPLACE INTO applied(source, lane, seq) VALUES (?1, ?2, ?3)");
  if (!position.good()) return error("trimming");
  for (const Applied& applied : trim.applied) {
    position.bind(1, applied.source);
    position.bind(2, std::uint64_t{applied.lane});
    position.bind(3, applied.seq);
    if (position.step() != SQLITE_DONE) return error("trimming");
    position.reset();
  }
  return set_meta("trimmed_to", std::to_string(trim.seq));
}

}  // namespace forebay::journal
