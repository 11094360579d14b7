#include "source/sqlite/ledger.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "source/batch_steps.h"
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

void bind_id(Statement& statement, const DeadId& id) {
  statement.bind_text(1, id.journal);
  statement.bind_integer(2, id.lane);
  statement.bind_integer(3, static_cast<std::int64_t>(id.seq));
}

// Whether the statement, which names the dead letter by its first three parameters, has changed it.
Result<bool> change(Connection& connection, Statement& statement) {
  auto done = statement.step();
  if (!done) return done.error();
  return connection.changes() > 0;
}

const DeadLetterSql& sql() {
  static const DeadLetterSql statements(Dialect::kSqlite);
  return statements;
}

Result<bool> drop(Connection& connection, const DeadId& id) {
  auto statement = connection.prepare(sql().drop);
  if (!statement) return statement.error();
  bind_id(*statement, id);
  return change(connection, *statement);
}

DeadLetter letter_in(const Statement& row) {
  return letter_of({std::string(row.bytes(0)), static_cast<std::uint32_t>(row.integer(1)),
                    static_cast<std::uint64_t>(row.integer(2))},
                   {row.bytes(3), row.bytes(4), row.bytes(5), row.bytes(6), row.bytes(7)});
}

// Whether the table is there, without which there are no dead letters.
Result<bool> has_dead_letters(Connection& connection) {
  auto tables = connection.ask("SELECT count(*) FROM sqlite_schema WHERE name = 'forebay_dead'");
  if (!tables) return tables.error();
  return *tables > 0;
}

