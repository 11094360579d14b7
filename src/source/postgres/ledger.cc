#include "source/postgres/ledger.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <limits>
#include <memory>
#include <numeric>
#include <span>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/mutex.h"
#include "source/batch_steps.h"
#include "source/ledger.h"
#include "source/postgres/table.h"
#include "source/sql_mapping.h"

namespace forebay::source::postgres {
namespace {

// Writes of a batch that share a savepoint: so many are made again for each that is refused, and each
// savepoint is a round trip and, in the server, a subtransaction.
constexpr std::size_t kPart = 32;
// How long the server keeps a transaction that does nothing, at least.
constexpr std::chrono::milliseconds kPatienceLeast{10'000};
// For so long a claim waits for the transactions of an earlier owner before it ends their sessions.
constexpr const char* kLockPatience = "SET LOCAL lock_timeout = 1000";
// For so long after a refusal batches are expected to have some.
constexpr std::chrono::seconds kRefusalsLast{1};

std::uint64_t number_in(const ResultPtr& rows, int row, int column) {
  std::uint64_t number = 0;
  const std::string_view text = cell(rows, row, column);
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

Charset charset_of(const Connection& connection) {
  return connection.is_utf8() ? Charset::kUtf8 : Charset::kAscii;
}

std::vector<OptionalText> parameters_of(const DeadId& id) {
  return {id.journal, std::to_string(id.lane), std::to_string(id.seq)};
}

const DeadLetterSql& sql() {
  static const DeadLetterSql statements(Dialect::kPostgres);
  return statements;
}

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

// One BatchWrite on its way.
class Item {
 public:
  explicit Item(const BatchWrite& one) : one_(&one) {}

  Outcome<void> start() {
    if (!one_->revives) return go_on();
    drop_ = Statement{sql().drop, parameters_of(*one_->revives)};
    return {};
  }

  // What is to be run next; null: done.
  const Statement* next() const { return drop_ ? &*drop_ : steps_ != nullptr ? steps_->next() : nullptr; }

  Outcome<void> take(ResultPtr rows) {
    if (drop_) {
      drop_.reset();
      return row_count(rows) > 0 ? go_on() : Outcome<void>();  // gone: passed over
    }
    if (auto taken = steps_->take(std::move(rows)); !taken) return std::unexpected(located(taken.error()));
    return go_on();
  }

  // Names the row that it writes; nothing: it will fail.
  std::optional<std::string> row() const {
    const auto* dataset = dynamic_cast<const BatchedDataset*>(one_->dataset);
    if (dataset == nullptr) return std::nullopt;
    return dataset->row_of(one_->key);
  }

  // What went wrong while its next statement ran, with the table's name.
  Failure located(Failure failure) const {
    if (dataset_ != nullptr) failure.error = dataset_->located_here(failure.error);
    return failure;
  }

  std::optional<Written>& last() { return last_; }

 private:
  Outcome<void> go_on() {
    while (steps_ == nullptr || steps_->next() == nullptr) {
      if (steps_ != nullptr) last_ = std::move(steps_->written());
      steps_.reset();
      if (begun_ == one_->writes.size()) return {};
      dataset_ = dynamic_cast<const BatchedDataset*>(one_->dataset);
      if (dataset_ == nullptr) {
        return std::unexpected(
            Failure{{ErrorCode::kUnsupported, "only a table takes batches of writes"}, {}, false});
      }
      auto steps = dataset_->begin(one_->key, one_->writes[begun_++]);
      if (!steps) return std::unexpected(Failure{steps.error(), {}, false});
      steps_ = std::move(*steps);
    }
    return {};
  }

  const BatchWrite* one_;
  const BatchedDataset* dataset_ = nullptr;
  std::optional<Statement> drop_;
  std::size_t begun_ = 0;  // of its writes
  std::unique_ptr<WriteSteps> steps_;
  std::optional<Written> last_;
};

// The transaction of one batch.
class Application final : public BatchSteps<Failure> {
 public:
  Application(std::string where, const WriteBatch& batch, const Call& call)
      : where_(std::move(where)), batch_(batch), call_(call) {}

  // Writes everything without a savepoint. On a failure for which outcome().refused is not empty, that write
  // is the reason, side by side with the others.
  Outcome<ResultPtr> run(Connection& connection) {
    begin(connection);
    auto at = positions();
    if (!at) return std::unexpected(std::move(at).error());
    auto due = is_due(batch_, *at, where_);
    if (!due) return std::unexpected(fault(std::move(due).error()));
    if (!*due) return ResultPtr();
    if (auto checked = check_at_once(); !checked) return std::unexpected(std::move(checked).error());
    std::size_t failed = 0;
    auto written = write(0, batch_.writes.size(), failed);
    if (!written) {
      if (cause(written.error()) == Cause::kData)
        outcome_.refused.push_back(refusal(failed, written.error()));
      return std::unexpected(std::move(written).error());
    }
    outcome_.written = std::move(*written);
    if (auto finished = finish({}); !finished) return std::unexpected(std::move(finished).error());
    return ResultPtr();
  }

  // Writes in parts, to find all that are refused. Fails where some are that are not put aside, so that
  // nothing is committed.
  Outcome<ResultPtr> run_in_parts(Connection& connection) {
    begin(connection);
    auto outcome = BatchInParts<Failure>(*this, batch_, kPart, where_).apply();
    if (!outcome) return std::unexpected(std::move(outcome).error());
    outcome_ = std::move(*outcome);
    if (outcome_.refused.empty() || outcome_.put_aside) return ResultPtr();
    return std::unexpected(fault(outcome_.refused.front().error));
  }

  BatchOutcome& outcome() { return outcome_; }

  // ---- BatchSteps

  Step<std::vector<std::optional<std::uint64_t>>> positions() override {
    // A commit that a crash of the server could take back must not be confirmed, whatever the database's
    // setting says.
    std::vector<std::optional<std::uint64_t>> all;
    for (const LaneRange& range : lanes_of(batch_)) {
      const auto patience = std::max<std::chrono::milliseconds>(2 * call_.timeout, kPatienceLeast);
      const std::vector<OptionalText> lane = {batch_.journal, std::to_string(range.lane),
                                              std::to_string(patience.count())};
      auto row = connection_->execute(
          "SELECT last_seq, CASE pg_catalog.current_setting('synchronous_commit') "
          "WHEN 'off' THEN pg_catalog.set_config('synchronous_commit', 'on', true) END, "
          // Where this machine dies, what it has locked is let go soon.
          "pg_catalog.set_config('idle_in_transaction_session_timeout', $3, true), "
          "pg_catalog.set_config('tcp_user_timeout', $3, true) "
          "FROM forebay_applied WHERE journal = $1 AND lane = $2 FOR UPDATE",
          lane, call_);
      if (!row) return std::unexpected(std::move(row).error());
      all.emplace_back();
      if (row_count(*row) > 0) all.back() = number_in(*row, 0, 0);
    }
    if (batch_.process.empty()) return all;
    // After the locks, and so after whoever took the journal over meanwhile: he takes them, too.
    const std::vector<OptionalText> journal = {batch_.journal};
    auto owner = connection_->execute("SELECT process FROM forebay_owner WHERE journal = $1", journal, call_);
    if (!owner) return std::unexpected(std::move(owner).error());
    if (row_count(*owner) == 0 || cell(*owner, 0, 0) != batch_.process)
      return std::unexpected(fault(not_the_owner(where_, batch_)));
    return all;
  }
  Step<void> save() override {
    if (auto checked = check_at_once(); !checked) return checked;
    return run_command("SAVEPOINT forebay_write");
  }
  Step<std::vector<std::optional<Written>>> write(std::size_t first, std::size_t last,
                                                  std::size_t& failed) override {
    const auto writes = std::span(batch_.writes).subspan(first, last - first);
    std::vector<Item> items(writes.begin(), writes.end());
    std::size_t place = 0;
    if (auto done = apply_all(*connection_, items, place); !done) {
      failed = first + place;
      return std::unexpected(named(std::move(done).error(), batch_.writes[failed]));
    }
    std::vector<std::optional<Written>> written;
    for (Item& item : items) written.push_back(std::move(item.last()));
    return written;
  }
  Step<void> keep() override { return run_command("RELEASE forebay_write; SAVEPOINT forebay_write"); }
  Step<void> undo() override { return run_command("ROLLBACK TO forebay_write"); }
  Step<void> finish(const std::vector<DeadLetter>& more) override {
    for (const auto* letters : {&batch_.dead, &more}) {
      if (auto put = set_aside(*letters); !put) return put;
    }
    for (const LaneRange& range : lanes_of(batch_)) {
      const std::vector<OptionalText> position = {batch_.journal, std::to_string(range.lane),
                                                  std::to_string(range.upto)};
      auto moved = done(connection_->execute(
          "UPDATE forebay_applied SET last_seq = $3 WHERE journal = $1 AND lane = $2", position, call_));
      if (!moved) return moved;
    }
    return {};
  }

  Cause cause(const Failure& failure) const override { return cause_of(failure); }
  Failure fault(Error error) const override { return {std::move(error), {}, false}; }
  BatchOutcome::Refusal refusal(std::size_t place, Failure failure) const override {
    const bool early =
        failure.sqlstate == "23503" || failure.sqlstate == "23505" || failure.sqlstate == "23P01";
    return {place, std::move(failure.error), early};
  }

 private:
  // Work in a transaction may be run twice.
  void begin(Connection& connection) {
    connection_ = &connection;
    outcome_ = BatchOutcome();
  }
  static Step<void> done(Outcome<ResultPtr> ran) {
    if (!ran) return std::unexpected(std::move(ran).error());
    return {};
  }
  // Where the batch broke off, for whoever looks for what holds it. A refusal names its key by itself.
  Failure named(Failure failure, const BatchWrite& one) const {
    if (cause(failure) == Cause::kData) return failure;
    failure.error.message += fmt::format(" (at the row with the key {})", fmt::join(one.key, ", "));
    return failure;
  }
  Step<void> run_command(const char* command) { return done(connection_->command(command, call_)); }
  // A deferred constraint would fail the COMMIT, where nobody could say which write it is about. A write in a
  // transaction of its own would be checked at its end as well.
  Step<void> check_at_once() { return run_command("SET CONSTRAINTS ALL IMMEDIATE"); }

  // Each round runs the next statement of every item that is not done, except those whose row an earlier
  // item is at. `failed`: the item to which a failure belongs.
  Outcome<void> apply_all(Connection& connection, std::vector<Item>& items, std::size_t& failed) {
    constexpr std::size_t kNothing = static_cast<std::size_t>(-1);
    std::vector<std::size_t> follows(items.size(), kNothing);  // the item before it on the same row
    std::unordered_map<std::string, std::size_t> last_on_row;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const std::optional<std::string> row = items[i].row();
      if (!row) continue;
      const auto [at, first] = last_on_row.try_emplace(*row, i);
      if (!first) follows[i] = std::exchange(at->second, i);
    }
    std::vector<bool> started(items.size()), done(items.size());
    std::vector<std::size_t> left(items.size());
    std::iota(left.begin(), left.end(), std::size_t{0});
    while (true) {
      std::vector<std::size_t> round;
      std::vector<const Statement*> statements;
      for (const std::size_t i : left) {
        if (follows[i] != kNothing && !done[follows[i]]) continue;
        if (!started[i]) {
          failed = i;
          if (auto begun = items[i].start(); !begun) return begun;
          started[i] = true;
        }
        const Statement* next = items[i].next();
        done[i] = next == nullptr;
        if (done[i]) continue;
        round.push_back(i);
        statements.push_back(next);
      }
      std::erase_if(left, [&](std::size_t i) { return done[i]; });
      if (round.empty()) return {};
      std::size_t place = 0;
      auto rows = connection.execute_all(statements, call_, place);
      if (!rows) {
        failed = round[place];
        return std::unexpected(items[failed].located(std::move(rows.error())));
      }
      for (std::size_t i = 0; i < round.size(); ++i) {
        failed = round[i];
        if (auto taken = items[failed].take(std::move((*rows)[i])); !taken) return taken;
      }
    }
  }

  Step<void> set_aside(const std::vector<DeadLetter>& letters) {
    const Charset charset = charset_of(*connection_);
    for (const DeadLetter& dead : letters) {
      DeadText text(dead, charset);
      std::vector<OptionalText> values = parameters_of(dead_id_in(batch_, dead));
      for (std::string* each : {&text.space, &text.key, &text.operation, &text.error})
        values.emplace_back(std::move(*each));
      if (auto put = done(connection_->execute(sql().put_aside, values, call_)); !put) return put;
    }
    return {};
  }

  const std::string where_;
  const WriteBatch& batch_;
  const Call& call_;
  Connection* connection_ = nullptr;  // the transaction's
  BatchOutcome outcome_;
};

Error unapplied_here(const Failure& failure, const std::string& where) {
  // A table's errors say already where they are.
  const bool located_there = failure.error.message.starts_with(where);
  return unapplied(located_there ? failure.error : located(failure, where), cause_of(failure));
}

// The tables as this role can use them.
Outcome<ResultPtr> check_tables(Connection& connection, const Call& call) {
  auto columns = connection.execute(sql().columns, {}, call);
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
  PostgresLedger(Pool& pool, std::string where) : pool_(pool), where_(std::move(where)) {}

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
  // When a batch had a write that was refused last. Relaxed: a hint.
  std::atomic<Clock::duration> refused_at_{Clock::duration::min() / 2};
};

Result<std::vector<std::uint64_t>> PostgresLedger::open(const std::string& journal, std::uint32_t lanes,
                                                        const CallContext& context) {
  const Call call(context);
  if (auto ready = make_tables(pool_, call); !ready) {
    if (cause_of(ready.error()) != Cause::kSchema) return located(ready.error(), where_);
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
        "($1, $2, $3, $4, $5, $6 + (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000)::bigint, 1) "
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
    static_cast<void>(pool_.write(call, [&](Connection& connection) -> Outcome<ResultPtr> {
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
    }));
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
  static_cast<void>(pool_.read(call, [&](Connection& connection) -> Outcome<ResultPtr> {
    // It may not wait yet: asked again until it does, or is through.
    return connection.execute(
        "WITH RECURSIVE asked(round, pids) AS (SELECT 0, pg_catalog.pg_blocking_pids($1::integer) UNION ALL "
        "SELECT round + 1, pg_catalog.pg_blocking_pids($1::integer) FROM asked, pg_catalog.pg_sleep(0.02) "
        "WHERE round < 40 AND pids = '{}') SELECT pg_catalog.pg_terminate_backend(pid) FROM "
        "(SELECT DISTINCT unnest(pids) AS pid FROM asked) AS blocking WHERE pid > 0",
        waiting, call);
  }));
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
  const Call call(context);
  Application application(where_, batch, call);
  BatchOutcome first;
  // Where writes were refused a moment ago some more will be, and to find that out first is work for nothing.
  const auto now = Clock::now().time_since_epoch();
  if (now - refused_at_.load(std::memory_order_relaxed) > kRefusalsLast) {
    auto done = pool_.write(call, [&](Connection& connection) { return application.run(connection); });
    if (done) return std::move(application.outcome());
    if (application.outcome().refused.empty()) return unapplied_here(done.error(), where_);
    // The first to be refused has ended the transaction: which others would be takes another one.
    first = std::move(application.outcome());
  }
  auto done = pool_.write(call, [&](Connection& connection) { return application.run_in_parts(connection); });
  if (!application.outcome().refused.empty())
    refused_at_.store(Clock::now().time_since_epoch(), std::memory_order_relaxed);
  if (done) return std::move(application.outcome());
  // Refusals found before it broke off would be found again. A batch that is always too slow for this must
  // get on as well: it has one at least. Which of them were to be put aside has not been said.
  if (!application.outcome().refused.empty() && !application.outcome().put_aside)
    return std::move(application.outcome());
  if (done.error().error.code == ErrorCode::kTimeout && !first.refused.empty()) return first;
  return unapplied_here(done.error(), where_);
}

Result<std::vector<DeadLetter>> PostgresLedger::dead_letters(const std::optional<DeadId>& after,
                                                             std::size_t limit, const CallContext& context) {
  const Call call(context);
  std::vector<OptionalText> parameters;
  if (after) parameters = parameters_of(*after);
  parameters.emplace_back(
      std::to_string(std::min<std::uint64_t>(limit, std::numeric_limits<std::int64_t>::max())));
  auto rows = pool_.read(call, [&](Connection& connection) {
    return connection.execute(after ? sql().next_page : sql().first_page, parameters, call);
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
  auto rows = pool_.read(
      call, [&](Connection& connection) { return connection.execute(sql().one, parameters, call); });
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
    return connection.execute(sql().edit, parameters, call);
  });
  return was_there(rows, where_);
}

Result<bool> PostgresLedger::drop_dead_letter(const DeadId& id, const CallContext& context) {
  const Call call(context);
  auto rows = pool_.write(
      call, [&](Connection& connection) { return connection.execute(sql().drop, parameters_of(id), call); });
  return was_there(rows, where_);
}

}  // namespace

std::unique_ptr<Ledger> ledger_of(Pool& pool, const std::string& source) {
  return std::make_unique<PostgresLedger>(pool, fmt::format("source {}", source));
}

}  // namespace forebay::source::postgres
