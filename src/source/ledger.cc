#include "source/ledger.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace forebay::source {

std::vector<std::string> ledger_schema(config::Dialect dialect) {
  const bool sqlite = dialect == config::Dialect::kSqlite;
  return {
      "CREATE TABLE IF NOT EXISTS forebay_applied (journal text NOT NULL, lane integer NOT NULL, "
      "last_seq bigint NOT NULL, PRIMARY KEY (journal, lane))",
      fmt::format("CREATE TABLE IF NOT EXISTS forebay_dead (journal text NOT NULL, lane integer NOT NULL, "
                  "seq bigint NOT NULL, namespace text NOT NULL, key {0} NOT NULL, operation {0} NOT NULL, "
                  "error text NOT NULL, at {1} NOT NULL DEFAULT CURRENT_TIMESTAMP, "
                  "PRIMARY KEY (journal, lane, seq))",
                  "text", sqlite ? "text" : "timestamptz"),
  };
}

Error no_ledger(const Error& refused, config::Dialect dialect) {
  return {ErrorCode::kConfig,
          fmt::format("the ledger of write = \"behind\" can't be made ({}); have it made by: {};",
                      refused.message, fmt::join(ledger_schema(dialect), "; "))};
}

Error wrong_position(std::string_view where, const WriteBatch& batch, std::uint64_t found) {
  return {
      ErrorCode::kConflict,
      fmt::format("{}: forebay_applied says {} for lane {} of journal {} where {} or {} was expected: was "
                  "the database restored, or does another server use a copy of the journal?",
                  where, found, batch.lane, batch.journal, batch.after, batch.upto)};
}

Cause cause_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::kRefused:
    case ErrorCode::kInvalidArgument:
      return Cause::kData;
    case ErrorCode::kConfig:
    case ErrorCode::kUnsupported:
      return Cause::kSchema;
    default:
      return Cause::kPassing;
  }
}

Error unapplied(Error error, Cause cause) {
  if (error.code == ErrorCode::kRefused) {
    error.code = cause == Cause::kSchema ? ErrorCode::kConfig : ErrorCode::kUnavailable;
  }
  return error;
}

}  // namespace forebay::source
