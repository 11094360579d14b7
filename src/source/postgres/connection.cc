#include "source/postgres/connection.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "source/answer_bound.h"
#include "source/cancel_watch.h"
#include "source/postgres/settings.h"

namespace forebay::source::postgres {
namespace {

// A table written with many different sets of columns makes many statements; each costs the server memory.
constexpr std::size_t kStatementsMax = 256;

// What the server takes in one message, less room for what is not a parameter's text (PostgreSQL 15:
// PQ_LARGE_MESSAGE_LIMIT, MaxAllocSize). It ends the session of who sends more, and to try again is no help.
constexpr std::size_t kParametersMax = 65'535;
constexpr std::size_t kMessageMax = (std::size_t{1} << 30) - (std::size_t{1} << 20);

// How long a cancelled statement's session waits for the server to end it, so that a load which was given up
// does not leave the server with one session more than the pool has.
constexpr std::chrono::milliseconds kCancelPatience{200};

// How often an idle session may have something to say before it is thought broken.
constexpr int kLooks = 8;

// For a session of our own. A cancel request that overtakes its statement is lost; the server then goes on for a
// client that has left, unless it looks. PostgreSQL has the setting since version 14, and not on every platform:
// asked for only where it is there. The answer is the role's own lock_timeout.
std::string set_up_session() {
  std::string sql =
      "SELECT set_config(name, '500', false) FROM pg_catalog.pg_settings"
      " WHERE name = 'client_connection_check_interval';";
  for (const Setting& setting : kSettings) sql += fmt::format("SET {} = '{}';", setting.name, setting.value);
  return sql +
         "SET default_transaction_read_only = on;"
         "SELECT (extract(epoch FROM pg_catalog.current_setting('lock_timeout')::interval) * 1000)::bigint";
}

// Who waits for a lock is to hear of that, and not only that its time is up.
std::int64_t lock_milliseconds(std::chrono::milliseconds limit) {
  const std::int64_t all = limit.count();
  return std::max<std::int64_t>(all - std::clamp<std::int64_t>(all / 10, 1, 200), 1);
}

// 0 would mean no limit.
std::chrono::milliseconds limit_of(std::chrono::milliseconds time) {
  return std::clamp(time, std::chrono::milliseconds(1), std::chrono::milliseconds(2'000'000'000));
}

bool is_good(const PGresult* result) {
  const ExecStatusType status = PQresultStatus(result);
  return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY;
}

// Adds the one row of `row` to `rows`, which has rows of the same columns. False: there is no memory.
bool append_row(ResultPtr& rows, const ResultPtr& row) {
  if (PQresultStatus(rows.get()) == PGRES_SINGLE_TUPLE) {
    // libpq adds to results of its own making only.
    rows.reset(PQcopyResult(rows.get(), PG_COPYRES_ATTRS | PG_COPYRES_TUPLES));
    if (rows == nullptr) return false;
  }
  const int at = PQntuples(rows.get());
  for (int column = 0; column < PQnfields(row.get()); ++column) {
    const bool null = PQgetisnull(row.get(), 0, column) != 0;
    if (PQsetvalue(rows.get(), at, column, null ? nullptr : PQgetvalue(row.get(), 0, column),
                   null ? -1 : PQgetlength(row.get(), 0, column)) == 0)
      return false;
  }
  return true;
}

// Why the server could not take a statement, whatever is in its tables.
std::optional<Failure> too_large(const std::string& sql, std::span<const OptionalText> parameters) {
  std::size_t bytes = sql.size();
  for (const OptionalText& parameter : parameters) bytes += 4 + (parameter ? parameter->size() : 0);
  if (parameters.size() <= kParametersMax && bytes <= kMessageMax) return std::nullopt;
  return Failure{
      {ErrorCode::kRefused, fmt::format("{} values in {} bytes are more than a statement takes ({} and {})",
                                        parameters.size(), bytes, kParametersMax, kMessageMax)},
      "54000",
      false};
}

Failure overdue(const Call& call) {
  return {{ErrorCode::kTimeout, fmt::format("no answer within {} ms", call.timeout.count())}, {}, true};
}
Failure given_up() {
  return {{ErrorCode::kCancelled, "cancelled"}, {}, true};
}

}  // namespace

Connection::Connection(PGconn* connection, int wake_fd, config::Pooler pooler, Canceller& canceller)
    : connection_(connection), wake_fd_(wake_fd), pooler_(pooler), canceller_(canceller) {}

Connection::~Connection() {
  PQfinish(connection_);
  close(wake_fd_);
}

Outcome<std::unique_ptr<Connection>> Connection::open(const std::string& url,
                                                      std::chrono::milliseconds connect_timeout,
                                                      config::Pooler pooler, Canceller& canceller,
                                                      const Call& call) {
  const int wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake_fd < 0)
    return std::unexpected(Failure{{ErrorCode::kUnavailable, "too many open files"}, {}, true});
  // Of two mentions of a parameter the later one holds: the URL may change what stands before it. A
  // connection that a firewall forgot is noticed by keepalives within a minute.
  constexpr std::array<const char*, 8> names = {"keepalives_idle",
                                                "keepalives_interval",
                                                "keepalives_count",
                                                "fallback_application_name",
                                                "dbname",
                                                "client_encoding",
                                                nullptr};
  const std::array<const char*, 8> values = {"30", "10", "3", "forebay", url.c_str(), "UTF8", nullptr};
  std::unique_ptr<Connection> made(
      new Connection(PQconnectStartParams(names.data(), values.data(), 1), wake_fd, pooler, canceller));
  PGconn* connection = made->connection_;
  const auto refused = [&] {
    return std::unexpected(Failure{{ErrorCode::kUnavailable, connection_message(connection)}, {}, true});
  };
  if (connection == nullptr || PQstatus(connection) == CONNECTION_BAD) return refused();
  // libpq would print what the server remarks to stderr.
  PQsetNoticeProcessor(connection, [](void*, const char*) {}, nullptr);

  const auto deadline = std::min(call.deadline, Clock::now() + connect_timeout);
  CancelWatch watch(call.cancel, wake_fd);
  PostgresPollingStatusType step = PGRES_POLLING_WRITING;
  while (step != PGRES_POLLING_OK) {
    switch (made->wait(step == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline, &call)) {
      case Wake::kReady:
        break;
      case Wake::kCancelled:
        return std::unexpected(given_up());
      case Wake::kDeadline:
        if (Clock::now() >= call.deadline) return std::unexpected(overdue(call));
        return std::unexpected(Failure{
            {ErrorCode::kUnavailable, fmt::format("no connection within {} ms", connect_timeout.count())},
            {},
            true});
    }
    step = PQconnectPoll(connection);
    if (step == PGRES_POLLING_FAILED) return refused();
  }
  PQsetnonblocking(connection, 1);
  if (made->is_pooled()) return made;
  if (auto direct = made->find_pooler(call); !direct) return std::unexpected(direct.error());
  if (auto ready = made->set_up(call); !ready) return std::unexpected(ready.error());
  return made;
}

Outcome<void> Connection::find_pooler(const Call& call) {
  auto pid = finish(PQsendQuery(connection_, "SELECT pg_catalog.pg_backend_pid()") == 1, call);
  if (!pid) return std::unexpected(pid.error());
  if (std::to_string(PQbackendPID(connection_)) == cell(*pid, 0, 0)) return {};
  return std::unexpected(Failure{
      {ErrorCode::kConfig,
       "a connection pooler, such as PgBouncer, stands before the server: say pooler = \"transaction\", "
       "or give a url that leads to the server itself"},
      {},
      true});
}

Outcome<void> Connection::set_up(const Call& call) {
  auto done = finish(PQsendQuery(connection_, set_up_session().c_str()) == 1, call);
  if (!done) return std::unexpected(done.error());
  const std::string_view own = cell(*done, 0, 0);
  std::from_chars(own.data(), own.data() + own.size(), own_lock_timeout_);
  return {};
}

std::string Connection::lock_limit(std::chrono::milliseconds limit) const {
  const std::int64_t most = lock_milliseconds(limit);
  return std::to_string(own_lock_timeout_ > 0 ? std::min(own_lock_timeout_, most) : most);
}

// By SET, which takes no snapshot.
std::string Connection::local_settings(std::chrono::milliseconds limit) const {
  limit = limit_of(limit);
  std::string sql = fmt::format("SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}",
                                limit.count(), lock_limit(limit));
  if (!is_pooled()) return sql;
  for (const Setting& setting : kSettings)
    sql += fmt::format("; SET LOCAL {} = '{}'", setting.name, setting.value);
  return sql;
}

Outcome<void> Connection::set_timeout(const Call& call) {
  if (PQtransactionStatus(connection_) == PQTRANS_INERROR) return {};
  if (in_transaction()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(call.deadline - Clock::now());
    const auto slack = std::max(transaction_timeout_ / 10, std::chrono::milliseconds(20));
    if (left + slack >= transaction_timeout_) return {};
    transaction_timeout_ = left;
    auto done = finish(PQsendQuery(connection_, local_settings(left).c_str()) == 1, call);
    if (!done) return std::unexpected(done.error());
    return {};
  }
  if (is_pooled() || statement_timeout_ == call.timeout) return {};
  statement_timeout_ = std::chrono::milliseconds(-1);
  const auto limit = limit_of(call.timeout);
  const std::string sql =
      fmt::format("SET statement_timeout = {}; SET lock_timeout = {}", limit.count(), lock_limit(limit));
  auto done = finish(PQsendQuery(connection_, sql.c_str()) == 1, call);
  if (!done) return std::unexpected(done.error());
  statement_timeout_ = call.timeout;
  return {};
}

Outcome<std::string> Connection::prepare(const std::string& sql, const Call& call, Room room) {
  if (auto set = set_timeout(call); !set) return std::unexpected(set.error());
  if (is_pooled()) return std::string();
  if (const auto found = statements_.find(sql); found != statements_.end()) return found->second;
  if (statements_.size() >= kStatementsMax && room == Room::kMake) forget_statements(call);
  std::string name = fmt::format("forebay_{}", ++names_given_);
  auto done = finish(PQsendPrepare(connection_, name.c_str(), sql.c_str(), 0, nullptr) == 1, call);
  if (!done) return std::unexpected(done.error());
  statements_.emplace(sql, name);
  return name;
}

bool Connection::send(const std::string& name, const std::string& sql,
                      std::span<const OptionalText> parameters) {
  std::vector<const char*> texts;
  texts.reserve(parameters.size());
  for (const OptionalText& parameter : parameters) texts.push_back(parameter ? parameter->c_str() : nullptr);
  const int count = static_cast<int>(texts.size());
  if (is_pooled())
    return PQsendQueryParams(connection_, sql.c_str(), count, nullptr, texts.data(), nullptr, nullptr, 0) ==
           1;
  return PQsendQueryPrepared(connection_, name.c_str(), count, texts.data(), nullptr, nullptr, 0) == 1;
}

template <class Send>
Outcome<ResultPtr> Connection::run_with_settings(const Call& call, std::size_t results, Send send) {
  // Not by SET LOCAL: it asks for a transaction that was begun by a statement.
  const auto limit = limit_of(call.timeout);
  std::string settings = fmt::format(
      "SELECT pg_catalog.set_config('transaction_read_only', 'on', true), "
      "pg_catalog.set_config('statement_timeout', '{}', true), pg_catalog.set_config('lock_timeout', '{}', "
      "true)",
      limit.count(), lock_limit(limit));
  for (const Setting& setting : kSettings)
    settings += fmt::format(", pg_catalog.set_config('{}', '{}', true)", setting.name, setting.value);
  std::size_t failed = 0;
  std::vector<ResultPtr> all;
  auto done = pipeline(call, 1 + results, all, failed, [&] {
    return PQsendQueryParams(connection_, settings.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0) == 1 &&
           send();
  });
  if (!done) return std::unexpected(done.error());
  return std::move(all.back());
}

Outcome<ResultPtr> Connection::execute(const std::string& sql, std::span<const OptionalText> parameters,
                                       const Call& call) {
  if (auto refused = too_large(sql, parameters)) return std::unexpected(std::move(*refused));
  if (is_pooled() && PQtransactionStatus(connection_) == PQTRANS_IDLE)
    return run_with_settings(call, 1, [&] { return send({}, sql, parameters); });
  auto name = prepare(sql, call);
  if (!name) return std::unexpected(name.error());
  return finish(send(*name, sql, parameters), call);
}

Outcome<ResultPtr> Connection::describe(const std::string& sql, const Call& call) {
  if (is_pooled()) {
    return run_with_settings(call, 2, [&] {
      return PQsendPrepare(connection_, "", sql.c_str(), 0, nullptr) == 1 &&
             PQsendDescribePrepared(connection_, "") == 1;
    });
  }
  auto name = prepare(sql, call);
  if (!name) return std::unexpected(name.error());
  return finish(PQsendDescribePrepared(connection_, name->c_str()) == 1, call);
}

Outcome<ResultPtr> Connection::describe_anew(const std::string& sql, const Call& call) {
  if (auto set = set_timeout(call); !set) return std::unexpected(set.error());
  auto prepared = finish(PQsendPrepare(connection_, "", sql.c_str(), 0, nullptr) == 1, call);
  if (!prepared) return prepared;
  return finish(PQsendDescribePrepared(connection_, "") == 1, call);
}

Outcome<ResultPtr> Connection::command(const std::string& sql, const Call& call) {
  if (auto set = set_timeout(call); !set) return std::unexpected(set.error());
  return finish(PQsendQuery(connection_, sql.c_str()) == 1, call);
}

Outcome<ResultPtr> Connection::begin(const Call& call) {
  transaction_timeout_ = std::chrono::ceil<std::chrono::milliseconds>(call.deadline - Clock::now());
  const std::string sql = "BEGIN READ WRITE; " + local_settings(transaction_timeout_);
  return finish(PQsendQuery(connection_, sql.c_str()) == 1, call);
}

bool Connection::is_utf8() const {
  const char* encoding = PQparameterStatus(connection_, "server_encoding");
  return encoding != nullptr && std::string_view(encoding) == "UTF8";
}

Outcome<void> Connection::commit(const Call& call) {
  auto done = finish(PQsendQuery(connection_, "COMMIT") == 1, call, Interrupt::kNever);
  if (!done) {
    // An administrator may end a session that has committed and only waits for a standby to confirm it, and a
    // server that goes down may do so after the commit. Any other error of its own means that it rolled back.
    Failure& failure = done.error();
    for (const std::string_view uncertain : {"08", "57P", "58", "XX"}) {
      if (failure.sqlstate.starts_with(uncertain)) failure.lost = true;
    }
    return std::unexpected(done.error());
  }
  if (std::string_view(PQcmdStatus(done->get())) == "COMMIT") return {};
  return std::unexpected(Failure{{ErrorCode::kRefused, "the transaction was rolled back"}, {}, false});
}

void Connection::rollback(const Call& call) {
  if (!usable_ || PQtransactionStatus(connection_) == PQTRANS_IDLE) return;
  if (!finish(PQsendQuery(connection_, "ROLLBACK") == 1, call, Interrupt::kNever)) usable_ = false;
}

void Connection::keep_up_with(std::uint64_t generation, const Call& call) {
  if (generation_ == generation) return;
  if (!statements_.empty()) forget_statements(call);
  generation_ = generation;
}

void Connection::forget_statements(const Call& call) {
  statements_.clear();
  if (is_pooled()) return;  // it has none, and those of others in the session are not ours
  if (!finish(PQsendQuery(connection_, "DEALLOCATE ALL") == 1, call)) usable_ = false;
}

bool Connection::alive() {
  if (!usable_) return false;
  // An idle session has nothing to read, unless the server remarks something or ends it. The end takes two
  // looks: its last words come first.
  pollfd socket{PQsocket(connection_), POLLIN, 0};
  for (int looks = 0; usable_ && looks < kLooks && poll(&socket, 1, 0) > 0; ++looks) {
    if (PQconsumeInput(connection_) == 0) usable_ = false;
    if (PQisBusy(connection_) != 0) usable_ = false;
  }
  if (PQstatus(connection_) != CONNECTION_OK || PQtransactionStatus(connection_) != PQTRANS_IDLE)
    usable_ = false;
  return usable_;
}

Outcome<ResultPtr> Connection::finish(bool sent, const Call& call, Interrupt interrupt) {
  if (!usable_ || !sent) return std::unexpected(lost());
  if (interrupt == Interrupt::kNever) return receive(call, interrupt);
  if (call.cancelled()) {
    usable_ = false;  // a statement was sent, its answer will not be read
    return std::unexpected(given_up());
  }
  CancelWatch watch(call.cancel, wake_fd_);
  return receive(call, interrupt);
}

Outcome<void> Connection::flush(const Call& call, Interrupt interrupt) {
  const Call* cancellable = interrupt == Interrupt::kAllowed ? &call : nullptr;
  while (const int unsent = PQflush(connection_)) {
    if (unsent < 0) return std::unexpected(lost());
    // Reading too: a server that is blocked in writing to us would never read the rest.
    if (const Wake wake = wait(POLLIN | POLLOUT, call.deadline + kGrace, cancellable); wake != Wake::kReady) {
      return std::unexpected(interrupted(wake, call));
    }
    if (PQconsumeInput(connection_) == 0) return std::unexpected(lost());
  }
  return {};
}

Outcome<ResultPtr> Connection::next_result(const Call& call, Interrupt interrupt) {
  const Call* cancellable = interrupt == Interrupt::kAllowed ? &call : nullptr;
  // Of one row, and a little less than that: more may come while it is read.
  std::size_t arrived = 0;
  while (PQisBusy(connection_) != 0) {
    if (arrived > kAnswerBytesMax) return std::unexpected(too_much());
    if (const Wake wake = wait(POLLIN, call.deadline + kGrace, cancellable); wake != Wake::kReady) {
      return std::unexpected(interrupted(wake, call));
    }
    int unread = 0;
    if (ioctl(PQsocket(connection_), FIONREAD, &unread) == 0) arrived += static_cast<std::size_t>(unread);
    // On a broken connection the server's last words may have come: PQgetResult() gives them.
    if (PQconsumeInput(connection_) == 0) break;
  }
  ResultPtr result(PQgetResult(connection_));
  if (result != nullptr) {
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH)
      return std::unexpected(lost());
  }
  return result;
}

Failure Connection::failed_with(const PGresult* result, const Call& call) {
  Failure failure = failure_of(result, call.cancelled());
  if (PQstatus(connection_) != CONNECTION_OK) {
    usable_ = false;
    failure.lost = true;
  }
  return failure.sqlstate.empty() ? lost() : failure;
}

Outcome<ResultPtr> Connection::receive(const Call& call, Interrupt interrupt) {
  if (auto sent = flush(call, interrupt); !sent) return std::unexpected(sent.error());
  ResultPtr error;
  auto last = gather(call, interrupt, error);
  if (!last) return last;
  if (error != nullptr) return std::unexpected(failed_with(error.get(), call));
  if (*last == nullptr) return std::unexpected(lost());
  return last;
}

Outcome<ResultPtr> Connection::gather(const Call& call, Interrupt interrupt, ResultPtr& error) {
  // By libpq's own way all rows would be in memory before anybody could count them.
  PQsetSingleRowMode(connection_);
  ResultPtr rows;
  ResultPtr last;
  while (true) {
    auto result = next_result(call, interrupt);
    if (!result) return result;
    if (*result == nullptr) return last;
    if (PQresultStatus(result->get()) == PGRES_SINGLE_TUPLE) {
      if (rows == nullptr) {
        rows = std::move(*result);
      } else if (!append_row(rows, *result)) {
        return std::unexpected(lost());  // no memory
      }
      if (PQresultMemorySize(rows.get()) > kAnswerBytesMax) return std::unexpected(too_much());
    } else if (is_good(result->get())) {
      // Where there were rows, what follows them has none.
      last = rows != nullptr ? std::move(rows) : std::move(*result);
    } else if (error == nullptr) {
      error = std::move(*result);
    }
  }
}

Outcome<std::vector<ResultPtr>> Connection::execute_all(std::span<const Statement* const> statements,
                                                        const Call& call, std::size_t& failed) {
  std::vector<ResultPtr> results;
  results.reserve(statements.size());
  while (results.size() < statements.size()) {
    const auto rest = statements.subspan(results.size());
    // No more different ones than stay prepared side by side.
    std::unordered_set<std::string_view> texts;
    std::size_t count = 0;
    while (count < rest.size() && (texts.size() < kStatementsMax || texts.contains(rest[count]->sql)))
      texts.insert(rest[count++]->sql);
    const std::size_t before = results.size();
    auto done = execute_some(rest.first(count), call, results, failed);
    if (!done) {
      failed += before;
      return std::unexpected(std::move(done).error());
    }
  }
  return results;
}

Outcome<void> Connection::execute_some(std::span<const Statement* const> statements, const Call& call,
                                       std::vector<ResultPtr>& results, std::size_t& failed) {
  failed = 0;
  std::unordered_set<std::string_view> wanted;
  for (const Statement* statement : statements) {
    if (auto refused = too_large(statement->sql, statement->parameters))
      return std::unexpected(std::move(*refused));
    wanted.insert(statement->sql);
    ++failed;
  }
  // To make room while some are prepared already would take those away again.
  const auto missing = static_cast<std::size_t>(std::ranges::count_if(
      wanted, [this](std::string_view sql) { return !statements_.contains(std::string(sql)); }));
  if (statements_.size() + missing > kStatementsMax) forget_statements(call);
  failed = 0;
  std::vector<std::string> names;
  names.reserve(statements.size());
  for (const Statement* statement : statements) {
    auto name = prepare(statement->sql, call, Room::kIsMade);
    if (!name) return std::unexpected(name.error());
    names.push_back(std::move(*name));
    ++failed;
  }
  failed = 0;
  return pipeline(call, statements.size(), results, failed, [&] {
    for (std::size_t i = 0; i < statements.size(); ++i) {
      if (!send(names[i], statements[i]->sql, statements[i]->parameters)) return false;
    }
    return true;
  });
}

template <class Send>
Outcome<void> Connection::pipeline(const Call& call, std::size_t count, std::vector<ResultPtr>& results,
                                   std::size_t& failed, Send send) {
  if (!usable_ || PQenterPipelineMode(connection_) != 1) return std::unexpected(lost());
  if (!send() || PQpipelineSync(connection_) != 1) return std::unexpected(lost());
  if (call.cancelled()) {
    usable_ = false;  // statements were sent, their answers will not be read
    return std::unexpected(given_up());
  }
  CancelWatch watch(call.cancel, wake_fd_);
  auto received = receive_all(count, call, results, failed);
  // Else the session is given up.
  if (usable_ && PQexitPipelineMode(connection_) != 1) return std::unexpected(lost());
  return received;
}

Outcome<void> Connection::receive_all(std::size_t count, const Call& call, std::vector<ResultPtr>& results,
                                      std::size_t& failed) {
  if (auto sent = flush(call, Interrupt::kAllowed); !sent) return sent;
  ResultPtr error;
  for (std::size_t i = 0; i < count; ++i) {
    if (error == nullptr) failed = i;
    // After the first error each answer only says that it was passed over.
    auto result = gather(call, Interrupt::kAllowed, error);
    if (!result) return std::unexpected(result.error());
    if (PQstatus(connection_) != CONNECTION_OK || (*result == nullptr && error == nullptr))
      return std::unexpected(error != nullptr ? failed_with(error.get(), call) : lost());
    if (*result != nullptr) results.push_back(std::move(*result));
  }
  auto sync = next_result(call, Interrupt::kAllowed);
  if (!sync) return std::unexpected(sync.error());
  if (*sync == nullptr || PQresultStatus(sync->get()) != PGRES_PIPELINE_SYNC)
    return std::unexpected(error != nullptr ? failed_with(error.get(), call) : lost());
  if (error != nullptr) return std::unexpected(failed_with(error.get(), call));
  return {};
}

Connection::Wake Connection::wait(short events, Clock::time_point deadline, const Call* cancellable) {
  while (true) {
    if (cancellable != nullptr && cancellable->cancelled()) return Wake::kCancelled;
    std::array<pollfd, 2> fds = {pollfd{PQsocket(connection_), events, 0}, pollfd{wake_fd_, POLLIN, 0}};
    const nfds_t count = cancellable != nullptr && cancellable->cancel != nullptr ? 2 : 1;
    const int ready = poll(fds.data(), count, milliseconds_until(deadline));
    if (ready > 0 && fds[0].revents != 0) return Wake::kReady;
    if (ready <= 0 && Clock::now() >= deadline) return Wake::kDeadline;
  }
}

Failure Connection::interrupted(Wake why, const Call& call) {
  canceller_.cancel(connection_);
  // The session is given up in any case: a cancel request that arrives late would hit its next statement.
  usable_ = false;
  if (why == Wake::kDeadline) return overdue(call);
  const auto patience = std::min(call.deadline, Clock::now() + kCancelPatience);
  while (PQstatus(connection_) == CONNECTION_OK) {
    if (PQisBusy(connection_) == 0) {
      const ResultPtr result(PQgetResult(connection_));
      if (result == nullptr) break;
    } else if (wait(POLLIN, patience, nullptr) != Wake::kReady || PQconsumeInput(connection_) == 0) {
      break;
    }
  }
  return given_up();
}

Failure Connection::too_much() {
  canceller_.cancel(connection_);
  usable_ = false;
  return {answer_too_large(), "54000", false};
}

Failure Connection::lost() {
  usable_ = false;
  return {{ErrorCode::kUnavailable, connection_message(connection_)}, {}, true};
}

}  // namespace forebay::source::postgres
