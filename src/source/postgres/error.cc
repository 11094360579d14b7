#include "source/postgres/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <utility>

#include "source/ledger.h"

namespace forebay::source::postgres {
namespace {

std::string field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text == nullptr ? std::string() : std::string(text);
}

bool is_one_of(std::string_view sqlstate, std::initializer_list<std::string_view> prefixes) {
  return std::ranges::any_of(prefixes, [&](std::string_view prefix) { return sqlstate.starts_with(prefix); });
}

// PL/pgSQL's RAISE: a function's author has chosen the code.
bool is_raised(std::string_view routine) {
  return routine == "exec_stmt_raise";
}

ErrorCode code_of(std::string_view sqlstate, std::string_view routine, bool cancelled) {
  if (is_raised(routine)) return ErrorCode::kRefused;
  if (sqlstate == "57014") return cancelled ? ErrorCode::kCancelled : ErrorCode::kTimeout;
  if (sqlstate == "55P03") return ErrorCode::kTimeout;
  if (sqlstate == "53400") return ErrorCode::kRefused;  // a limit on what one statement may use
  // 08 connection, 28 authorization (a role or password that is being changed), 40 serialization and
  // deadlock, 53 resources, 57 operator intervention, 58 the server's system.
  return is_one_of(sqlstate, {"08", "28", "40", "53", "57", "58"}) ? ErrorCode::kUnavailable
                                                                   : ErrorCode::kRefused;
}

// 40 and 55P03 are about other writers of the same rows. A class 08 that leaves the session as it is speaks of
// another server, which this one has asked.
ErrorScope scope_of(std::string_view sqlstate, bool fatal) {
  const bool of_call = is_one_of(sqlstate, {"40", "55P03"}) || (sqlstate.starts_with("08") && !fatal);
  return of_call ? ErrorScope::kCall : ErrorScope::kSource;
}

Cause cause_of_sqlstate(std::string_view sqlstate) {
  // The first that fits decides.
  constexpr std::array<std::pair<std::string_view, Cause>, 23> kCauses = {{
      {"428C9", Cause::kData},  // a value for a generated column
      {"53400", Cause::kData},  // a limit on what one statement may use
      {"08", Cause::kPassing},  // connection
      {"0A", Cause::kDoubt},    // feature not supported: a plan that a changed table has made stale
      {"25", Cause::kPassing},  // transaction state: a server that is a standby for now is read-only
      {"26", Cause::kPassing},  // prepared statement gone
      {"28", Cause::kPassing},  // authorization, while a role or its password is being changed
      {"2D", Cause::kPassing},  // transaction termination
      {"3B", Cause::kPassing},  // savepoint
      {"3D", Cause::kSchema},   // no such database
      {"3F", Cause::kDoubt},    // no such schema
      {"40", Cause::kPassing},  // serialization, deadlock
      {"42", Cause::kDoubt},  // no such table, column, function or right; malformed ltree, tsquery, regclass
      {"53", Cause::kPassing},   // resources
      {"55000", Cause::kDoubt},  // not in the state that is needed: a table, or a sequence in a trigger
      {"55", Cause::kPassing},   // object in use, lock not available
      {"57", Cause::kPassing},   // operator intervention, statement timeout
      {"58P01", Cause::kDoubt},  // a file of the server's: a library that a function needs
      {"58", Cause::kPassing},   // system
      {"72", Cause::kPassing},   // snapshot too old
      {"F0", Cause::kPassing},   // configuration file
      {"HV", Cause::kPassing},   // foreign data wrapper
      {"XX", Cause::kDoubt},     // internal; also what parsers of extensions say of malformed text
  }};
  for (const auto& [prefix, cause] : kCauses) {
    if (sqlstate.starts_with(prefix)) return cause;
  }
  return Cause::kData;
}

}  // namespace

Cause cause_of(const Failure& failure) {
  if (failure.lost) return Cause::kPassing;
  if (failure.sqlstate.empty()) return source::cause_of(failure.error);
  return is_raised(failure.routine) ? Cause::kData : cause_of_sqlstate(failure.sqlstate);
}

bool is_behind_the_table(const Failure& failure) {
  // Row-level security says 42501, too, and means the row.
  if (failure.sqlstate == "42501") return failure.routine == "aclcheck_error";
  return is_one_of(failure.sqlstate, {"42P01", "42703", "42883", "42704", "3F000", "58P01"});
}

Failure failure_of(const PGresult* result, bool cancelled) {
  Failure failure;
  failure.sqlstate = field(result, PG_DIAG_SQLSTATE);
  failure.routine = field(result, PG_DIAG_SOURCE_FUNCTION);
  failure.error.message = field(result, PG_DIAG_MESSAGE_PRIMARY);
  // No SQLSTATE: libpq made the result itself, because the connection broke.
  failure.error.code = ErrorCode::kUnavailable;
  if (!failure.sqlstate.empty()) {
    failure.error.code = code_of(failure.sqlstate, failure.routine, cancelled);
    const bool fatal = field(result, PG_DIAG_SEVERITY_NONLOCALIZED) != "ERROR";
    failure.error.scope = scope_of(failure.sqlstate, fatal);
  }
  if (failure.sqlstate == "55P03" && failure.error.code == ErrorCode::kTimeout)
    failure.error.message = "waited for a lock that another session holds: " + failure.error.message;
  const std::string detail = field(result, PG_DIAG_MESSAGE_DETAIL);
  if (!detail.empty()) failure.error.message += ": " + detail;
  if (failure.error.message.empty()) failure.error.message = "the server gave no reason";
  return failure;
}

std::string connection_message(const PGconn* connection) {
  std::string text = connection == nullptr ? "out of memory" : PQerrorMessage(connection);
  std::ranges::replace(text, '\n', ' ');
  std::ranges::replace(text, '\t', ' ');
  while (!text.empty() && (text.back() == ' ' || text.back() == '.')) text.pop_back();
  return text.empty() ? "the connection was lost" : text;
}

Error located(Error error, std::string_view where) {
  error.message = fmt::format("{}: {}", where, error.message);
  return error;
}

Error located(const Failure& failure, std::string_view where) {
  return located(failure.error, where);
}

}  // namespace forebay::source::postgres
