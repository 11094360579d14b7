#pragma once

// SQLite's C interface with owners, Results and deadlines.
//
// A Connection is used by one thread at a time, and only between begin_call() and end_call(): they set by
// when its statements must be done and who may cancel them. A progress handler looks at both while a
// statement runs, a busy handler while another connection holds a lock; a cancellation also interrupts from
// the thread that asks for it.

#include <sqlite3.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "forebay/source.h"
#include "source/cause.h"
#include "source/sqlite/changed_rows.h"

namespace forebay::source::sqlite {

// By when a call must be over, and who may end it sooner.
class Deadline {
 public:
  explicit Deadline(const CallContext& context)
      : at_(std::chrono::steady_clock::now() + context.timeout), cancel_(context.cancel) {}

  std::chrono::steady_clock::time_point at() const { return at_; }
  CancelToken* cancel() const { return cancel_; }
  bool cancelled() const { return cancel_ != nullptr && cancel_->cancelled(); }
  bool passed() const { return std::chrono::steady_clock::now() >= at_; }

 private:
  std::chrono::steady_clock::time_point at_;
  CancelToken* cancel_;
};

class Connection;

// A prepared statement borrowed from its connection's cache; reset, with its parameters cleared, when this
// goes. What is bound must live until then. Requires that no other Statement of the same text is alive on the
// connection.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // Parameters count from 1.
  void bind_text(int parameter, std::string_view text);
  void bind_blob(int parameter, std::string_view bytes);
  void bind_integer(int parameter, std::int64_t value);
  void bind_real(int parameter, double value);
  void bind_null(int parameter);
  // Makes the statement ready to run again; parameters stay bound.
  void reset();

  // True: there is a row to look at. False: done.
  Result<bool> step();

  // The row's columns, from 0; views live until the next step().
  int columns() const;
  std::string_view name(int column) const;
  int type(int column) const;  // SQLITE_INTEGER, SQLITE_FLOAT, SQLITE_TEXT, SQLITE_BLOB or SQLITE_NULL
  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string_view bytes(int column) const;  // of text and blobs

  sqlite3_stmt* handle() const { return handle_; }

 private:
  friend class Connection;
  Statement(Connection& connection, sqlite3_stmt* handle) : connection_(&connection), handle_(handle) {}

  Connection* connection_;
  sqlite3_stmt* handle_;  // null: moved from
};

enum class Access : std::uint8_t { kRead, kWrite };

// What SQLite said when it failed.
struct Failure {
  int code = SQLITE_OK;   // extended
  bool compiles = false;  // whether the statement could be prepared (again): then its names are all there
};
Cause cause_of(const Failure& failure);

class Connection {
 public:
  // Opens an existing file. `source` names the source in messages. A connection for reading refuses to write;
  // one for writing checks foreign keys, makes each commit durable before it returns (synchronous = FULL at
  // least) and turns the file's journal to WAL if nobody is in the way, so that readers and the writer do not
  // wait for each other.
  static Result<std::unique_ptr<Connection>> open(const std::string& source, const std::string& path,
                                                  Access access, const Deadline& deadline);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // `deadline` must live until end_call(). kCancelled or kTimeout: it is over already, and no call has begun.
  Result<void> begin_call(const Deadline& deadline);
  void end_call();

  // A statement, prepared on first use. The cache keeps the kStatementsMax last prepared.
  Result<Statement> prepare(const std::string& sql);
  // Runs a statement that has neither parameters nor rows.
  Result<void> run(const std::string& sql);
  // The same without keeping the statement: for what is run once, such as a change of the schema.
  Result<void> run_once(const std::string& sql);
  // The first column of a statement's only row; 0 where there is no row or it is NULL.
  Result<std::int64_t> ask(const std::string& sql);

  // The first thing that SQLite itself refused or couldn't do since forget_failure().
  const std::optional<Failure>& failure() const { return failure_; }
  void forget_failure() { failure_.reset(); }
  // Rows that the last statement which wrote has changed.
  std::int64_t changes() const;

  // Which rows they were, with those of triggers and cascades; of a connection for writing.
  ChangedRows& changed_rows() { return changed_rows_; }

  bool in_transaction() const;
  // Rolls back if a transaction is open, whatever the deadline says.
  void roll_back();

  // What went wrong in the last step, and whether the connection can be used again (false after damage or an
  // I/O error).
  Error error(int code, std::string_view doing) const;
  bool usable() const { return usable_; }

  sqlite3* handle() const { return handle_; }
  // Differs between any two connections of this process.
  std::uint64_t id() const { return id_; }

 private:
  friend class Statement;
  static constexpr std::size_t kStatementsMax = 256;

  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };

  Connection(std::string source, sqlite3* handle);
  static int on_progress(void* connection);
  static int on_busy(void* connection, int times);
  Result<void> set_up(Access access);
  void note(const Failure& failure);
  bool compiles(const char* sql) const;

  const std::string source_;
  sqlite3* const handle_;
  const std::uint64_t id_;
  const Deadline* deadline_ = nullptr;  // of the call in progress
  mutable bool usable_ = true;
  std::optional<Failure> failure_;
  ChangedRows changed_rows_;
  std::unordered_map<std::string, std::unique_ptr<sqlite3_stmt, Finalize>> statements_;
  std::size_t borrowed_ = 0;  // Statements alive; the cache is emptied only without any
};

// A transaction that is rolled back unless it was committed.
class Transaction {
 public:
  enum class Kind : std::uint8_t {
    kRead,   // one snapshot for all that is read in it
    kWrite,  // holds the database's write lock from the start
  };
  static Result<Transaction> begin(Connection& connection, Kind kind);
  Transaction(Transaction&& other) noexcept;
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // An error of kind kUnknownOutcome: the disk failed after the commit may have reached it. Any other:
  // nothing changed.
  Result<void> commit();

 private:
  explicit Transaction(Connection& connection) : connection_(&connection) {}
  Connection* connection_;  // null: over
};

}  // namespace forebay::source::sqlite
