#include "source/sqlite/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "source/answer_bound.h"

namespace forebay::source::sqlite {
namespace {

using std::chrono::milliseconds;

// Virtual-machine steps between two looks at the deadline: some tens of microseconds, against 30 ns for a
// look.
constexpr int kProgressSteps = 2000;

std::uint64_t next_id() {
  static std::atomic<std::uint64_t> ids{0};
  return ++ids;
}

// The codes after which the connection's file handles or page cache are not to be trusted.
bool is_damage(int code) {
  switch (code & 0xff) {
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CANTOPEN:
    case SQLITE_NOMEM:
      return true;
    default:
      return false;
  }
}

ErrorCode meaning(int code) {
  switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_ERROR:  // no such table, malformed JSON, integer overflow: the statement and the data don't
                        // fit
    case SQLITE_RANGE:
    case SQLITE_SCHEMA:
      return ErrorCode::kRefused;
    case SQLITE_MISUSE:
    case SQLITE_INTERNAL:
      return ErrorCode::kInternal;
    default:
      return ErrorCode::kUnavailable;
  }
}

}  // namespace

// Constraints include what triggers RAISE(). SQLITE_ERROR is both what doesn't compile ("no such table",
// "foreign key mismatch") and what fails while it runs ("malformed JSON", "integer overflow").
Cause cause_of(const Failure& failure) {
  switch (failure.code & 0xff) {
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
      return Cause::kData;
    case SQLITE_ERROR:
      return failure.compiles ? Cause::kData : Cause::kSchema;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_SCHEMA:
      return Cause::kSchema;
    default:
      return Cause::kPassing;
  }
}

// ---- Statement

Statement::Statement(Statement&& other) noexcept
    : connection_(other.connection_), handle_(std::exchange(other.handle_, nullptr)) {}

Statement::~Statement() {
  if (handle_ == nullptr) return;
  sqlite3_reset(handle_);
  sqlite3_clear_bindings(handle_);
  --connection_->borrowed_;
}

// SQLITE_STATIC: the bytes outlive the statement's use, as the class asks. An empty view may have no address,
// which SQLite would take for NULL.
void Statement::bind_text(int parameter, std::string_view text) {
  sqlite3_bind_text64(handle_, parameter, text.empty() ? "" : text.data(), text.size(), SQLITE_STATIC,
                      SQLITE_UTF8);
}

void Statement::bind_blob(int parameter, std::string_view bytes) {
  sqlite3_bind_blob64(handle_, parameter, bytes.empty() ? "" : bytes.data(), bytes.size(), SQLITE_STATIC);
}

void Statement::bind_integer(int parameter, std::int64_t value) {
  sqlite3_bind_int64(handle_, parameter, value);
}
void Statement::bind_real(int parameter, double value) {
  sqlite3_bind_double(handle_, parameter, value);
}
void Statement::bind_null(int parameter) {
  sqlite3_bind_null(handle_, parameter);
}
void Statement::reset() {
  sqlite3_reset(handle_);
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  const Error error = connection_->error(sqlite3_extended_errcode(connection_->handle_), {});
  connection_->note({code, code != SQLITE_ERROR || connection_->compiles(sqlite3_sql(handle_))});
  return error;
}

int Statement::columns() const {
  return sqlite3_column_count(handle_);
}
std::string_view Statement::name(int column) const {
  return sqlite3_column_name(handle_, column);
}
int Statement::type(int column) const {
  return sqlite3_column_type(handle_, column);
}
std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(handle_, column);
}
double Statement::real(int column) const {
  return sqlite3_column_double(handle_, column);
}

