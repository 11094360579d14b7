#pragma once

// One session with a PostgreSQL server, on libpq's non-blocking calls and poll().
//
// A server that hangs holds nobody: every wait ends at the call's deadline, at most kGrace later (the server
// is told the same time as its statement_timeout, and gets that long to answer with its own error, which
// keeps the session usable). A cancelled or overdue statement is also cancelled on the server. A session
// whose state isn't certain any more is not usable() and must be closed.
//
// Every session reads in a read-only transaction unless it begins one that writes, and writes times as ISO 8601
// in UTC, so that no setting of the server or of a role changes what values look like. Who waits for a lock is
// told so by the server (55P03), shortly before the statement's time is up.
//
// Behind a pooler (config::Pooler) that lends the server's sessions by the transaction, nothing may be left in
// a session: other clients get it next. All settings are then local to a transaction and go with the statement,
// in one round trip, and no statement is prepared by name. A pooler that was not announced is noticed, as the
// process that answers is not the one that the session was opened with, and refused before anything is set.
//
// Not thread-safe: one call at a time.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "config/model.h"
#include "forebay/source.h"
#include "source/call.h"
#include "source/postgres/canceller.h"
#include "source/postgres/error.h"

namespace forebay::source::postgres {

using source::Call;
using source::Clock;
using source::kGrace;

// A statement with its parameters as text (no NUL in them).
struct Statement {
  std::string sql;
  std::vector<OptionalText> parameters;
};

class Connection {
 public:
  // Connects, within the call's deadline and `connect_timeout`. `url` is a libpq URI or connection string;
  // what it leaves out comes from libpq's environment variables and files. Failures are lost ones. kConfig:
  // there is a pooler, and `pooler` says that there is none.
  static Outcome<std::unique_ptr<Connection>> open(const std::string& url,
                                                   std::chrono::milliseconds connect_timeout,
                                                   config::Pooler pooler, Canceller& canceller,
                                                   const Call& call);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Runs one statement with parameters as text (no NUL in them), prepared in this session on its first use.
  // What PostgreSQL's protocol has no room for (65,535 parameters, 1 GiB) fails as class 54 and isn't sent.
  Outcome<ResultPtr> execute(const std::string& sql, std::span<const OptionalText> parameters,
                             const Call& call);

  // Runs statements in their order without waiting for each one's answer (libpq's pipeline mode), so that all
  // of them take about one round trip. Requires a transaction in progress. If one fails those after it are
  // not run, and `failed` is its place; a failure that is lost may be of any.
  Outcome<std::vector<ResultPtr>> execute_all(std::span<const Statement* const> statements, const Call& call,
                                              std::size_t& failed);

  // Prepares a statement without running it and returns its description (PQparamtype, PQftype, PQfname).
  Outcome<ResultPtr> describe(const std::string& sql, const Call& call);

  // The same of the tables as they are now: nothing that was prepared before is used.
  Outcome<ResultPtr> describe_anew(const std::string& sql, const Call& call);

  // Runs a statement without parameters and without preparing it, in a transaction or where it needs no
  // settings.
  Outcome<ResultPtr> command(const std::string& sql, const Call& call);

  // As PQserverVersion(): 150018 for 15.18.
  int server_version() const { return PQserverVersion(connection_); }

  // Whether the database's own encoding is UTF-8, so that it takes all text.
  bool is_utf8() const;

  // Begins a transaction that may write, with what is left of the call's time as each statement's limit.
  Outcome<ResultPtr> begin(const Call& call);
  // Ends the transaction in progress. A failure that is lost leaves open whether it was committed. Not
  // cancellable.
  Outcome<void> commit(const Call& call);
  void rollback(const Call& call);

  // Forgets the statements that were prepared for an earlier generation of the database's tables.
  void keep_up_with(std::uint64_t generation, const Call& call);
  // Forgets the prepared statements, here and on the server: for when a table has changed under them.
  void forget_statements(const Call& call);

