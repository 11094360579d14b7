#include "source/postgres/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "source/ledger.h"
#include "source/postgres/batches.h"
#include "source/postgres/ledger_rows.h"
#include "source/sql_mapping.h"

namespace forebay::source::postgres {
namespace {

// For so long a claim waits for the transactions of an earlier owner before it ends their sessions.
constexpr const char* kLockPatience = "SET LOCAL lock_timeout = 1000";

DeadLetter letter_in(const ResultPtr& rows, int row) {
  return letter_of(
      {std::string(cell(rows, row, 0)), static_cast<std::uint32_t>(number_in(rows, row, 1)),
       number_in(rows, row, 2)},
      {cell(rows, row, 3), cell(rows, row, 4), cell(rows, row, 5), cell(rows, row, 6), cell(rows, row, 7)});
}

// Without the table there are no dead letters.
bool no_such_table(const Failure& failure) {
  return failure.sqlstate == "42P01";
}

// The tables as this role can use them.
Outcome<ResultPtr> check_tables(Connection& connection, const Call& call) {
  auto columns = connection.execute(dead_letter_sql().columns, {}, call);
  if (!columns) return columns;
  auto rights = connection.execute(
      "SELECT t || ': ' || r FROM (VALUES ('forebay_applied', 'SELECT'), ('forebay_applied', 'INSERT'), "
      "('forebay_applied', 'UPDATE'), ('forebay_dead', 'INSERT'), ('forebay_dead', 'UPDATE'), "
      "('forebay_dead', 'DELETE'), ('forebay_owner', 'SELECT'), ('forebay_owner', 'INSERT'), "
      "('forebay_owner', 'UPDATE')) AS needed(t, r) WHERE NOT pg_catalog.has_table_privilege(t, r)",
      {}, call);
  if (!rights || row_count(*rights) == 0) return rights;
  return std::unexpected(Failure{
      {ErrorCode::kConfig, fmt::format("the role lacks a right: {}", cell(*rights, 0, 0))}, "42501", false});
}

Outcome<ResultPtr> make_tables(Pool& pool, const Call& call) {
  const auto check = [&] {
    return pool.read(call, [&](Connection& connection) { return check_tables(connection, call); });
  };
  auto good = check();
  if (good || !no_such_table(good.error())) return good;
  auto made = pool.write(call, [&](Connection& connection) {
    Outcome<ResultPtr> done = ResultPtr();
    for (const std::string& sql : ledger_schema(Dialect::kPostgres)) {
      done = connection.command(sql, call);
      if (!done) break;
    }
    return done;
  });
  // Another process may have made them at the same time, of which PostgreSQL's IF NOT EXISTS takes no notice.
  good = check();
  return good || made ? std::move(good) : std::move(made);
}

// The tables' SQL for somebody else to run: in the schema where this role would look, with its rights.
std::vector<std::string> tables_for_role(Pool& pool, const Call& call) {
  auto asked = pool.read(call, [&](Connection& connection) {
    return connection.execute("SELECT pg_catalog.quote_ident(current_user), current_schema()", {}, call);
  });
  if (!asked) return ledger_schema(Dialect::kPostgres);
  const std::string schema = is_null(*asked, 0, 1) ? "public" : std::string(cell(*asked, 0, 1));
  std::vector<std::string> sql = ledger_schema(Dialect::kPostgres, schema);
  const std::string prefix = quote_identifier(schema);
  sql.push_back(
      fmt::format("GRANT SELECT, INSERT, UPDATE ON {}.forebay_applied TO {}", prefix, cell(*asked, 0, 0)));
  sql.push_back(fmt::format("GRANT SELECT, INSERT, UPDATE, DELETE ON {}.forebay_dead TO {}", prefix,
                            cell(*asked, 0, 0)));
  sql.push_back(
      fmt::format("GRANT SELECT, INSERT, UPDATE ON {}.forebay_owner TO {}", prefix, cell(*asked, 0, 0)));
  return sql;
}

// Whether a statement on one dead letter has found it.
Result<bool> was_there(const Outcome<ResultPtr>& rows, const std::string& where) {
  if (rows) return row_count(*rows) > 0;
  if (no_such_table(rows.error())) return false;
  return located(rows.error(), where);
}

class PostgresLedger final : public Ledger {
 public:
  PostgresLedger(Pool& pool, std::string where)
      : pool_(pool), where_(where), batches_(pool, std::move(where)) {}

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
  // Ends the sessions that hold the journal's lanes.
  void end_blockers(const std::string& journal, const Call& call);