std::string_view Statement::bytes(int column) const {
  // The pointer first: it may convert, and only then is the length that of the converted text.
  const void* data = type(column) == SQLITE_BLOB
                         ? sqlite3_column_blob(handle_, column)
                         : static_cast<const void*>(sqlite3_column_text(handle_, column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(handle_, column));
  return data == nullptr ? std::string_view() : std::string_view(static_cast<const char*>(data), size);
}

// ---- Connection

Connection::Connection(std::string source, sqlite3* handle)
    : source_(std::move(source)), handle_(handle), id_(next_id()) {}

Connection::~Connection() {
  statements_.clear();
  sqlite3_close(handle_);
}

Result<std::unique_ptr<Connection>> Connection::open(const std::string& source, const std::string& path,
                                                     Access access, const Deadline& deadline) {
  sqlite3* handle = nullptr;
  // NOMUTEX: one thread at a time is ours to see to. Without CREATE, a wrong path is an error and not an
  // empty database.
  const int code = sqlite3_open_v2(
      path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  if (handle == nullptr) return Error{ErrorCode::kUnavailable, fmt::format("source {}: no memory", source)};
  std::unique_ptr<Connection> connection(new Connection(source, handle));
  if (code != SQLITE_OK) return connection->error(code, fmt::format("cannot open {}", path));

  if (auto begun = connection->begin_call(deadline); !begun) return begun.error();
  auto ready = connection->set_up(access);
  connection->end_call();
  if (!ready) {
    Error error = std::move(ready).error();
    error.message += fmt::format(" (opening {})", path);
    return error;
  }
  return connection;
}

Result<void> Connection::set_up(Access access) {
  sqlite3_progress_handler(handle_, kProgressSteps, &Connection::on_progress, this);
  sqlite3_busy_handler(handle_, &Connection::on_busy, this);
  // A misspelled "column" in double quotes is then an error instead of a string.
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  // The first read of the file: says whether it is a database at all.
  if (auto version = ask("PRAGMA schema_version"); !version) return version.error();
  if (access == Access::kRead) {
    sqlite3_limit(handle_, SQLITE_LIMIT_LENGTH, static_cast<int>(kAnswerBytesMax));
    return run("PRAGMA query_only = ON");
  }
  changed_rows_.listen_to(handle_);
  if (auto keys = run("PRAGMA foreign_keys = ON"); !keys) return keys;
  constexpr std::int64_t kFull = 2;
  auto synchronous = ask("PRAGMA synchronous");
  if (!synchronous) return synchronous.error();
  if (*synchronous < kFull) {
    if (auto full = run("PRAGMA synchronous = FULL"); !full) return full;
  }
  // While somebody reads in the old mode it can't be changed; then it stays as it is, which is slower and as
  // correct.
  auto mode = ask("PRAGMA journal_mode = WAL");
  if (!mode && mode.error().code != ErrorCode::kTimeout) return mode.error();
  return {};
}

Result<void> Connection::begin_call(const Deadline& deadline) {
  if (deadline.cancelled()) return Error{ErrorCode::kCancelled, fmt::format("source {}: cancelled", source_)};
  if (deadline.passed())
    return Error{ErrorCode::kTimeout, fmt::format("source {}: no connection free in time", source_),
                 ErrorScope::kCall};
  deadline_ = &deadline;
  if (deadline.cancel() != nullptr) {
    deadline.cancel()->on_cancel([handle = handle_] { sqlite3_interrupt(handle); });
  }
  return {};
}

void Connection::end_call() {
  if (deadline_ != nullptr && deadline_->cancel() != nullptr) deadline_->cancel()->on_cancel({});
  deadline_ = nullptr;
}

int Connection::on_progress(void* connection) {
  const Deadline* deadline = static_cast<Connection*>(connection)->deadline_;
  return deadline != nullptr && (deadline->cancelled() || deadline->passed()) ? 1 : 0;
}

// Waits 1, 2, 4, … 16 ms between tries, as the holder of a lock tells nobody when it lets go.
int Connection::on_busy(void* connection, int times) {
  const Deadline* deadline = static_cast<Connection*>(connection)->deadline_;
  if (deadline == nullptr || deadline->cancelled() || deadline->passed()) return 0;
  const milliseconds pause(1 << std::min(times, 4));
  std::this_thread::sleep_until(std::min(std::chrono::steady_clock::now() + pause, deadline->at()));
  return 1;
}

Result<Statement> Connection::prepare(const std::string& sql) {
  if (const auto found = statements_.find(sql); found != statements_.end()) {
    ++borrowed_;
    return Statement(*this, found->second.get());
  }
  sqlite3_stmt* handle = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
  if (code != SQLITE_OK) {
    note({code, false});
    return error(code, {});
  }
  if (handle == nullptr)
    return Error{ErrorCode::kInternal, fmt::format("source {}: an empty statement", source_)};
  if (statements_.size() >= kStatementsMax && borrowed_ == 0) statements_.clear();
  statements_.emplace(sql, handle);
  ++borrowed_;
  return Statement(*this, handle);
}

Result<void> Connection::run(const std::string& sql) {
  auto statement = prepare(sql);
  if (!statement) return statement.error();
  auto row = statement->step();
  if (!row) return row.error();
  return {};
}

Result<void> Connection::run_once(const std::string& sql) {
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) return {};
  note({code, false});
  return error(code, {});
}

Result<std::int64_t> Connection::ask(const std::string& sql) {
  auto statement = prepare(sql);
  if (!statement) return statement.error();
  auto row = statement->step();
  if (!row) return row.error();
  return *row ? statement->integer(0) : 0;
}

bool Connection::in_transaction() const {
  return sqlite3_get_autocommit(handle_) == 0;
}

void Connection::roll_back() {
  if (!in_transaction()) return;
  const Deadline* deadline =
      std::exchange(deadline_, nullptr);  // or its progress handler would stop the ROLLBACK
  if (!run("ROLLBACK")) usable_ = false;
  deadline_ = deadline;
}

void Connection::note(const Failure& failure) {
  if (is_damage(failure.code)) usable_ = false;
  if (!failure_) failure_ = failure;
}

bool Connection::compiles(const char* sql) const {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(handle_, sql, -1, &statement, nullptr);
  sqlite3_finalize(statement);
  return code == SQLITE_OK;
}

std::int64_t Connection::changes() const {
  return sqlite3_changes64(handle_);
}

Error Connection::error(int code, std::string_view doing) const {
  const std::string where =
      doing.empty() ? fmt::format("source {}", source_) : fmt::format("source {}: {}", source_, doing);
  if ((code & 0xff) == SQLITE_INTERRUPT || (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED) {
    if (deadline_ != nullptr && deadline_->cancelled()) return {ErrorCode::kCancelled, where + ": cancelled"};
    if ((code & 0xff) == SQLITE_INTERRUPT) return {ErrorCode::kTimeout, where + ": no answer in time"};
    return {ErrorCode::kTimeout,
            fmt::format("{}: waited for a lock that another connection holds: {}", where,
                        sqlite3_errmsg(handle_)),
            ErrorScope::kCall};
  }
  const char* text = sqlite3_errmsg(handle_);
  return {meaning(code), fmt::format("{}: {}", where, text)};
}

// ---- Transaction

Result<Transaction> Transaction::begin(Connection& connection, Kind kind) {
  auto begun = connection.run(kind == Kind::kRead ? "BEGIN" : "BEGIN IMMEDIATE");
  if (!begun) return begun.error();
  return Transaction(connection);
}

Transaction::Transaction(Transaction&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)) {}

Transaction::~Transaction() {
  if (connection_ != nullptr) connection_->roll_back();
}

Result<void> Transaction::commit() {
  auto committed = connection_->run("COMMIT");
  if (committed) {
    connection_ = nullptr;
    return {};
  }
  // An I/O error may come after the commit record is in the log, from where recovery would take it.
  // Everything else leaves the transaction open or has rolled it back.
  const bool unknown = (sqlite3_extended_errcode(connection_->handle()) & 0xff) == SQLITE_IOERR;
  connection_->roll_back();
  connection_ = nullptr;
  if (unknown) return Error{ErrorCode::kUnknownOutcome, committed.error().message};
  return committed;
}

}  // namespace forebay::source::sqlite
