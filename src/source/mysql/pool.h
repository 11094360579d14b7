#pragma once

// The connections of one MySQL source.
//
// At most `size` are open at once. A call borrows one; one that broke, or that was idle when the server ended
// it, is closed and replaced by the next call that needs it. A read whose connection breaks under it is
// repeated once on a fresh one, since reading twice is harmless; a write never is.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "forebay/function_ref.h"
#include "source/mysql/connection.h"

namespace forebay::source::mysql {

// What a commit that was not confirmed is known by: Source::has_ended().
std::uint64_t transaction_of(const Connection& connection);

// Thread-safe. Outlives what it lends.
class Pool {
 public:
  Pool(Address address, std::size_t size, std::chrono::milliseconds connect_timeout);

  std::size_t size() const { return size_; }
  const Address& address() const { return address_; }

  // Every statement is prepared anew from now on.
  void tables_may_have_changed();

  using Read = FunctionRef<Outcome<Rows>(Connection&)>;
  using Write = FunctionRef<Outcome<void>(Connection&)>;

  // Runs `work`, which only reads, on a connection. It may be run twice, on different connections.
  Outcome<Rows> read(const Call& call, Read work);
  // One statement that reads.
  Outcome<Rows> ask(const std::string& sql, std::span<const Parameter> parameters, const Call& call);

  // Runs `work` in a read-write transaction and commits if it succeeds. It is run again, some times, only if it
  // failed, and was rolled back, because of a deadlock or because its prepared statements were stale. A commit that was not confirmed is
  // kUnknownOutcome, and `transaction` (if given) is what it is known by; after any other failure nothing has
  // changed.
  Outcome<void> write(const Call& call, Write work, std::uint64_t* transaction = nullptr);

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
  static Outcome<void> transaction(Connection& connection, const Call& call, Write work);

  const Address address_;
  const std::size_t size_;
  const std::chrono::milliseconds connect_timeout_;
  Canceller canceller_;
  Mutex mutex_;
  Condition changed_;
  std::vector<std::unique_ptr<Connection>> idle_
      GUARDED_BY(mutex_);  // the last one used is the next to be used
  std::uint64_t generation_ GUARDED_BY(mutex_) = 0;
  std::size_t lent_ GUARDED_BY(mutex_) = 0;  // including those being opened
};

}  // namespace forebay::source::mysql