  // Whether nothing has happened to an idle session as far as this side knows. Costs a system call, no round
  // trip.
  bool alive();
  // Whether it may be used for another call.
  bool usable() const { return usable_; }

 private:
  enum class Wake { kReady, kDeadline, kCancelled };
  enum class Interrupt { kAllowed, kNever };

  Connection(PGconn* connection, int wake_fd, config::Pooler pooler, Canceller& canceller);

  bool is_pooled() const { return pooler_ != config::Pooler::kNone; }
  bool in_transaction() const { return PQtransactionStatus(connection_) == PQTRANS_INTRANS; }
  Outcome<void> find_pooler(const Call& call);
  Outcome<void> set_up(const Call& call);
  // Limits the statements that follow: outside a transaction to the call's timeout, inside one to what is left.
  Outcome<void> set_timeout(const Call& call);
  // What sets a transaction's limits and, behind a pooler, all else.
  std::string local_settings(std::chrono::milliseconds limit) const;
  std::string lock_limit(std::chrono::milliseconds limit) const;
  // Runs what `send` sends, which has so many results, in a transaction of its own that only reads, with its
  // settings. Returns the last result.
  template <class Send>
  Outcome<ResultPtr> run_with_settings(const Call& call, std::size_t results, Send send);
  // Sends by libpq's pipeline mode, and receives so many results, which it adds to `results`.
  template <class Send>
  Outcome<void> pipeline(const Call& call, std::size_t count, std::vector<ResultPtr>& results,
                         std::size_t& failed, Send send);
  // `name`: of the prepared statement; behind a pooler the text goes.
  bool send(const std::string& name, const std::string& sql, std::span<const OptionalText> parameters);
  enum class Room : std::uint8_t { kMake, kIsMade };  // for one more prepared statement
  Outcome<std::string> prepare(const std::string& sql, const Call& call, Room room = Room::kMake);
  // What follows a PQsend… call: its result, by the deadline.
  Outcome<ResultPtr> finish(bool sent, const Call& call, Interrupt interrupt = Interrupt::kAllowed);
  Outcome<ResultPtr> receive(const Call& call, Interrupt interrupt);
  // One statement's result, up to its end, row by row; null: there was none. A server's error is left in `error`,
  // unless there is one already.
  Outcome<ResultPtr> gather(const Call& call, Interrupt interrupt, ResultPtr& error);
  // execute_all() of so many that all of them can be prepared at once; adds to `results`.
  Outcome<void> execute_some(std::span<const Statement* const> statements, const Call& call,
                             std::vector<ResultPtr>& results, std::size_t& failed);
  Outcome<void> receive_all(std::size_t count, const Call& call, std::vector<ResultPtr>& results,
                            std::size_t& failed);
  Outcome<void> flush(const Call& call, Interrupt interrupt);
  // The next result, or null at a statement's end.
  Outcome<ResultPtr> next_result(const Call& call, Interrupt interrupt);
  Failure failed_with(const PGresult* result, const Call& call);
  Wake wait(short events, Clock::time_point deadline, const Call* cancellable);
  Failure interrupted(Wake why, const Call& call);
  Failure lost();
  // Gives the session up: what the server still sends is not read.
  Failure too_much();

  PGconn* connection_;
  int wake_fd_;  // an eventfd that a cancellation makes readable
  const config::Pooler pooler_;
  Canceller& canceller_;
  bool usable_ = true;
  std::chrono::milliseconds statement_timeout_{-1};          // of the session: told last; -1: nothing certain
  std::chrono::milliseconds transaction_timeout_{0};         // of the transaction in progress
  std::int64_t own_lock_timeout_ = 0;                        // the role's own, in milliseconds; 0: none
  std::unordered_map<std::string, std::string> statements_;  // text -> name
  std::size_t names_given_ = 0;
  std::uint64_t generation_ = 0;
};

}  // namespace forebay::source::postgres
