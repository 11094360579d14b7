#include "source/postgres/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "source/ledger.h"

namespace forebay::source::postgres {
namespace {

std::string field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text == nullptr ? std::string() : std::string(text);
}

}  // namespace

ErrorCode code_of(std::string_view sqlstate, bool cancelled) {
  const std::string_view kind = sqlstate.substr(0, 2);
  if (sqlstate == "57014") return cancelled ? ErrorCode::kCancelled : ErrorCode::kTimeout;
  if (sqlstate == "55P03") return ErrorCode::kUnavailable;
  // 08 connection, 28 authorization (a role or password that is being changed), 40 serialization and
  // deadlock, 53 resources, 57 operator intervention, 58 and XX the server's own troubles.
  for (const std::string_view passing : {"08", "28", "40", "53", "57", "58", "XX"}) {
    if (kind == passing) return ErrorCode::kUnavailable;
  }
  return ErrorCode::kRefused;
}

Cause cause_of(std::string_view sqlstate) {
  // The first that fits decides.
  constexpr std::array<std::pair<std::string_view, Cause>, 20> kCauses = {{
      {"428C9", Cause::kData},  // a value for a generated column
      {"08", Cause::kPassing},  // connection
      {"0A", Cause::kSchema},   // feature not supported: a plan that a changed table has made stale
      {"25", Cause::kPassing},  // transaction state: a server that is a standby for now is read-only
      {"26", Cause::kPassing},  // prepared statement gone
      {"28", Cause::kPassing},  // authorization, while a role or its password is being changed
      {"2D", Cause::kPassing},  // transaction termination
      {"3B", Cause::kPassing},  // savepoint
      {"3D", Cause::kSchema},   // no such database
      {"3F", Cause::kSchema},   // no such schema
      {"40", Cause::kPassing},  // serialization, deadlock
      {"42", Cause::kSchema},   // no such table, column, function or right
      {"53", Cause::kPassing},  // resources
      {"55", Cause::kPassing},  // object in use, lock not available
      {"57", Cause::kPassing},  // operator intervention, statement timeout
      {"58", Cause::kPassing},  // system
      {"72", Cause::kPassing},  // snapshot too old
      {"F0", Cause::kPassing},  // configuration file
      {"HV", Cause::kPassing},  // foreign data wrapper
      {"XX", Cause::kPassing},  // internal
  }};
  for (const auto& [prefix, cause] : kCauses) {
    if (sqlstate.starts_with(prefix)) return cause;
  }
  return Cause::kData;
}

Cause cause_of(const Failure& failure) {
  return failure.sqlstate.empty() ? source::cause_of(failure.error) : cause_of(failure.sqlstate);
}

Failure failure_of(const PGresult* result, bool cancelled) {
  Failure failure;
  failure.sqlstate = field(result, PG_DIAG_SQLSTATE);
  // No SQLSTATE: libpq made the result itself, because the connection broke.
  failure.error.code =
      failure.sqlstate.empty() ? ErrorCode::kUnavailable : code_of(failure.sqlstate, cancelled);
  failure.error.message = field(result, PG_DIAG_MESSAGE_PRIMARY);
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

Error located(const Failure& failure, std::string_view where) {
  return {failure.error.code, fmt::format("{}: {}", where, failure.error.message)};
}

}  // namespace forebay::source::postgres
