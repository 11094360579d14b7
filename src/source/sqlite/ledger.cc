#include "source/sqlite/ledger.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <utility>

#include "source/ledger.h"
#include "source/sqlite/table_dataset.h"

namespace forebay::source::sqlite {
namespace {

Result<std::uint64_t> position(Connection& connection, const std::string& journal, std::uint32_t lane) {
  auto statement =
      connection.prepare("SELECT last_seq FROM forebay_applied WHERE journal = ?1 AND lane = ?2");
  if (!statement) return statement.error();
  statement->bind_text(1, journal);
  statement->bind_integer(2, lane);
  auto row = statement->step();
  if (!row) return row.error();
  return *row ? static_cast<std::uint64_t>(statement->integer(0)) : std::uint64_t{0};
}

// Whether a COMMIT would now fail for a deferred foreign key, where nobody could say which write it is about.
bool deferred_key_is_violated(Connection& connection) {
  int violated = 0;
  int highest = 0;
  return sqlite3_db_status(connection.handle(), SQLITE_DBSTATUS_DEFERRED_FKS, &violated, &highest, 0) ==
             SQLITE_OK &&
         violated != 0;
}

Result<void> set_aside(Connection& connection, const WriteBatch& batch) {
  auto statement = connection.prepare(
      "INSERT INTO forebay_dead(journal, lane, seq, namespace, key, operation, error) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
  if (!statement) return statement.error();
  for (const DeadLetter& dead : batch.dead) {
    statement->bind_text(1, batch.journal);
    statement->bind_integer(2, batch.lane);
    statement->bind_integer(3, static_cast<std::int64_t>(dead.id.seq));
    statement->bind_text(4, dead.space);
    statement->bind_text(5, dead.key);
    statement->bind_text(6, dead.operation);
    statement->bind_text(7, dead.error);
    auto done = statement->step();
    if (!done) return done.error();
    statement->reset();
  }
  return {};
}

Result<void> advance(Connection& connection, const WriteBatch& batch) {
  auto statement = connection.prepare(
      "INSERT INTO forebay_applied(journal, lane, last_seq) VALUES (?1, ?2, ?3) "
      "ON CONFLICT (journal, lane) DO UPDATE SET last_seq = excluded.last_seq");
  if (!statement) return statement.error();
  statement->bind_text(1, batch.journal);
  statement->bind_integer(2, batch.lane);
  statement->bind_integer(3, static_cast<std::int64_t>(batch.upto));
  auto done = statement->step();
  if (!done) return done.error();
  return {};
}

}  // namespace

Result<std::vector<std::uint64_t>> open_ledger(Database& database, const std::string& journal,
                                               std::uint32_t lanes, const CallContext& context) {
  const Deadline deadline(context);
  auto lease = database.writer.acquire(deadline);
  if (!lease) return lease.error();
  Connection& connection = **lease;
  auto tables =
      connection.ask("SELECT count(*) FROM sqlite_schema WHERE name IN ('forebay_applied', 'forebay_dead')");
  if (!tables) return tables.error();
  if (*tables < 2) {
    for (const std::string& sql : ledger_schema(Dialect::kSqlite)) {
      if (auto made = connection.run_once(sql); !made) return no_ledger(made.error(), Dialect::kSqlite);
    }
  }
  std::vector<std::uint64_t> positions;
  for (std::uint32_t lane = 0; lane < lanes; ++lane) {
    auto at = position(connection, journal, lane);
    if (!at) return at.error();
    positions.push_back(*at);
  }
  return positions;
}

Result<BatchOutcome> apply(Database& database, const WriteBatch& batch, const CallContext& context) {
  const Deadline deadline(context);
  auto lease = database.writer.acquire(deadline);
  if (!lease) return lease.error();
  Connection& connection = **lease;
  auto transaction = Transaction::begin(connection, Transaction::Kind::kWrite);
  if (!transaction) return transaction.error();
  auto at = position(connection, batch.journal, batch.lane);
  if (!at) return at.error();
  BatchOutcome outcome;
  if (*at == batch.upto) return outcome;
  if (*at != batch.after) return wrong_position(fmt::format("source {}", database.name), batch, *at);
  for (const BatchWrite& one : batch.writes) {
    const auto* dataset = dynamic_cast<const BatchedDataset*>(one.dataset);
    if (dataset == nullptr) return Error{ErrorCode::kUnsupported, "only a table takes batches of writes"};
    std::optional<Written> last;
    for (const Write& write : one.writes) {
      auto written = dataset->write_within(connection, one.key, write);
      if (written && deferred_key_is_violated(connection)) {
        written = Error{ErrorCode::kRefused,
                        fmt::format("source {}: FOREIGN KEY constraint failed", database.name)};
      }
      if (!written && is_permanent(written.error())) {
        outcome.written.clear();
        outcome.refused.push_back(
            {static_cast<std::size_t>(&one - batch.writes.data()), std::move(written.error())});
        return outcome;
      }
      if (!written) return written.error();
      last = std::move(*written);
    }
    outcome.written.push_back(std::move(last));
  }
  if (auto done = set_aside(connection, batch); !done) return done.error();
  if (auto done = advance(connection, batch); !done) return done.error();
  if (auto done = transaction->commit(); !done) return done.error();
  return outcome;
}

}  // namespace forebay::source::sqlite
