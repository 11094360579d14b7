#include "source/mysql/connection.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "source/answer_bound.h"
#include "source/cancel_watch.h"
#include "source/mysql/binding.h"

namespace forebay::source::mysql {
namespace {

// A table written with many different sets of columns makes many statements; each costs the server memory.
constexpr std::size_t kStatementsMax = 256;
// What the protocol counts parameters with.
constexpr std::size_t kParametersMax = 65'535;

// How long a cancelled statement's session waits for the server to end it, so that a load which was given up
// does not leave the server with one session more than the pool has.
constexpr std::chrono::milliseconds kCancelPatience{200};

// Strict: what does not fit is refused, not changed. 0 is a key like any other (NO_AUTO_VALUE_ON_ZERO). Zero
// dates that were read may be written back.
constexpr const char* kSessionSettings =
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00', autocommit = 1";
constexpr const char* kReadOnly = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY";
constexpr const char* kFacts =
    "SELECT CONNECTION_ID(), UNIX_TIMESTAMP(), @@max_allowed_packet, @@innodb_lock_wait_timeout";

std::uint64_t number_of(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::size_t size_of(const Parameter& parameter) {
  if (const auto* text = std::get_if<std::string>(&parameter)) return text->size();
  if (const auto* bytes = std::get_if<Bytes>(&parameter)) return bytes->bytes.size();
  if (const auto* digits = std::get_if<Digits>(&parameter)) return digits->text.size();
  return sizeof(std::uint64_t);
}

// Why the server could not take a statement, whatever is in its tables. It would end the session of who sends
// more.
std::optional<Failure> too_large(std::span<const Parameter> parameters, std::uint64_t packet_max) {
  std::size_t bytes = 1024;
  for (const Parameter& parameter : parameters) bytes += 16 + size_of(parameter);
  if (parameters.size() <= kParametersMax && bytes <= packet_max) return std::nullopt;
  return ours(
      {ErrorCode::kRefused,
       fmt::format("{} values in {} bytes are more than a statement takes ({}, and max_allowed_packet = {})",
                   parameters.size(), bytes, kParametersMax, packet_max)});
}

Failure overdue(const Call& call) {
  return {{ErrorCode::kTimeout, fmt::format("no answer within {} ms", call.timeout.count())}, 0, true};
}
Failure given_up() {
  return {{ErrorCode::kCancelled, "cancelled"}, 0, true};
}
Failure unavailable(std::string message) {
  return {{ErrorCode::kUnavailable, std::move(message)}, 0, true};
}

std::span<const MYSQL_FIELD> fields_of(MYSQL_RES* result) {
  return {mysql_fetch_fields(result), mysql_num_fields(result)};
}

struct ResultDeleter {
  void operator()(MYSQL_RES* result) const { mysql_free_result(result); }
};
using ResultPtr = std::unique_ptr<MYSQL_RES, ResultDeleter>;

std::vector<Field> described(std::span<const MYSQL_FIELD> fields) {
  std::vector<Field> out;
  for (const MYSQL_FIELD& field : fields) out.push_back({{field.name, field.name_length}, type_of(field)});
  return out;
}

}  // namespace

Connection::Connection(HandlePtr handle, int wake_fd, Canceller& canceller)
    : handle_(std::move(handle)), wake_fd_(wake_fd), canceller_(canceller) {}

Connection::~Connection() {
  // The farewell to a server that may hang must not wait for it.
  const my_socket socket = mysql_get_socket(handle_.get());
  if (!usable_ && socket != MARIADB_INVALID_SOCKET) shutdown(socket, SHUT_RDWR);
  handle_.reset();  // statements then have nobody to tell that they end
  statements_.clear();
  close(wake_fd_);
}

Outcome<std::unique_ptr<Connection>> Connection::open(const Address& address,
                                                      std::chrono::milliseconds connect_timeout,
                                                      Canceller& canceller, const Call& call) {
  const int wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake_fd < 0) return std::unexpected(unavailable("too many open files"));
  // libmariadb's own limit counts in seconds, and is only there for the case that this one is not heard.
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(connect_timeout).count() + 1;
  HandlePtr handle = make_handle(address, static_cast<unsigned>(seconds));
  if (handle == nullptr) {
    close(wake_fd);
    return std::unexpected(unavailable("out of memory"));
  }
  mysql_options(handle.get(), MYSQL_OPT_NONBLOCK, nullptr);
  std::unique_ptr<Connection> made(new Connection(std::move(handle), wake_fd, canceller));
  MYSQL* mysql = made->handle_.get();
  Call opening = call;
  opening.deadline = std::min(call.deadline, Clock::now() + connect_timeout) - kGrace;
  MYSQL* connected = nullptr;
  auto done = made->drive(
      opening, Interrupt::kAllowed,
      [&] {
        return mysql_real_connect_start(&connected, mysql, text_or_null(address.host), address.user.c_str(),
                                        address.password.c_str(), address.database.c_str(), address.port,
                                        text_or_null(address.socket), 0);
      },
      [&](int events) { return mysql_real_connect_cont(&connected, mysql, events); });
  if (!done) {
    const bool late = done.error().error.code == ErrorCode::kTimeout;
    if (late && Clock::now() < call.deadline)
      return std::unexpected(unavailable(fmt::format("no connection within {} ms", connect_timeout.count())));
    return std::unexpected(std::move(done).error());
  }
  if (connected == nullptr) return std::unexpected(unavailable(mysql_error(mysql)));
  if (auto ready = made->set_up(call); !ready) {
    ready.error().lost = true;
    return std::unexpected(std::move(ready).error());
  }
  return made;
}

Outcome<void> Connection::set_up(const Call& call) {
  tls_ = mysql_get_ssl_cipher(handle_.get()) != nullptr;
  mariadb_ = mariadb_connection(handle_.get()) != 0;
  id_ = mysql_thread_id(handle_.get());
  for (const char* sql : {kSessionSettings, kReadOnly}) {
    if (auto done = query(sql, call, Interrupt::kAllowed); !done) return done;
  }
  auto statement = make_statement(kFacts, call);
  if (!statement) return std::unexpected(std::move(statement).error());
  packet_max_ = 1024;
  auto facts = run(statement->get(), call);
  if (!facts) return std::unexpected(std::move(facts).error());
  id_ = number_of(facts->cell(0, 0));
  began_ = number_of(facts->cell(0, 1));
  packet_max_ = number_of(facts->cell(0, 2));
  own_lock_wait_ = number_of(facts->cell(0, 3));
  return {};
}

// MySQL ends only reads by a limit of its own; what writes waits for locks at most. Locks are waited for in whole
// seconds, and a little less long than a statement may take, so that who waits for one is told that.
std::string Connection::limits(std::chrono::milliseconds limit) const {
  const std::int64_t ms = std::clamp<std::int64_t>(limit.count(), 1, 2'000'000'000);
  const auto lock =
      std::min<std::uint64_t>(static_cast<std::uint64_t>(std::max<std::int64_t>((ms - 100) / 1000, 1)),
                              std::max<std::uint64_t>(own_lock_wait_, 1));
  if (mariadb_)
    return fmt::format("SET SESSION max_statement_time = {}.{:03}, innodb_lock_wait_timeout = {}", ms / 1000,
                       ms % 1000, lock);
  return fmt::format("SET SESSION max_execution_time = {}, innodb_lock_wait_timeout = {}", ms, lock);
}

Outcome<void> Connection::set_timeout(const Call& call) {
  auto limit = call.timeout;
  if (in_transaction_) {
    limit = std::chrono::ceil<std::chrono::milliseconds>(call.deadline - Clock::now());
    const auto slack = std::max(limit_ / 10, std::chrono::milliseconds(20));
    if (limit + slack >= limit_ && limit <= limit_) return {};
  }
  if (!in_transaction_ && !std::exchange(limits_certain_, true)) limit_ = std::chrono::milliseconds(-1);
  if (limit == limit_) return {};
  limit_ = std::chrono::milliseconds(-1);
  if (auto set = query(limits(limit), call, Interrupt::kAllowed); !set) return set;
  limit_ = limit;
  return {};
}

Outcome<void> Connection::query(const std::string& sql, const Call& call, Interrupt interrupt) {
  MYSQL* mysql = handle_.get();
  int failure = 0;
  auto done = drive(
      call, interrupt, [&] { return mysql_real_query_start(&failure, mysql, sql.data(), sql.size()); },
      [&](int events) { return mysql_real_query_cont(&failure, mysql, events); });
  if (!done) return done;
  if (failure != 0) return std::unexpected(failed(mysql_errno(mysql), mysql_error(mysql), call));
  if (mysql_field_count(mysql) == 0) return {};
  MYSQL_RES* result = nullptr;
  done = drive(
      call, interrupt, [&] { return mysql_store_result_start(&result, mysql); },
      [&](int events) { return mysql_store_result_cont(&result, mysql, events); });
  const ResultPtr owned(result);
  if (!done) usable_ = false;
  if (done && result == nullptr) return std::unexpected(failed(mysql_errno(mysql), mysql_error(mysql), call));
  return done;
}

Outcome<Connection::StatementPtr> Connection::make_statement(const std::string& sql, const Call& call) {
  StatementPtr statement(mysql_stmt_init(handle_.get()));
  if (statement == nullptr) return std::unexpected(unavailable("out of memory"));
  MYSQL_STMT* raw = statement.get();
  int failure = 0;
  auto done = drive(
      call, Interrupt::kAllowed,
      [&] { return mysql_stmt_prepare_start(&failure, raw, sql.data(), sql.size()); },
      [&](int events) { return mysql_stmt_prepare_cont(&failure, raw, events); });
  if (!done) return std::unexpected(std::move(done).error());
  if (failure != 0) return std::unexpected(failed(raw, call));
  return statement;
}

Outcome<MYSQL_STMT*> Connection::prepare(const std::string& sql, const Call& call) {
  if (const auto found = statements_.find(sql); found != statements_.end()) return found->second.get();
  if (statements_.size() >= kStatementsMax) forget_statements();
  auto made = make_statement(sql, call);
  if (!made) return std::unexpected(std::move(made).error());
  return statements_.emplace(sql, std::move(*made)).first->second.get();
}

Outcome<std::vector<Field>> Connection::describe(const std::string& sql, std::size_t parameters,
                                                 const Call& call) {
  if (auto set = set_timeout(call); !set) return std::unexpected(std::move(set).error());
  auto statement = make_statement(sql, call);
  if (!statement) return std::unexpected(std::move(statement).error());
  if (mysql_stmt_param_count(statement->get()) != parameters)
    return std::unexpected(ours({ErrorCode::kRefused, "the statement has parameters of its own"}));
  const ResultPtr result(mysql_stmt_result_metadata(statement->get()));
  if (result == nullptr) return std::vector<Field>();
  return described(fields_of(result.get()));
}

Outcome<Rows> Connection::execute(const std::string& sql, std::span<const Parameter> parameters,
                                  const Call& call) {
  if (auto refused = too_large(parameters, packet_max_)) return std::unexpected(std::move(*refused));
  if (auto set = set_timeout(call); !set) return std::unexpected(std::move(set).error());
  auto statement = prepare(sql, call);
  if (!statement) return std::unexpected(std::move(statement).error());
  if (mysql_stmt_param_count(*statement) != parameters.size())
    return std::unexpected(ours({ErrorCode::kInternal, "another number of parameters"}));
  std::vector<MYSQL_BIND> binds = bound(parameters);
  if (!binds.empty() && mysql_stmt_bind_param(*statement, binds.data()) != 0)
    return std::unexpected(failed(*statement, call));
  return run(*statement, call);
}

Outcome<Rows> Connection::run(MYSQL_STMT* statement, const Call& call) {
  int failure = 0;
  auto done = drive(
      call, Interrupt::kAllowed, [&] { return mysql_stmt_execute_start(&failure, statement); },
      [&](int events) { return mysql_stmt_execute_cont(&failure, statement, events); });
  if (!done) return std::unexpected(std::move(done).error());
  if (failure != 0) return std::unexpected(failed(statement, call));
  Rows rows;
  if (mysql_stmt_field_count(statement) == 0) {
    rows.affected = mysql_stmt_affected_rows(statement);
    return rows;
  }
  if (auto fetched = fetch(statement, rows, call); !fetched)
    return std::unexpected(std::move(fetched).error());
  // SLEEP() and the like end with an ordinary answer where they are interrupted.
  if (call.cancelled()) return std::unexpected(ours({ErrorCode::kCancelled, "cancelled"}));
  return rows;
}

Outcome<void> Connection::fetch(MYSQL_STMT* statement, Rows& rows, const Call& call) {
  const ResultPtr result(mysql_stmt_result_metadata(statement));
  if (result == nullptr) return std::unexpected(unavailable("out of memory"));
  const std::span<const MYSQL_FIELD> fields = fields_of(result.get());
  rows.fields = described(fields);
  RowBuffers buffers(fields);
  if (mysql_stmt_bind_result(statement, buffers.binds().data()) != 0)
    return std::unexpected(failed(statement, call));
  while (true) {
    int got = 0;
    auto done = drive(
        call, Interrupt::kAllowed, [&] { return mysql_stmt_fetch_start(&got, statement); },
        [&](int events) { return mysql_stmt_fetch_cont(&got, statement, events); });
    if (!done) {
      usable_ = false;  // there are rows that nobody reads
      return done;
    }
    if (got == MYSQL_NO_DATA) return {};
    if (got == 1) return std::unexpected(failed(statement, call));
    if (!buffers.add_to(rows, statement)) {
      usable_ = false;
      return std::unexpected(unavailable("a value that can't be read"));
    }
    if (rows.bytes() > kAnswerBytesMax) return std::unexpected(too_much());
  }
}

Outcome<void> Connection::command(const std::string& sql, const Call& call) {
  if (auto set = set_timeout(call); !set) return set;
  return query(sql, call, Interrupt::kAllowed);
}

Outcome<void> Connection::define(const std::string& sql, const Call& call) {
  if (auto set = command("SET SESSION TRANSACTION READ WRITE", call); !set) return set;
  auto done = query(sql, call, Interrupt::kAllowed);
  if (auto set = query("SET SESSION TRANSACTION READ ONLY", call, Interrupt::kNever); !set) usable_ = false;
  return done;
}

Outcome<void> Connection::begin(const Call& call) {
  if (!std::exchange(limits_certain_, true)) limit_ = std::chrono::milliseconds(-1);
  auto begun = query("START TRANSACTION READ WRITE", call, Interrupt::kAllowed);
  in_transaction_ = begun.has_value();
  return begun;
}

Outcome<void> Connection::commit(const Call& call) {
  in_transaction_ = false;
  auto done = query("COMMIT", call, Interrupt::kNever);
  if (!done && cause_of(done.error()) == Cause::kPassing) {
    // Shutdown, KILL, the disk: the commit may have been made before that was said.
    done.error().lost = true;
    usable_ = false;
  }
  return done;
}

void Connection::rollback(const Call& call) {
  in_transaction_ = false;
  if (!usable_) return;
  if (!query("ROLLBACK", call, Interrupt::kNever)) usable_ = false;
}

void Connection::forget_statements() {
  statements_.clear();
}

void Connection::keep_up_with(std::uint64_t generation) {
  if (generation_ != generation) forget_statements();
  generation_ = generation;
}

bool Connection::alive() {
  if (!usable_) return false;
  // An idle session has nothing to read, unless the server ends it.
  pollfd socket{mysql_get_socket(handle_.get()), POLLIN, 0};
  if (poll(&socket, 1, 0) != 0) usable_ = false;
  return usable_;
}

template <class Start, class GoOn>
Outcome<void> Connection::drive(const Call& call, Interrupt interrupt, Start start, GoOn go_on) {
  if (!usable_) return std::unexpected(unavailable("the connection was lost"));
  const bool cancellable = interrupt == Interrupt::kAllowed;
  if (cancellable && call.cancelled()) return std::unexpected(ours({ErrorCode::kCancelled, "cancelled"}));
  std::optional<WithoutSigpipe> quiet;
  if (tls_) quiet.emplace();
  int events = start();
  if (events == 0) return {};
  const CancelWatch watch(cancellable ? call.cancel : nullptr, wake_fd_);
  std::size_t arrived = 0;  // of one row at most
  while (events != 0) {
    const Wake wake = wait(events, call.deadline + kGrace, cancellable ? &call : nullptr);
    if (wake == Wake::kCancelled) {
      canceller_.cancel(id_);
      // The server's word ends the wait, if it comes soon.
      const auto patience = std::min(call.deadline, Clock::now() + kCancelPatience);
      usable_ = false;  // a request that arrives late would hit the session's next statement
      while (events != 0 && wait(events, patience, nullptr) == Wake::kReady) events = go_on(events);
      return std::unexpected(given_up());
    }
    if (wake == Wake::kDeadline) {
      if (id_ != 0) canceller_.cancel(id_);
      usable_ = false;
      return std::unexpected(overdue(call));
    }
    int unread = 0;
    if (ioctl(mysql_get_socket(handle_.get()), FIONREAD, &unread) == 0)
      arrived += static_cast<std::size_t>(unread);
    if (arrived > kAnswerBytesMax) return std::unexpected(too_much());
    events = go_on(events);
  }
  return {};
}

// `events`: what libmariadb waits for, and then what there is.
Connection::Wake Connection::wait(int& events, Clock::time_point deadline, const Call* cancellable) {
  const auto limit = Clock::now() + std::chrono::milliseconds(mysql_get_timeout_value_ms(handle_.get()));
  const bool limited = (events & MYSQL_WAIT_TIMEOUT) != 0;
  short wanted = 0;
  if ((events & MYSQL_WAIT_READ) != 0) wanted |= POLLIN;
  if ((events & MYSQL_WAIT_WRITE) != 0) wanted |= POLLOUT;
  if ((events & MYSQL_WAIT_EXCEPT) != 0) wanted |= POLLPRI;
  while (true) {
    if (cancellable != nullptr && cancellable->cancelled()) return Wake::kCancelled;
    std::array<pollfd, 2> fds = {pollfd{mysql_get_socket(handle_.get()), wanted, 0},
                                 pollfd{wake_fd_, POLLIN, 0}};
    const nfds_t count = cancellable != nullptr && cancellable->cancel != nullptr ? 2 : 1;
    const int ready =
        poll(fds.data(), count, milliseconds_until(limited ? std::min(limit, deadline) : deadline));
    if (ready > 0 && fds[0].revents != 0) {
      events = 0;
      const auto got = static_cast<unsigned>(fds[0].revents);
      if ((got & (POLLIN | POLLHUP | POLLERR)) != 0 && (wanted & POLLIN) != 0) events |= MYSQL_WAIT_READ;
      if ((got & (POLLOUT | POLLHUP | POLLERR)) != 0 && (wanted & POLLOUT) != 0) events |= MYSQL_WAIT_WRITE;
      if ((got & POLLPRI) != 0) events |= MYSQL_WAIT_EXCEPT;
      return Wake::kReady;
    }
    if (ready <= 0 && Clock::now() >= deadline) return Wake::kDeadline;
    if (ready <= 0 && limited && Clock::now() >= limit) {
      events = MYSQL_WAIT_TIMEOUT;
      return Wake::kReady;
    }
  }
}

Failure Connection::failed(unsigned number, const char* message, const Call& call) {
  Failure failure = failure_of(number, message, call.cancelled());
  if (failure.lost) usable_ = false;
  return failure;
}

// What ends an answer in its middle libmariadb keeps with the session, not with the statement.
Failure Connection::failed(MYSQL_STMT* statement, const Call& call) {
  if (const unsigned number = mysql_stmt_errno(statement); number != 0)
    return failed(number, mysql_stmt_error(statement), call);
  return failed(mysql_errno(handle_.get()), mysql_error(handle_.get()), call);
}

Failure Connection::too_much() {
  canceller_.cancel(id_);
  usable_ = false;
  return ours(answer_too_large());
}

}  // namespace forebay::source::mysql
