#pragma once

// The connections of one PostgreSQL source.
//
// At most `size` are open at once. A call borrows one; one that broke, or that was idle when the server ended
// it, is closed and replaced by the next call that needs it. A read whose connection breaks under it is
// repeated once on a fresh one, since reading twice is harmless; a write never is.

#include <libpq-fe.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "forebay/function_ref.h"
#include "source/postgres/canceller.h"
#include "source/postgres/connection.h"
#include "source/postgres/error.h"

namespace forebay::source::postgres {

// Thread-safe. Outlives what it lends.
class Pool {
 public:
  Pool(std::string url, std::size_t size, std::chrono::milliseconds connect_timeout,
       config::Pooler pooler = config::Pooler::kNone);

  std::size_t size() const { return size_; }

  // Every statement is prepared anew from now on. A session keeps a parameter's type as it was when it
  // prepared the statement, even if the column has got another one since.
  void tables_may_have_changed();

  using Work = FunctionRef<Outcome<ResultPtr>(Connection&)>;

  // Runs `work`, which only reads, on a connection. It may be run twice, on different connections.
  Outcome<ResultPtr> read(const Call& call, Work work);

  // Runs `work` in a read-write transaction and commits if it succeeds. It is run twice only if the first run
  // failed, and was rolled back, because its prepared statements may be stale. A commit that was not
  // confirmed is kUnknownOutcome; after any other failure nothing has changed.
  Outcome<ResultPtr> write(const Call& call, Work work);

 private:
  // A borrowed connection; gives it back, or closes it if it can't be used again.
  class Loan {
   public:
    Loan(Pool& pool, std::unique_ptr<Connection> connection)
        : pool_(&pool), connection_(std::move(connection)) {}
    Loan(Loan&& other) noexcept : pool_(other.pool_), connection_(std::move(other.connection_)) {}
    Loan& operator=(Loan&&) = delete;
    ~Loan() {
      if (connection_ != nullptr) pool_->give_back(std::move(connection_));
    }
    Connection& operator*() { return *connection_; }

   private:
    Pool* pool_;
    std::unique_ptr<Connection> connection_;
  };
  enum class Wanted { kAny, kFresh };

  Outcome<Loan> borrow(const Call& call, Wanted wanted);
  // Waits for the right to one connection: an idle one, or nothing if one may be opened.
  Outcome<std::unique_ptr<Connection>> claim(const Call& call);
  void give_back(std::unique_ptr<Connection> connection);
  void release_claim();
  static Outcome<ResultPtr> transaction(Connection& connection, const Call& call, Work work);

  const std::string url_;
  const std::size_t size_;
  const std::chrono::milliseconds connect_timeout_;
  const config::Pooler pooler_;
  Canceller canceller_;
  Mutex mutex_;
  Condition changed_;
  std::vector<std::unique_ptr<Connection>> idle_
      GUARDED_BY(mutex_);  // the last one used is the next to be used
  std::uint64_t generation_ GUARDED_BY(mutex_) = 0;
  std::size_t lent_ GUARDED_BY(mutex_) = 0;  // including those being opened
};

}  // namespace forebay::source::postgres