Result<void> set_aside(Connection& connection, const WriteBatch& batch) {
  if (batch.dead.empty()) return {};
  auto statement = connection.prepare(sql().put_aside);
  if (!statement) return statement.error();
  for (const DeadLetter& dead : batch.dead) {
    const DeadText text(dead, Charset::kUtf8);
    const DeadId id{batch.journal, batch.lane, dead.id.seq};
    bind_id(*statement, id);
    statement->bind_text(4, text.space);
    statement->bind_text(5, text.key);
    statement->bind_text(6, text.operation);
    statement->bind_text(7, text.error);
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

// Of an error since forget_failure(): what SQLite itself said, if it said anything.
Cause cause_in(const Connection& connection, const Error& error) {
  return connection.failure() ? sqlite::cause_of(*connection.failure()) : source::cause_of(error);
}

// A batch in a transaction, which finish() commits.
class Steps final : public BatchSteps<Error> {
 public:
  Steps(const Database& database, Connection& connection, Transaction& transaction, const WriteBatch& batch)
      : database_(database), connection_(connection), transaction_(transaction), batch_(batch) {}

  Step<std::optional<std::uint64_t>> position() override {
    auto at = sqlite::position(connection_, batch_.journal, batch_.lane);
    if (!at) return std::unexpected(std::move(at).error());
    return *at;
  }
  // A savepoint costs some microseconds a write, and saves doing all of them again where one is refused.
  Step<void> save() override {
    connection_.forget_failure();
    return connection_.run("SAVEPOINT forebay_write");
  }
  Step<std::optional<Written>> write(const BatchWrite& one) override {
    connection_.forget_failure();
    key_is_missing_ = false;
    return apply_one(one);
  }
  Step<void> keep() override {
    connection_.forget_failure();
    if (auto done = connection_.run("RELEASE forebay_write"); !done) return done;
    return save();
  }
  Step<void> undo() override {
    // A trigger may have rolled everything back.
    if (!connection_.in_transaction()) return std::unexpected(Error{ErrorCode::kRefused, "rolled back"});
    return connection_.run("ROLLBACK TO forebay_write");
  }
  Step<void> finish() override {
    connection_.forget_failure();
    if (auto done = set_aside(connection_, batch_); !done) return done;
    if (auto done = advance(connection_, batch_); !done) return done;
    return transaction_.commit();
  }

  Cause cause(const Error& error) const override { return cause_in(connection_, error); }
  Error fault(Error error) const override { return error; }
  BatchOutcome::Refusal refusal(std::size_t place, Error error) const override {
    return {place, std::move(error), key_is_missing_};
  }

 private:
  Result<std::optional<Written>> apply_one(const BatchWrite& one) {
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
      if (last) {
        // What the writes before this one have changed besides.
        AlsoChanged& also = written->also;
        also.tables.insert(also.tables.end(), last->also.tables.begin(), last->also.tables.end());
      }
      last = std::move(*written);
    }
    return last;
  }

  const Database& database_;
  Connection& connection_;
  Transaction& transaction_;
  const WriteBatch& batch_;
  bool key_is_missing_ = false;  // of the write that was refused last
};

// Borrows the database.
class FileLedger final : public Ledger {
 public:
  explicit FileLedger(Database& database) : database_(database) {}

  Result<std::vector<std::uint64_t>> open(const std::string& journal, std::uint32_t lanes,
                                          const CallContext& context) override;
  Result<BatchOutcome> apply(const WriteBatch& batch, const CallContext& context) override;
  Result<std::vector<DeadLetter>> dead_letters(const std::optional<DeadId>& after, std::size_t limit,
                                               const CallContext& context) override;
  Result<std::optional<DeadLetter>> dead_letter(const DeadId& id, const CallContext& context) override;
  Result<bool> edit_dead_letter(const DeadId& id, const std::string& operation,
                                const CallContext& context) override;
  Result<bool> drop_dead_letter(const DeadId& id, const CallContext& context) override;

 private:
  Database& database_;
};

Result<std::vector<std::uint64_t>> FileLedger::open(const std::string& journal, std::uint32_t lanes,
                                                    const CallContext& context) {
  const Deadline deadline(context);
  auto lease = database_.writer.acquire(deadline);
  // A file that can't be written is refused when the connection is made ready.
  if (!lease && lease.error().code == ErrorCode::kRefused)
    return no_ledger(lease.error(), ledger_schema(Dialect::kSqlite));
  if (!lease) return lease.error();
  Connection& connection = **lease;
  connection.forget_failure();
  const auto failed = [&](const Error& error) {
    const auto& failure = connection.failure();
    if (!failure || cause_of(*failure) != Cause::kSchema) return error;
    return no_ledger(error, ledger_schema(Dialect::kSqlite));
  };
  // Begun where the tables are there as well: a database that is only read is told now.
  auto transaction = Transaction::begin(connection, Transaction::Kind::kWrite);
  if (!transaction) return failed(transaction.error());
  auto tables =
      connection.ask("SELECT count(*) FROM sqlite_schema WHERE name IN ('forebay_applied', 'forebay_dead')");
  if (!tables) return tables.error();
  if (*tables < 2) {
    for (const std::string& sql : ledger_schema(Dialect::kSqlite)) {
      if (auto made = connection.run_once(sql); !made) return failed(made.error());
    }
  }
  if (auto columns = connection.run_once(sql().columns); !columns) return failed(columns.error());
  std::vector<std::uint64_t> positions;
  for (std::uint32_t lane = 0; lane < lanes; ++lane) {
    auto at = position(connection, journal, lane);
    if (!at) return failed(at.error());
    positions.push_back(*at);
  }
  if (auto done = transaction->commit(); !done) return failed(done.error());
  return positions;
}

Result<BatchOutcome> FileLedger::apply(const WriteBatch& batch, const CallContext& context) {
  const Deadline deadline(context);
  auto lease = database_.writer.acquire(deadline);
  if (!lease) return unapplied(lease.error(), Cause::kSchema);  // kRefused: as in open()
  Connection& connection = **lease;
  connection.forget_failure();
  const auto failed = [&](Error error) {
    const Cause cause = cause_in(connection, error);
    return unapplied(std::move(error), cause);
  };
  auto transaction = Transaction::begin(connection, Transaction::Kind::kWrite);
  if (!transaction) return failed(transaction.error());
  Steps steps(database_, connection, *transaction, batch);
  auto outcome = apply_one_by_one(steps, batch, fmt::format("source {}", database_.name));
  if (!outcome) return failed(std::move(outcome).error());
  return std::move(*outcome);
}

Result<std::vector<DeadLetter>> FileLedger::dead_letters(const std::optional<DeadId>& after,
                                                         std::size_t limit, const CallContext& context) {
  const Deadline deadline(context);
  auto lease = database_.readers.acquire(deadline);
  if (!lease) return lease.error();
  std::vector<DeadLetter> letters;
  auto there = has_dead_letters(**lease);
  if (!there) return there.error();
  if (!*there) return letters;
  auto statement = (*lease)->prepare(after ? sql().next_page : sql().first_page);
  if (!statement) return statement.error();
  if (after) bind_id(*statement, *after);
  statement->bind_integer(after ? 4 : 1, static_cast<std::int64_t>(std::min<std::uint64_t>(
                                             limit, std::numeric_limits<std::int64_t>::max())));
  while (true) {
    auto row = statement->step();
    if (!row) return row.error();
    if (!*row) return letters;
    letters.push_back(letter_in(*statement));
  }
}

Result<std::optional<DeadLetter>> FileLedger::dead_letter(const DeadId& id, const CallContext& context) {
  const Deadline deadline(context);
  auto lease = database_.readers.acquire(deadline);
  if (!lease) return lease.error();
  std::optional<DeadLetter> letter;
  auto there = has_dead_letters(**lease);
  if (!there) return there.error();
  if (!*there) return letter;
  auto statement = (*lease)->prepare(sql().one);
  if (!statement) return statement.error();
  bind_id(*statement, id);
  auto row = statement->step();
  if (!row) return row.error();
  if (*row) letter = letter_in(*statement);
  return letter;
}

Result<bool> FileLedger::edit_dead_letter(const DeadId& id, const std::string& operation,
                                          const CallContext& context) {
  const Deadline deadline(context);
  auto lease = database_.writer.acquire(deadline);
  if (!lease) return lease.error();
  auto there = has_dead_letters(**lease);
  if (!there || !*there) return there;
  auto statement = (*lease)->prepare(sql().edit);
  if (!statement) return statement.error();
  const std::string text = stored(operation, Charset::kUtf8);
  bind_id(*statement, id);
  statement->bind_text(4, text);
  return change(**lease, *statement);
}

Result<bool> FileLedger::drop_dead_letter(const DeadId& id, const CallContext& context) {
  const Deadline deadline(context);
  auto lease = database_.writer.acquire(deadline);
  if (!lease) return lease.error();
  auto there = has_dead_letters(**lease);
  if (!there || !*there) return there;
  return drop(**lease, id);
}

}  // namespace

std::unique_ptr<Ledger> ledger_of(Database& database) {
  return std::make_unique<FileLedger>(database);
}

}  // namespace forebay::source::sqlite
