#include "source/postgres/error.h"

#include <fmt/format.h>

#include <algorithm>

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
