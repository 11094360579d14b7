#include "source/postgres/pool.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

namespace forebay::source::postgres {
namespace {

// Whether the failure may mean that the session's prepared statements no longer fit the database: a table's
// column has changed its type, or something (a pooler, DISCARD ALL) has dropped them. Class 42 is most often
// an honest mistake, which then shows again; a missing permission is nothing that preparing anew could mend,
// and a syntax error is one of a value.
bool statements_may_be_stale(const Failure& failure) {
  if (failure.sqlstate == "26000") return true;
  if (failure.sqlstate == "0A000") return failure.error.message.find("cached plan") != std::string::npos;
  return failure.sqlstate.starts_with("42") && failure.sqlstate != "42501" && failure.sqlstate != "42601";
}

bool connection_broke(const Failure& failure) {
  return failure.lost && failure.error.code == ErrorCode::kUnavailable;
}

}  // namespace

Pool::Pool(std::string url, std::size_t size, std::chrono::milliseconds connect_timeout,
           config::Pooler pooler)
    : url_(std::move(url)), size_(size), connect_timeout_(connect_timeout), pooler_(pooler) {}

Outcome<ResultPtr> Pool::read(const Call& call, Work work) {
  Failure failure;
  {
    auto loan = borrow(call, Wanted::kAny);
    if (!loan) return std::unexpected(loan.error());
    auto result = work(**loan);
    if (!result && statements_may_be_stale(result.error())) {
      (**loan).forget_statements(call);
      result = work(**loan);
    }
    if (result || !connection_broke(result.error())) return result;
    failure = std::move(result.error());
  }
  if (Clock::now() >= call.deadline || call.cancelled()) return std::unexpected(std::move(failure));
  auto loan = borrow(call, Wanted::kFresh);
  if (!loan) return std::unexpected(loan.error());
  return work(**loan);
}

Outcome<ResultPtr> Pool::write(const Call& call, Work work) {
  auto loan = borrow(call, Wanted::kAny);
  if (!loan) return std::unexpected(loan.error());
  auto result = transaction(**loan, call, work);
  if (!result && statements_may_be_stale(result.error())) {
    (**loan).forget_statements(call);
    result = transaction(**loan, call, work);
  }
  return result;
}

Outcome<ResultPtr> Pool::transaction(Connection& connection, const Call& call, Work work) {
  auto begun = connection.begin(call);
  if (!begun) {
    // The server takes no writes now, whatever they are: it has become a standby.
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
  return std::unexpected(std::move(failure));
}

void Pool::tables_may_have_changed() {
  MutexLock lock(mutex_);
  ++generation_;
}

Outcome<Pool::Loan> Pool::borrow(const Call& call, Wanted wanted) {
  auto claimed = claim(call);
  if (!claimed) return std::unexpected(claimed.error());
  std::unique_ptr<Connection> connection = std::move(*claimed);
  if (connection != nullptr && (wanted == Wanted::kFresh || !connection->alive())) connection.reset();
  if (connection == nullptr) {
    auto opened = Connection::open(url_, connect_timeout_, pooler_, canceller_, call);
    if (!opened) {
      release_claim();
      return std::unexpected(opened.error());
    }
    connection = std::move(*opened);
  }
  std::uint64_t generation = 0;
  {
    MutexLock lock(mutex_);
    generation = generation_;
  }
  connection->keep_up_with(generation, call);
  return Loan(*this, std::move(connection));
}

Outcome<std::unique_ptr<Connection>> Pool::claim(const Call& call) {
  const auto cancelled = [] {
    return std::unexpected(Failure{{ErrorCode::kCancelled, "cancelled"}, {}, false});
  };
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
  return std::unexpected(Failure{
      {ErrorCode::kTimeout,
       fmt::format("all {} connections were busy for {} ms", size_, call.timeout.count()), ErrorScope::kCall},
      {},
      false});
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

}  // namespace forebay::source::postgres
