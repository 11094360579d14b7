#pragma once

// One session with a MySQL or MariaDB server, on libmariadb's non-blocking calls and poll().
//
// A server that hangs holds nobody: every wait ends at the call's deadline, at most kGrace later (the server is
// told the same limit, and gets that long to answer with its own error, which keeps the session usable). An
// overdue or cancelled statement is also ended on the server. A session whose state isn't certain any more is
// not usable() and must be closed.
//
// Every session reads in read-only transactions unless it begins one that writes, at READ COMMITTED, in UTC, in
// utf8mb4 and under a strict sql_mode of its own, so that no setting of the server changes what values look
// like or lets it change a value that does not fit.
//
// Not thread-safe: one call at a time.

#include <mysql.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "source/call.h"
#include "source/mysql/address.h"
#include "source/mysql/canceller.h"
#include "source/mysql/error.h"
#include "source/mysql/handle.h"
#include "source/mysql/rows.h"

namespace forebay::source::mysql {

class Connection {
 public:
  // Connects, within the call's deadline and `connect_timeout`. Failures are lost ones.
  static Outcome<std::unique_ptr<Connection>> open(const Address& address,
                                                   std::chrono::milliseconds connect_timeout,
                                                   Canceller& canceller, const Call& call);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Runs one statement, prepared in this session on its first use. What the server has no room for fails as
  // kRefused and isn't sent.
  Outcome<Rows> execute(const std::string& sql, std::span<const Parameter> parameters, const Call& call);

  // Prepares a statement anew without running it: what it returns. kRefused: it takes another number of
  // parameters.
  Outcome<std::vector<Field>> describe(const std::string& sql, std::size_t parameters, const Call& call);

  // Runs a statement without parameters and without preparing it; what it returns is dropped.
  Outcome<void> command(const std::string& sql, const Call& call);

  // The same of a statement that makes a table, outside of a transaction: it would end with it.
  Outcome<void> define(const std::string& sql, const Call& call);

  // Begins a transaction that may write, with what is left of the call's time as each statement's limit.
  Outcome<void> begin(const Call& call);
  // Ends it. A failure that is lost leaves open whether it was committed. Not cancellable.
  Outcome<void> commit(const Call& call);
  void rollback(const Call& call);

  // Somebody has set other limits in the session: they are told anew before the next transaction.
  void limits_are_uncertain() { limits_certain_ = false; }

  void forget_statements();
  // Forgets the statements that were prepared for an earlier generation of the database's tables.
  void keep_up_with(std::uint64_t generation);

  // Whether nothing has happened to an idle session as far as this side knows. Costs a system call.
  bool alive();
  bool usable() const { return usable_; }

  bool is_mariadb() const { return mariadb_; }
  // The server's number for the session.
  std::uint64_t id() const { return id_; }
  // When it began, by the server's clock: seconds of Unix time.
  std::uint64_t began() const { return began_; }

 private:
  enum class Wake { kReady, kDeadline, kCancelled };
  enum class Interrupt { kAllowed, kNever };
  struct StatementDeleter {
    void operator()(MYSQL_STMT* statement) const { mysql_stmt_close(statement); }
  };
  using StatementPtr = std::unique_ptr<MYSQL_STMT, StatementDeleter>;

  Connection(HandlePtr handle, int wake_fd, Canceller& canceller);

  Outcome<void> set_up(const Call& call);
  // Limits the statements that follow: outside a transaction to the call's timeout, inside one to what is left.
  Outcome<void> set_timeout(const Call& call);
  std::string limits(std::chrono::milliseconds limit) const;
  // Runs one of libmariadb's calls to its end: `start` and `go_on` return what they wait for.
  template <class Start, class GoOn>
  Outcome<void> drive(const Call& call, Interrupt interrupt, Start start, GoOn go_on);
  Outcome<void> query(const std::string& sql, const Call& call, Interrupt interrupt);
  Outcome<StatementPtr> make_statement(const std::string& sql, const Call& call);
  Outcome<MYSQL_STMT*> prepare(const std::string& sql, const Call& call);
  Outcome<Rows> run(MYSQL_STMT* statement, const Call& call);
  Outcome<void> fetch(MYSQL_STMT* statement, Rows& rows, const Call& call);
  Wake wait(int& events, Clock::time_point deadline, const Call* cancellable);
  Failure failed(unsigned number, const char* message, const Call& call);
  Failure failed(MYSQL_STMT* statement, const Call& call);
  Failure too_much();

  HandlePtr handle_;
  const int wake_fd_;  // an eventfd that a cancellation makes readable
  Canceller& canceller_;
  bool usable_ = true;
  bool tls_ = false;
  bool mariadb_ = false;
  bool in_transaction_ = false;
  bool limits_certain_ = true;
  std::uint64_t id_ = 0;
  std::uint64_t began_ = 0;
  std::uint64_t packet_max_ = 0;         // what the server takes in one message, bytes
  std::uint64_t own_lock_wait_ = 0;      // the server's own limit, seconds
  std::chrono::milliseconds limit_{-1};  // of the statements that follow, told last; -1: nothing certain
  std::unordered_map<std::string, StatementPtr> statements_;
  std::uint64_t generation_ = 0;
};

}  // namespace forebay::source::mysql
