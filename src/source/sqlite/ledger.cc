#include "source/sqlite/ledger.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "forebay/function_ref.h"
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

Result<void> set_aside(Connection& connection, const WriteBatch& batch,
                       const std::vector<DeadLetter>& letters) {
  if (letters.empty()) return {};
  auto statement = connection.prepare(sql().put_aside);
  if (!statement) return statement.error();
  for (const DeadLetter& dead : letters) {
    const DeadText text(dead, Charset::kUtf8);
    const DeadId id = dead_id_in(batch, dead);  // bound by reference
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

Result<void> advance(Connection& connection, const std::string& journal, const LaneRange& range) {
  auto statement = connection.prepare(
      "INSERT INTO forebay_applied(journal, lane, last_seq) VALUES (?1, ?2, ?3) "
      "ON CONFLICT (journal, lane) DO UPDATE SET last_seq = excluded.last_seq");
  if (!statement) return statement.error();
  statement->bind_text(1, journal);
  statement->bind_integer(2, range.lane);
  statement->bind_integer(3, static_cast<std::int64_t>(range.upto));
  auto done = statement->step();
  if (!done) return done.error();
  return {};
}

// Whether a write that SQLite refused for this may be taken in another order.
bool may_be_early(int code) {
  return code == SQLITE_CONSTRAINT_FOREIGNKEY || code == SQLITE_CONSTRAINT_UNIQUE ||
         code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_ROWID;
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

  Step<std::vector<std::optional<std::uint64_t>>> positions() override {
    std::vector<std::optional<std::uint64_t>> all;
    for (const LaneRange& range : lanes_of(batch_)) {
      auto at = sqlite::position(connection_, batch_.journal, range.lane);
      if (!at) return std::unexpected(std::move(at).error());
      all.emplace_back(*at);
    }
    if (batch_.process.empty()) return all;
    auto owner = connection_.prepare("SELECT process FROM forebay_owner WHERE journal = ?1");
    if (!owner) return std::unexpected(owner.error());
    owner->bind_text(1, batch_.journal);
    auto found = owner->step();
    if (!found) return std::unexpected(found.error());
    if (!*found || owner->bytes(0) != batch_.process)
      return std::unexpected(not_the_owner(fmt::format("source {}", database_.name), batch_));
    return all;
  }
  // A savepoint costs some microseconds a write, and saves doing all of them again where one is refused.
  Step<void> save() override {
    connection_.forget_failure();
    return connection_.run("SAVEPOINT forebay_write");
  }
  Step<std::vector<std::optional<Written>>> write(std::size_t first, std::size_t last,
                                                  std::size_t& failed) override {
    connection_.forget_failure();
    early_ = false;
    std::vector<std::optional<Written>> all;
    for (failed = first; failed < last; ++failed) {
      auto written = apply_one(batch_.writes[failed]);
      if (!written) return std::unexpected(std::move(written).error());
      all.push_back(std::move(*written));
    }
    return all;
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
  Step<void> finish(const std::vector<DeadLetter>& more) override {
    connection_.forget_failure();
    if (auto done = set_aside(connection_, batch_, batch_.dead); !done) return done;
    if (auto done = set_aside(connection_, batch_, more); !done) return done;
    for (const LaneRange& range : lanes_of(batch_)) {
      if (auto done = advance(connection_, batch_.journal, range); !done) return done;
    }
    return transaction_.commit();
  }

  Cause cause(const Error& error) const override { return cause_in(connection_, error); }
  Error fault(Error error) const override { return error; }
  BatchOutcome::Refusal refusal(std::size_t place, Error error) const override {
    return {place, std::move(error), early_};
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
        early_ = connection_.failure() && may_be_early(connection_.failure()->code);
        return written.error();
      }
      if (deferred_key_is_violated(connection_)) {
        early_ = true;
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
  bool early_ = false;  // the write that was refused last
};

// Borrows the database.
class FileLedger final : public Ledger {
 public:
  explicit FileLedger(Database& database) : database_(database) {}

  Result<std::vector<std::uint64_t>> open(const std::string& journal, std::uint32_t lanes,
                                          const CallContext& context) override;
  Result<LedgerClaim> claim(const LedgerOwner& owner, const CallContext& context) override;
  Result<std::vector<KnownJournal>> journals(const CallContext& context) override;
  Result<BatchOutcome> apply(const WriteBatch& batch, const CallContext& context) override;
  Result<std::vector<DeadLetter>> dead_letters(const std::optional<DeadId>& after, std::size_t limit,
                                               const CallContext& context) override;
  Result<std::optional<DeadLetter>> dead_letter(const DeadId& id, const CallContext& context) override;
  Result<bool> edit_dead_letter(const DeadId& id, const std::string& operation,
                                const CallContext& context) override;
  Result<bool> drop_dead_letter(const DeadId& id, const CallContext& context) override;

 private:
  template <class T>
  Result<T> with_tables(const CallContext& context, FunctionRef<Result<T>(Connection&)> work);

  Database& database_;
};

// `work` in a transaction that has made the ledger's tables where they are missing.
template <class T>
Result<T> FileLedger::with_tables(const CallContext& context, FunctionRef<Result<T>(Connection&)> work) {
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
  auto tables = connection.ask(
      "SELECT count(*) FROM sqlite_schema WHERE name IN ('forebay_applied', 'forebay_dead', "
      "'forebay_owner')");
  if (!tables) return tables.error();
  if (*tables < 3) {
    for (const std::string& sql : ledger_schema(Dialect::kSqlite)) {
      if (auto made = connection.run_once(sql); !made) return failed(made.error());
    }
  }
  if (auto columns = connection.run_once(sql().columns); !columns) return failed(columns.error());
  auto result = work(connection);
  if (!result) return failed(result.error());
  if (auto done = transaction->commit(); !done) return failed(done.error());
  return result;
}

Result<std::vector<std::uint64_t>> FileLedger::open(const std::string& journal, std::uint32_t lanes,
                                                    const CallContext& context) {
  return with_tables<std::vector<std::uint64_t>>(
      context, [&](Connection& connection) -> Result<std::vector<std::uint64_t>> {
        std::vector<std::uint64_t> positions;
        for (std::uint32_t lane = 0; lane < lanes; ++lane) {
          auto at = position(connection, journal, lane);
          if (!at) return at.error();
          positions.push_back(*at);
        }
        return positions;
      });
}

Result<LedgerClaim> FileLedger::claim(const LedgerOwner& owner, const CallContext& context) {
  auto claimed = with_tables<LedgerClaim>(context, [&](Connection& connection) -> Result<LedgerClaim> {
    const std::string now = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)";
    std::optional<OwnerRow> row;
    {
      auto statement = connection.prepare("SELECT epoch, home, process, place, renewals, lease_until > " +
                                          now + " FROM forebay_owner WHERE journal = ?1");
      if (!statement) return statement.error();
      statement->bind_text(1, owner.journal);
      auto found = statement->step();
      if (!found) return found.error();
      if (*found) {
        row = OwnerRow{static_cast<std::uint64_t>(statement->integer(0)),
                       std::string(statement->bytes(1)),
                       std::string(statement->bytes(2)),
                       std::string(statement->bytes(3)),
                       static_cast<std::uint64_t>(statement->integer(4)),
                       statement->integer(5) != 0};
      }
    }
    LedgerClaim claim = claim_against(owner, row);
    auto statement = connection.prepare("SELECT count(*) FROM forebay_applied WHERE journal = ?1");
    if (!statement) return statement.error();
    statement->bind_text(1, owner.journal);
    if (auto counted = statement->step(); !counted) return counted.error();
    claim.known = row || statement->integer(0) > 0;
    if (owner.known && !claim.known) claim.state = LedgerClaim::State::kUnknown;
    if (claim.state != LedgerClaim::State::kOwned) return claim;
    auto write = connection.prepare(
        "INSERT INTO forebay_owner(journal, epoch, home, process, place, lease_until, renewals) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6 + " +
        now +
        ", 1) ON CONFLICT (journal) DO UPDATE SET epoch = excluded.epoch, home = excluded.home, process = "
        "excluded.process, place = excluded.place, lease_until = excluded.lease_until, renewals = renewals + "
        "1");
    if (!write) return write.error();
    write->bind_text(1, owner.journal);
    write->bind_integer(2, static_cast<std::int64_t>(claim.epoch));
    write->bind_text(3, owner.home);
    write->bind_text(4, owner.process);
    write->bind_text(5, owner.place);
    write->bind_integer(6, owner.lease.count());
    if (auto done = write->step(); !done) return done.error();
    return claim;
  });
  if (!claimed || claimed->known) return claimed;
  // Into the database's file, so that a copy of that alone knows the journal. Where it can't be it is in the log.
  const Deadline deadline(context);
  if (auto lease = database_.writer.acquire(deadline))
    static_cast<void>((*lease)->run_once("PRAGMA wal_checkpoint(PASSIVE)"));
  return claimed;
}

Result<std::vector<KnownJournal>> FileLedger::journals(const CallContext& context) {
  const Deadline deadline(context);
  auto lease = database_.readers.acquire(deadline);
  if (!lease) return lease.error();
  std::vector<KnownJournal> all;
  auto there = (*lease)->ask("SELECT count(*) FROM sqlite_schema WHERE name = 'forebay_owner'");
  if (!there) return there.error();
  if (*there == 0) return all;
  auto statement = (*lease)->prepare("SELECT journal, place FROM forebay_owner ORDER BY journal");
  if (!statement) return statement.error();
  while (true) {
    auto row = statement->step();
    if (!row) return row.error();
    if (!*row) return all;
    all.push_back({std::string(statement->bytes(0)), std::string(statement->bytes(1))});
  }
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
  const std::string where = fmt::format("source {}", database_.name);
  auto outcome = BatchInParts<Error>(steps, batch, 1, where).apply();
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
