#include "source/mysql/pool.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

namespace forebay::source::mysql {
namespace {

bool connection_broke(const Failure& failure) {
  return failure.lost && failure.error.code == ErrorCode::kUnavailable;
}

// How often a transaction is run whose rows other writers lock in another order.
constexpr int kRunsMax = 5;

// It was rolled back, and will most likely succeed now: the other side of a deadlock has its locks by then.
bool is_worth_another_run(const Failure& failure) {
  return !failure.lost && (failure.code == code::kDeadlock || statements_may_be_stale(failure));
}

}  // namespace

// Numbers of sessions begin anew with each start of the server: the session's beginning goes with its own.
std::uint64_t transaction_of(const Connection& connection) {
  return connection.began() << 32 | (connection.id() & 0xffff'ffff);
}

Pool::Pool(Address address, std::size_t size, std::chrono::milliseconds connect_timeout)
    : address_(std::move(address)), size_(size), connect_timeout_(connect_timeout), canceller_(address_) {}

Outcome<Rows> Pool::read(const Call& call, Read work) {
  Failure failure;
  {
    auto loan = borrow(call, Wanted::kAny);
    if (!loan) return std::unexpected(std::move(loan).error());
    auto result = work(**loan);
    if (!result && statements_may_be_stale(result.error())) {
      (**loan).forget_statements();
      result = work(**loan);
    }
    if (result || !connection_broke(result.error())) return result;
    failure = std::move(result.error());
  }
  if (Clock::now() >= call.deadline || call.cancelled()) return std::unexpected(std::move(failure));
  auto loan = borrow(call, Wanted::kFresh);
  if (!loan) return std::unexpected(std::move(loan).error());
  return work(**loan);
}

Outcome<Rows> Pool::ask(const std::string& sql, std::span<const Parameter> parameters, const Call& call) {
  return read(call, [&](Connection& connection) { return connection.execute(sql, parameters, call); });
}

Outcome<void> Pool::write(const Call& call, Write work, std::uint64_t* known_by) {
  auto loan = borrow(call, Wanted::kAny);
  if (!loan) return std::unexpected(std::move(loan).error());
  if (known_by != nullptr) *known_by = transaction_of(**loan);
  for (int run = 1;; ++run) {
    auto result = transaction(**loan, call, work);
    if (result || run == kRunsMax || !is_worth_another_run(result.error()) || Clock::now() >= call.deadline)
      return result;
    if (statements_may_be_stale(result.error())) (**loan).forget_statements();
  }
}

Outcome<void> Pool::transaction(Connection& connection, const Call& call, Write work) {
  auto begun = connection.begin(call);
  if (!begun) {
    // The server takes no writes now, whatever they are: it has become a replica.
    if (begun.error().error.code == ErrorCode::kRefused) begun.error().error.code = ErrorCode::kUnavailable;
    return begun;
  }
  auto result = work(connection);
  if (!result) {
    connection.rollback(call);
    return result;
  }
  auto committed = connection.commit(call);
  if (committed) return result;
  Failure& failure = committed.error();
  if (failure.lost) {
    failure.error.code = ErrorCode::kUnknownOutcome;
    failure.error.message = "the commit was not confirmed: " + failure.error.message;
  }
  return committed;
}

void Pool::tables_may_have_changed() {
  MutexLock lock(mutex_);
  ++generation_;
}

Outcome<Pool::Loan> Pool::borrow(const Call& call, Wanted wanted) {
  auto claimed = claim(call);
  if (!claimed) return std::unexpected(std::move(claimed).error());
  std::unique_ptr<Connection> connection = std::move(*claimed);
  if (connection != nullptr && (wanted == Wanted::kFresh || !connection->alive())) connection.reset();
  if (connection == nullptr) {
    auto opened = Connection::open(address_, connect_timeout_, canceller_, call);
    if (!opened) {
      release_claim();
      return std::unexpected(std::move(opened).error());
    }
    connection = std::move(*opened);
  }
  std::uint64_t generation = 0;
  {
    MutexLock lock(mutex_);
    generation = generation_;
  }
  connection->keep_up_with(generation);
  return Loan(*this, std::move(connection));
}

Outcome<std::unique_ptr<Connection>> Pool::claim(const Call& call) {
  const auto cancelled = [] { return std::unexpected(ours({ErrorCode::kCancelled, "cancelled"})); };
  if (call.cancelled()) return cancelled();
  const auto take = [this]() REQUIRES(mutex_) {
    ++lent_;
    std::unique_ptr<Connection> connection;
    if (!idle_.empty()) {
      connection = std::move(idle_.back());
      idle_.pop_back();
    }
    return connection;
  };
  {
    MutexLock lock(mutex_);
    if (lent_ < size_) return take();
  }
  // Set without the lock: the token may run the action at once.
  if (call.cancel != nullptr) {
    call.cancel->on_cancel([this] {
      MutexLock lock(mutex_);
      changed_.notify_all();
    });
  }
  std::optional<std::unique_ptr<Connection>> taken;
  {
    MutexLock lock(mutex_);
    changed_.wait_until(mutex_, call.deadline,
                        [&]() NO_THREAD_SAFETY_ANALYSIS { return lent_ < size_ || call.cancelled(); });
    if (lent_ < size_ && !call.cancelled()) taken = take();
  }
  if (call.cancel != nullptr) call.cancel->on_cancel({});
  if (taken) return std::move(*taken);
  if (call.cancelled()) return cancelled();
  return std::unexpected(
      ours({ErrorCode::kTimeout,
            fmt::format("all {} connections were busy for {} ms", size_, call.timeout.count()),
            ErrorScope::kCall}));
}

void Pool::give_back(std::unique_ptr<Connection> connection) {
  // Closing takes system calls: not with the lock held, but before another one may be opened instead.
  if (!connection->usable()) connection.reset();
  MutexLock lock(mutex_);
  if (connection != nullptr) idle_.push_back(std::move(connection));
  --lent_;
  changed_.notify_one();
}

void Pool::release_claim() {
  MutexLock lock(mutex_);
  --lent_;
  changed_.notify_one();
}

}  // namespace forebay::source::mysql