  Pool& pool_;
  const std::string where_;  // for messages
  Batches batches_;
};

Result<std::vector<std::uint64_t>> PostgresLedger::open(const std::string& journal, std::uint32_t lanes,
                                                        const CallContext& context) {
  const Call call(context);
  if (auto ready = make_tables(pool_, call); !ready) {
    const Cause cause = cause_of(ready.error());
    if (cause != Cause::kSchema && cause != Cause::kDoubt) return located(ready.error(), where_);
    return no_ledger(located(ready.error(), where_), tables_for_role(pool_, call));
  }
  std::vector<std::uint64_t> positions(lanes);
  auto rows = pool_.write(call, [&](Connection& connection) -> Outcome<ResultPtr> {
    const std::vector<OptionalText> wanted = {journal, std::to_string(lanes)};
    auto filled = connection.execute(
        "INSERT INTO forebay_applied(journal, lane, last_seq) "
        "SELECT $1, lane, 0 FROM generate_series(0, $2::integer - 1) AS lane ON CONFLICT DO NOTHING",
        wanted, call);
    if (!filled) return filled;
    return connection.execute("SELECT lane, last_seq FROM forebay_applied WHERE journal = $1 AND lane < $2",
                              wanted, call);
  });
  if (!rows) return located(rows.error(), where_);
  for (int row = 0; row < row_count(*rows); ++row) {
    positions.at(number_in(*rows, row, 0)) = number_in(*rows, row, 1);
  }
  return positions;
}

Result<LedgerClaim> PostgresLedger::claim(const LedgerOwner& owner, const CallContext& context) {
  const Call call(context);
  if (auto ready = make_tables(pool_, call); !ready) {
    if (cause_of(ready.error()) != Cause::kSchema) return located(ready.error(), where_);
    return no_ledger(located(ready.error(), where_), tables_for_role(pool_, call));
  }
  LedgerClaim claim;
  bool waited = false;  // for an earlier owner's transactions, for too long
  auto done = pool_.write(call, [&](Connection& connection) -> Outcome<ResultPtr> {
    waited = false;
    const std::vector<OptionalText> journal = {owner.journal};
    auto found = connection.execute(
        "SELECT epoch, home, process, place, renewals, lease_until > extract(epoch FROM "
        "pg_catalog.clock_timestamp()) * 1000 FROM forebay_owner WHERE journal = $1 FOR UPDATE",
        journal, call);
    if (!found) return found;
    std::optional<OwnerRow> row;
    if (row_count(*found) > 0) {
      row = OwnerRow{number_in(*found, 0, 0),         std::string(cell(*found, 0, 1)),
                     std::string(cell(*found, 0, 2)), std::string(cell(*found, 0, 3)),
                     number_in(*found, 0, 4),         cell(*found, 0, 5) == "t"};
    }
    claim = claim_against(owner, row);
    auto lanes = connection.execute("SELECT count(*) FROM forebay_applied WHERE journal = $1", journal, call);
    if (!lanes) return lanes;
    claim.known = row || number_in(*lanes, 0, 0) > 0;
    if (owner.known && !claim.known) claim.state = LedgerClaim::State::kUnknown;
    if (claim.state != LedgerClaim::State::kOwned) return lanes;
    if (!row || row->process != owner.process) {
      if (auto set = connection.command(kLockPatience, call); !set) return set;
      auto locked = connection.execute(
          "SELECT lane FROM forebay_applied WHERE journal = $1 ORDER BY lane FOR UPDATE", journal, call);
      if (!locked) {
        waited = locked.error().sqlstate == "55P03";
        return locked;
      }
    }
    const std::vector<OptionalText> values = {owner.journal, std::to_string(claim.epoch),
                                              owner.home,    owner.process,
                                              owner.place,   std::to_string(owner.lease.count())};
    return connection.execute(
        "INSERT INTO forebay_owner AS o (journal, epoch, home, process, place, lease_until, renewals) VALUES "
        "($1, $2, $3, $4, $5, $6 + floor(extract(epoch FROM pg_catalog.clock_timestamp()) * 1000)::bigint, "
        "1) "
        "ON CONFLICT (journal) DO UPDATE SET epoch = excluded.epoch, home = excluded.home, process = "
        "excluded.process, place = excluded.place, lease_until = excluded.lease_until, renewals = o.renewals "
        "+ 1",
        values, call);
  });
  if (done) return claim;
  if (waited) end_blockers(owner.journal, call);
  return located(done.error(), where_);
}

// Only this journal's rows are looked at, and by now only a process that has ended, or that was taken over
// from, can hold them: nobody is told by a name. A second session waits for the row while the first asks who
// lets it wait.
void PostgresLedger::end_blockers(const std::string& journal, const Call& call) {
  const std::vector<OptionalText> values = {journal};
  std::string waiter;
  Mutex mutex;
  Condition started;
  std::jthread waits([&] {
    [[maybe_unused]] const auto waited = pool_.write(call, [&](Connection& connection) -> Outcome<ResultPtr> {
      auto pid = connection.execute("SELECT pg_catalog.pg_backend_pid()", {}, call);
      {
        MutexLock lock(mutex);
        waiter = pid ? std::string(cell(*pid, 0, 0)) : "none";
        started.notify_all();
      }
      if (!pid) return pid;
      if (auto set = connection.command(kLockPatience, call); !set) return set;
      return connection.execute(
          "SELECT lane FROM forebay_applied WHERE journal = $1 ORDER BY lane FOR UPDATE", values, call);
    });
    MutexLock lock(mutex);
    if (waiter.empty()) waiter = "none";
    started.notify_all();
  });
  std::string pid;
  {
    MutexLock lock(mutex);
    started.wait_until(mutex, call.deadline, [&]() NO_THREAD_SAFETY_ANALYSIS { return !waiter.empty(); });
    pid = waiter;
  }
  if (pid.empty() || pid == "none") return;
  const std::vector<OptionalText> waiting = {pid};
  [[maybe_unused]] const auto told = pool_.read(call, [&](Connection& connection) -> Outcome<ResultPtr> {
    // It may not wait yet: asked again until it does, or is through.
    return connection.execute(
        "WITH RECURSIVE asked(round, pids) AS (SELECT 0, pg_catalog.pg_blocking_pids($1::integer) UNION ALL "
        "SELECT round + 1, pg_catalog.pg_blocking_pids($1::integer) FROM asked, pg_catalog.pg_sleep(0.02) "
        "WHERE round < 40 AND pids = '{}') SELECT pg_catalog.pg_terminate_backend(pid) FROM "
        "(SELECT DISTINCT unnest(pids) AS pid FROM asked) AS blocking WHERE pid > 0",
        waiting, call);
  });
}

Result<std::vector<KnownJournal>> PostgresLedger::journals(const CallContext& context) {
  const Call call(context);
  auto rows = pool_.read(call, [&](Connection& connection) {
    return connection.execute(
        "SELECT journal, place FROM forebay_owner AS o WHERE EXISTS "
        "(SELECT 1 FROM forebay_applied AS a WHERE a.journal = o.journal) ORDER BY journal",
        {}, call);
  });
  std::vector<KnownJournal> all;
  // Without the table, or a right to it, there is none of this role's.
  if (!rows && (no_such_table(rows.error()) || rows.error().sqlstate == "42501")) return all;
  if (!rows) return located(rows.error(), where_);
  for (int row = 0; row < row_count(*rows); ++row)
    all.push_back({std::string(cell(*rows, row, 0)), std::string(cell(*rows, row, 1))});
  return all;
}

Result<BatchOutcome> PostgresLedger::apply(const WriteBatch& batch, const CallContext& context) {
  return batches_.apply(batch, Call(context));
}

Result<std::vector<DeadLetter>> PostgresLedger::dead_letters(const std::optional<DeadId>& after,
                                                             std::size_t limit, const CallContext& context) {
  const Call call(context);
  std::vector<OptionalText> parameters;
  if (after) parameters = parameters_of(*after);
  parameters.emplace_back(
      std::to_string(std::min<std::uint64_t>(limit, std::numeric_limits<std::int64_t>::max())));
  auto rows = pool_.read(call, [&](Connection& connection) {
    return connection.execute(after ? dead_letter_sql().next_page : dead_letter_sql().first_page, parameters,
                              call);
  });
  std::vector<DeadLetter> letters;
  if (!rows && no_such_table(rows.error())) return letters;
  if (!rows) return located(rows.error(), where_);
  for (int row = 0; row < row_count(*rows); ++row) letters.push_back(letter_in(*rows, row));
  return letters;
}

Result<std::optional<DeadLetter>> PostgresLedger::dead_letter(const DeadId& id, const CallContext& context) {
  const Call call(context);
  const std::vector<OptionalText> parameters = parameters_of(id);
  auto rows = pool_.read(call, [&](Connection& connection) {
    return connection.execute(dead_letter_sql().one, parameters, call);
  });
  std::optional<DeadLetter> letter;
  if (!rows && no_such_table(rows.error())) return letter;
  if (!rows) return located(rows.error(), where_);
  if (row_count(*rows) > 0) letter = letter_in(*rows, 0);
  return letter;
}

Result<bool> PostgresLedger::edit_dead_letter(const DeadId& id, const std::string& operation,
                                              const CallContext& context) {
  const Call call(context);
  auto rows = pool_.write(call, [&](Connection& connection) {
    std::vector<OptionalText> parameters = parameters_of(id);
    parameters.emplace_back(stored(operation, charset_of(connection)));
    return connection.execute(dead_letter_sql().edit, parameters, call);
  });
  return was_there(rows, where_);
}

Result<bool> PostgresLedger::drop_dead_letter(const DeadId& id, const CallContext& context) {
  const Call call(context);
  auto rows = pool_.write(call, [&](Connection& connection) {
    return connection.execute(dead_letter_sql().drop, parameters_of(id), call);
  });
  return was_there(rows, where_);
}

}  // namespace

std::unique_ptr<Ledger> ledger_of(Pool& pool, const std::string& source) {
  return std::make_unique<PostgresLedger>(pool, fmt::format("source {}", source));
}

}  // namespace forebay::source::postgres
