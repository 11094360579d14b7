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

// Deletes a dead letter; false: there is none.
Result<bool> drop(Connection& connection, const DeadId& id) {
  auto statement =
      connection.prepare("DELETE FROM forebay_dead WHERE journal = ?1 AND lane = ?2 AND seq = ?3");
  if (!statement) return statement.error();
  statement->bind_text(1, id.journal);
  statement->bind_integer(2, id.lane);
  statement->bind_integer(3, static_cast<std::int64_t>(id.seq));
  auto done = statement->step();
  if (!done) return done.error();
  return connection.changes() > 0;
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

// The transaction of one batch.
class Application {
 public:
  Application(const Database& database, Connection& connection, const WriteBatch& batch)
      : database_(database), connection_(connection), batch_(batch) {}

  Result<BatchOutcome> run() {
    connection_.forget_failure();
    auto transaction = Transaction::begin(connection_, Transaction::Kind::kWrite);
    if (!transaction) return failed(transaction.error());
    auto at = position(connection_, batch_.journal, batch_.lane);
    if (!at) return failed(at.error());
    BatchOutcome outcome;
    if (*at == batch_.upto) return outcome;
    if (*at != batch_.after) return wrong_position(fmt::format("source {}", database_.name), batch_, *at);
    // Each under a savepoint, so that the others can be tried where one is refused. That costs some
    // microseconds a write, and saves doing them all again.
    for (std::size_t i = 0; i < batch_.writes.size(); ++i) {
      connection_.forget_failure();
      if (auto begun = connection_.run("SAVEPOINT forebay_write"); !begun) return failed(begun.error());
      auto written = apply_one(batch_.writes[i]);
      if (!written) {
        if (cause(written.error()) != Cause::kData) {
          // Out of time, say. The refusals that were found would be found again.
          if (outcome.refused.empty()) return failed(written.error());
          break;
        }
        outcome.refused.push_back({i, std::move(written.error()), key_is_missing_});
        // A trigger may have rolled everything back; then the rest can't be tried.
        if (!connection_.in_transaction()) break;
        if (auto back = connection_.run("ROLLBACK TO forebay_write"); !back) break;
      } else {
        outcome.written.push_back(std::move(*written));
      }
      if (auto done = connection_.run("RELEASE forebay_write"); !done) return failed(done.error());
    }
    if (!outcome.refused.empty()) {
      outcome.written.clear();
      return outcome;
    }
    connection_.forget_failure();
    if (auto done = set_aside(connection_, batch_); !done) return failed(done.error());
    if (auto done = advance(connection_, batch_); !done) return failed(done.error());
    if (auto done = transaction->commit(); !done) return failed(done.error());
    return outcome;
  }

 private:
  Cause cause(const Error& error) const {
    return connection_.failure() ? sqlite::cause_of(*connection_.failure()) : source::cause_of(error);
  }
  Error failed(const Error& error) const { return unapplied(error, cause(error)); }

  Result<std::optional<Written>> apply_one(const BatchWrite& one) {
    key_is_missing_ = false;
    std::optional<Written> last;
    if (one.revives) {
      auto was_there = drop(connection_, *one.revives);
      if (!was_there) return was_there.error();
      if (!*was_there) return last;
    }
    for (const Write& write : one.writes) {
      const auto* dataset = dynamic_cast<const BatchedDataset*>(one.dataset);
      if (dataset == nullptr) return Error{ErrorCode::kUnsupported, "only a table takes batches of writes"};
      auto written = dataset->write_within(connection_, one.key, write);
      if (!written) {
        key_is_missing_ =
            connection_.failure() && connection_.failure()->code == SQLITE_CONSTRAINT_FOREIGNKEY;
        return written.error();
      }
      if (deferred_key_is_violated(connection_)) {
        key_is_missing_ = true;
        return Error{ErrorCode::kRefused,
                     fmt::format("source {}: FOREIGN KEY constraint failed", database_.name)};
      }
      last = std::move(*written);
    }
    return last;
  }

  const Database& database_;
  Connection& connection_;
  const WriteBatch& batch_;
  bool key_is_missing_ = false;  // of the write that was refused last
};

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
  if (!lease) return unapplied(lease.error(), Cause::kPassing);
  return Application(database, **lease, batch).run();
}

}  // namespace forebay::source::sqlite
