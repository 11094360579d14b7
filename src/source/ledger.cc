#include "source/ledger.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/row_json.h"
#include "source/hex_text.h"
#include "source/sql_mapping.h"

namespace forebay::source {

namespace {

bool fits(std::string_view text, Charset charset) {
  if (text.find('\0') != std::string_view::npos) return false;
  return charset == Charset::kUtf8
             ? is_utf8(text)
             : std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

// The primary key's order is that in which dead letters are listed.
std::vector<std::string> ledger_schema(config::Dialect dialect, std::string_view schema) {
  const std::string prefix = schema.empty() ? std::string() : quote_identifier(schema) + ".";
  return {
      fmt::format("CREATE TABLE IF NOT EXISTS {}forebay_applied (journal text NOT NULL, lane integer NOT "
                  "NULL, last_seq bigint NOT NULL, PRIMARY KEY (journal, lane))",
                  prefix),
      fmt::format("CREATE TABLE IF NOT EXISTS {}forebay_dead (journal text NOT NULL, lane integer NOT NULL, "
                  "seq bigint NOT NULL, namespace text NOT NULL, key text NOT NULL, operation text NOT NULL, "
                  "error text NOT NULL, at {}, PRIMARY KEY (journal, seq, lane))",
                  prefix,
                  dialect == config::Dialect::kSqlite
                      ? "text NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))"
                      : "timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP"),
      // lease_until: Unix time in ms, by the database's clock.
      fmt::format(
          "CREATE TABLE IF NOT EXISTS {}forebay_owner (journal text PRIMARY KEY, epoch bigint NOT NULL, "
          "home text NOT NULL, process text NOT NULL, place text NOT NULL, lease_until bigint NOT NULL, "
          "renewals bigint NOT NULL)",
          prefix),
  };
}

Error no_ledger(const Error& refused, std::span<const std::string> sql) {
  return {ErrorCode::kConfig,
          fmt::format("the ledger of write = \"behind\" can't be made or used ({}); have it made by: {};",
                      refused.message, fmt::join(sql, "; "))};
}

std::string stored(std::string_view bytes, Charset charset) {
  if (fits(bytes, charset) && !bytes.starts_with(kHexMark)) return std::string(bytes);
  return hex_text(bytes);
}

std::string restored(std::string_view text) {
  if (auto bytes = bytes_of_hex_text(text)) return std::move(*bytes);
  return std::string(text);  // as it was, or written by hand
}

std::string readable(std::string_view message, Charset charset) {
  std::string text(message);
  if (fits(text, charset)) return text;
  for (char& c : text) {
    if (c == '\0' || static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  return text;
}

DeadId dead_id_in(const WriteBatch& batch, const DeadLetter& letter) {
  return {batch.journal, batch.also.empty() ? batch.lane : letter.id.lane, letter.id.seq};
}

std::vector<LaneRange> lanes_of(const WriteBatch& batch) {
  std::vector<LaneRange> lanes = batch.also;
  lanes.push_back({batch.lane, batch.after, batch.upto});
  std::ranges::sort(lanes, {}, &LaneRange::lane);
  return lanes;
}

Result<bool> is_due(const WriteBatch& batch, const std::vector<std::optional<std::uint64_t>>& positions,
                    std::string_view where) {
  const std::vector<LaneRange> lanes = lanes_of(batch);
  const auto all_at = [&](std::uint64_t LaneRange::* place) {
    return std::ranges::equal(lanes, positions, [&](const LaneRange& lane, const auto& position) {
      return position == lane.*place;
    });
  };
  if (all_at(&LaneRange::upto)) return false;
  if (all_at(&LaneRange::after)) return true;
  for (std::size_t i = 0; i < lanes.size() && i < positions.size(); ++i) {
    if (positions[i] == lanes[i].after) continue;
    return Error{
        ErrorCode::kConflict,
        fmt::format("{}: forebay_applied says {} for lane {} of journal {} where {} or {} was expected: was "
                    "the database restored, or does another server use a copy of the journal?",
                    where, positions[i].value_or(0), lanes[i].lane, batch.journal, lanes[i].after,
                    lanes[i].upto)};
  }
  return Error{ErrorCode::kConflict, fmt::format("{}: forebay_applied has lanes missing", where)};
}

Error not_the_owner(std::string_view where, const WriteBatch& batch) {
  return {ErrorCode::kConflict,
          fmt::format("{}: journal {} has been taken over by another process", where, batch.journal)};
}

// The file that has the owner's home is the owner's, whatever its process knew when it ended. Of others, one
// that has not seen the ledger's epoch is a copy from before somebody took the journal over.
LedgerClaim claim_against(const LedgerOwner& owner, const std::optional<OwnerRow>& row) {
  LedgerClaim claim;
  if (!row) {
    claim.epoch = std::max<std::uint64_t>(owner.epoch, 1);
    return claim;
  }
  claim.epoch = row->epoch;
  if (row->home == owner.home) {
    claim.epoch = std::max(row->epoch, owner.epoch);
    return claim;
  }
  claim.place = row->place;
  claim.renewals = row->renewals;
  if (row->epoch > owner.epoch) {
    claim.state = LedgerClaim::State::kFenced;
  } else if (row->lives) {
    claim.state = LedgerClaim::State::kWaits;
  } else {
    claim.epoch = std::max(row->epoch, owner.epoch) + 1;
  }
  return claim;
}

DeadLetterSql::DeadLetterSql(config::Dialect dialect) {
  const bool postgres = dialect == config::Dialect::kPostgres;
  // Written with SQLite's parameters; PostgreSQL's are spelled with a dollar sign.
  const auto sql = [&](std::string text) {
    if (postgres) std::ranges::replace(text, '?', '$');
    return text;
  };
  const std::string at =
      postgres ? "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')" : "at";
  const std::string letters =
      "SELECT journal, lane, seq, namespace, key, operation, error, " + at + " FROM forebay_dead ";
  const std::string named = "WHERE journal = ?1 AND lane = ?2 AND seq = ?3";
  const std::string found = postgres ? " RETURNING 1" : "";  // SQLite counts the rows by itself
  columns = letters + "LIMIT 0";
  one = sql(letters + named);
  first_page = sql(letters + "ORDER BY journal, seq, lane LIMIT CAST(?1 AS bigint)");
  next_page = sql(letters +
                  "WHERE (journal, seq, lane) > (?1, CAST(?3 AS bigint), CAST(?2 AS integer)) "
                  "ORDER BY journal, seq, lane LIMIT CAST(?4 AS bigint)");
  put_aside =
      sql("INSERT INTO forebay_dead(journal, lane, seq, namespace, key, operation, error) "
          "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
  edit = sql("UPDATE forebay_dead SET operation = ?4 " + named + found);
  drop = sql("DELETE FROM forebay_dead " + named + found);
}

DeadText::DeadText(const DeadLetter& letter, Charset charset)
    : space(stored(letter.space, charset)),
      key(stored(letter.key, charset)),
      operation(stored(letter.operation, charset)),
      error(readable(letter.error, charset)) {}

DeadLetter letter_of(DeadId id, const std::array<std::string_view, 5>& text) {
  return {.id = std::move(id),
          .space = restored(text[0]),
          .key = restored(text[1]),
          .operation = restored(text[2]),
          .error = std::string(text[3]),
          .at = std::string(text[4])};
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
    error.code = cause != Cause::kPassing ? ErrorCode::kConfig : ErrorCode::kUnavailable;
  }
  return error;
}

}  // namespace forebay::source
