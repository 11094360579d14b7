#include "source/postgres/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "source/batch_steps.h"
#include "source/ledger.h"
#include "source/postgres/reactions.h"
#include "source/postgres/table.h"
#include "source/sql_mapping.h"

namespace forebay::source::postgres {
namespace {

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

  // What went wrong while its next statement ran, with the table's name.
  Failure located(Failure failure) const {
    if (dataset_ != nullptr) failure.error = dataset_->located_here(failure.error);
    return failure;
  }

  // What its last write left; nothing if there was none.
  std::optional<Written> last() {
    return last_ == nullptr ? std::nullopt : std::optional(std::move(last_->written()));
  }

  // What follows is for an item that is done.
  const BatchedDataset* dataset() const { return last_ == nullptr ? nullptr : dataset_; }
  int changes() const { return changes_; }
  bool may_react() const { return may_react_; }
  Statement read_again() const { return last_->read_again(); }
  bool take_again(const ResultPtr& rows) { return last_->take_again(rows); }

 private:
  Outcome<void> go_on() {
    while (steps_ == nullptr || steps_->next() == nullptr) {
      if (steps_ != nullptr) {
        changes_ += steps_->changes();
        may_react_ |= steps_->changes() == 0 || steps_->facts().may_react;
        last_ = std::move(steps_);
      }
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
  std::unique_ptr<WriteSteps> last_;  // the one that is done
  int changes_ = 0;                   // rows that its writes have changed
  bool may_react_ = false;
};

// The transaction of one batch.
class Application final : public BatchSteps<Failure> {
 public:
  Application(std::string where, const WriteBatch& batch, const Call& call)
      : where_(std::move(where)), batch_(batch), call_(call) {}

  // Writes everything, the statements of different rows side by side: their order may differ from the
  // batch's. On a failure for which outcome().refused is not empty, that write is the reason, in that order.
  Outcome<ResultPtr> run(Connection& connection) {
    begin(connection);
    auto at = position();
    if (!at) return std::unexpected(std::move(at).error());
    auto due = is_due(batch_, *at, where_);
    if (!due) return std::unexpected(fault(std::move(due).error()));
    if (!*due) return ResultPtr();
    if (auto checked = check_at_once(); !checked) return std::unexpected(std::move(checked).error());
    for (const BatchWrite& one : batch_.writes) items_.emplace_back(one);
    if (auto counted = count(); !counted) return std::unexpected(std::move(counted).error());
    std::size_t failed = 0;
    if (auto done = apply_all(connection, items_, failed); !done) {
      in_doubt_ = cause(done.error()) == Cause::kDoubt;
      if (cause(done.error()) == Cause::kData) outcome_.refused.push_back(refusal(failed, done.error()));
      return std::unexpected(std::move(done).error());
    }
    if (auto finished = finish(); !finished) return std::unexpected(std::move(finished).error());
    return committed(look_back());
  }

  // Writes one after another, each under a savepoint, to find all that are refused; if none is, that was it.
  // Fails otherwise, so that nothing is committed.
  Outcome<ResultPtr> run_one_by_one(Connection& connection) {
    begin(connection);
    auto outcome = apply_one_by_one(*this, batch_, where_);
    if (!outcome) return std::unexpected(std::move(outcome).error());
    outcome_ = std::move(*outcome);
    if (outcome_.refused.empty()) return committed(look_back());
    return std::unexpected(fault(outcome_.refused.front().error));
  }

  BatchOutcome& outcome() { return outcome_; }
  // Whether the failure of run() may be that of one write's data.
  bool in_doubt() const { return in_doubt_; }

  // ---- BatchSteps

  Step<std::optional<std::uint64_t>> position() override {
    // A commit that a crash of the server could take back must not be confirmed, whatever the database's
    // setting says.
    const std::vector<OptionalText> lane = {batch_.journal, std::to_string(batch_.lane)};
    auto row = connection_->execute(
        "SELECT last_seq, CASE pg_catalog.current_setting('synchronous_commit') "
        "WHEN 'off' THEN pg_catalog.set_config('synchronous_commit', 'on', true) END "
        "FROM forebay_applied WHERE journal = $1 AND lane = $2 FOR UPDATE",
        lane, call_);
    if (!row) return std::unexpected(std::move(row).error());
    if (row_count(*row) == 0) return std::nullopt;
    return number_in(*row, 0, 0);
  }
  Step<void> save() override {
    if (auto checked = check_at_once(); !checked) return checked;
    return run_command("SAVEPOINT forebay_write");
  }
  Step<std::optional<Written>> write(const BatchWrite& one) override {
    if (items_.empty()) {
      if (auto counted = count(); !counted) return std::unexpected(std::move(counted).error());
    }
    Item& item = items_.emplace_back(one);
    if (auto done = apply_one(*connection_, item); !done) return std::unexpected(std::move(done).error());
    return std::nullopt;  // look_back() says what it left
  }
  Step<void> keep() override { return run_command("RELEASE forebay_write; SAVEPOINT forebay_write"); }
  Step<void> undo() override { return run_command("ROLLBACK TO forebay_write"); }
  Step<void> finish() override {
    if (auto put = set_aside(); !put) return put;
    const std::vector<OptionalText> position = {batch_.journal, std::to_string(batch_.lane),
                                                std::to_string(batch_.upto)};
    return done(connection_->execute(
        "UPDATE forebay_applied SET last_seq = $3 WHERE journal = $1 AND lane = $2", position, call_));
  }

  Cause cause(const Failure& failure) const override { return cause_of(failure); }
  // EXPLAIN parses and plans a statement and checks the role's rights, and does nothing.
  Step<Cause> look_into(const Failure& failure) override {
    if (failed_.sql.empty()) return Cause::kSchema;
    Statement bare{"EXPLAIN " + failed_.sql, std::vector<OptionalText>(failed_.parameters.size())};
    auto plans = explains(bare);
    if (!plans) return std::unexpected(std::move(plans).error());
    if (!*plans) return Cause::kSchema;
    bare.parameters = failed_.parameters;
    auto reads = explains(bare);
    if (!reads) return std::unexpected(std::move(reads).error());
    return *reads && is_behind_the_table(failure) ? Cause::kDoubt : Cause::kData;
  }
  Failure fault(Error error) const override { return {std::move(error), {}, false}; }
  BatchOutcome::Refusal refusal(std::size_t place, Failure failure) const override {
    const bool missing_key = failure.sqlstate == "23503";
    return {place, std::move(failure.error), missing_key};
  }

 private:
  // Work in a transaction may be run twice.
  void begin(Connection& connection) {
    connection_ = &connection;
    outcome_ = BatchOutcome();
    in_doubt_ = false;
    items_.clear();
    before_.clear();
  }

  // Counts rows before the first write, where a table is known to react to writes.
  Step<void> count() {
    const bool reacts = std::ranges::any_of(batch_.writes, [](const BatchWrite& one) {
      const auto* dataset = dynamic_cast<const BatchedDataset*>(one.dataset);
      return dataset != nullptr && dataset->reacts();
    });
    if (!reacts) return {};
    const Statement statement = count_rows();
    auto rows = connection_->execute(statement.sql, statement.parameters, call_);
    if (!rows) return std::unexpected(std::move(rows).error());
    before_ = counts_in(*rows);
    return {};
  }

  // After the last write: what each item left, and what the tables did besides.
  Step<void> look_back() {
    if (auto reacted = react(); !reacted) return reacted;
    outcome_.written.clear();
    for (Item& item : items_) outcome_.written.push_back(item.last());
    return {};
  }
  Step<void> react() {
    std::map<Oid, std::int64_t> own;
    for (const Item& item : items_) {
      if (item.dataset() != nullptr) own[item.dataset()->table()] += item.changes();
    }
    if (own.empty()) return {};
    std::vector<Oid> tables;
    for (const auto& [table, changes] : own) tables.push_back(table);
    Reactions reactions;
    const bool possible = std::ranges::any_of(items_, [](const Item& item) { return item.may_react(); });
    if (possible) {
      const Statement asks = ask_reactions(tables);
      auto answer = connection_->execute(asks.sql, asks.parameters, call_);
      if (!answer) return std::unexpected(std::move(answer).error());
      reactions = reactions_in(*answer);
    }
    for (const Item& item : items_) {
      if (item.dataset() != nullptr) item.dataset()->set_reacts(reactions.any);
    }
    if (!reactions.any) return {};
    const Statement count = count_rows();
    std::vector<const Statement*> statements = {&count};
    std::vector<Item*> changed;
    std::vector<Statement> again;
    for (Item& item : items_) {
      if (item.dataset() != nullptr && item.changes() > 0) changed.push_back(&item);
    }
    again.reserve(changed.size());
    for (const Item* item : changed) statements.push_back(&again.emplace_back(item->read_again()));
    std::size_t failed = 0;
    auto rows = connection_->execute_all(statements, call_, failed);
    if (!rows) return std::unexpected(std::move(rows).error());
    for (std::size_t i = 0; i < changed.size(); ++i) {
      if (changed[i]->take_again((*rows)[i + 1])) ++own[changed[i]->dataset()->table()];
    }
    outcome_.also = beyond(before_, counts_in(rows->front()), own);
    outcome_.also.anything = !reactions.counted;
    return {};
  }

  static Step<void> done(Outcome<ResultPtr> ran) {
    if (!ran) return std::unexpected(std::move(ran).error());
    return {};
  }
  static Outcome<ResultPtr> committed(Step<void> finished) {
    if (!finished) return std::unexpected(std::move(finished).error());
    return ResultPtr();
  }
  Step<void> run_command(const char* command) { return done(connection_->command(command, call_)); }
  // A deferred constraint would fail the COMMIT, where nobody could say which write it is about. A write in a
  // transaction of its own would be checked at its end as well.
  Step<void> check_at_once() { return run_command("SET CONSTRAINTS ALL IMMEDIATE"); }

  // Whether the server takes the statement. What it says of a parameter is no answer.
  Step<bool> explains(const Statement& statement) {
    auto plan = connection_->execute(statement.sql, statement.parameters, call_);
    if (plan) return true;
    const Cause why = cause(plan.error());
    if (why == Cause::kPassing) return std::unexpected(std::move(plan).error());
    if (auto undone = undo(); !undone) return std::unexpected(std::move(undone).error());
    return why == Cause::kData;
  }

  Outcome<void> apply_one(Connection& connection, Item& item) {
    failed_ = {};
    auto started = item.start();
    if (!started) return started;
    while (const Statement* next = item.next()) {
      auto rows = connection.execute(next->sql, next->parameters, call_);
      if (!rows) {
        failed_ = *next;
        return std::unexpected(item.located(std::move(rows.error())));
      }
      if (auto taken = item.take(std::move(*rows)); !taken) return taken;
    }
    return {};
  }

  // Each round runs the next statement of every item that is not done, except those whose row an earlier
  // item is at. `failed`: the item to which a failure belongs.
  Outcome<void> apply_all(Connection& connection, std::vector<Item>& items, std::size_t& failed) {
    constexpr std::size_t kNothing = static_cast<std::size_t>(-1);
    std::vector<std::size_t> follows(items.size(), kNothing);  // the item before it on the same row
    std::unordered_map<std::string, std::size_t> last_on_row;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const auto* dataset = dynamic_cast<const BatchedDataset*>(batch_.writes[i].dataset);
      if (dataset == nullptr) continue;
      const auto [at, first] = last_on_row.try_emplace(dataset->row_of(batch_.writes[i].key), i);
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

  Step<void> set_aside() {
    const Charset charset = charset_of(*connection_);
    for (const DeadLetter& dead : batch_.dead) {
      DeadText text(dead, charset);
      std::vector<OptionalText> values = parameters_of({batch_.journal, batch_.lane, dead.id.seq});
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
  Statement failed_;                  // of the write that was tried last, by itself
  bool in_doubt_ = false;
  std::vector<Item> items_;  // those that it has begun
  RowCounts before_;         // before the first of them
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
      "('forebay_dead', 'DELETE')) AS needed(t, r) WHERE NOT pg_catalog.has_table_privilege(t, r)",
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
  Result<BatchOutcome> apply(const WriteBatch& batch, const CallContext& context) override;
  Result<std::vector<DeadLetter>> dead_letters(const std::optional<DeadId>& after, std::size_t limit,
                                               const CallContext& context) override;
  Result<std::optional<DeadLetter>> dead_letter(const DeadId& id, const CallContext& context) override;
  Result<bool> edit_dead_letter(const DeadId& id, const std::string& operation,
                                const CallContext& context) override;
  Result<bool> drop_dead_letter(const DeadId& id, const CallContext& context) override;

 private:
  Pool& pool_;
  const std::string where_;  // for messages
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

Result<BatchOutcome> PostgresLedger::apply(const WriteBatch& batch, const CallContext& context) {
  const Call call(context);
  Application application(where_, batch, call);
  auto done = pool_.write(call, [&](Connection& connection) { return application.run(connection); });
  if (done) return std::move(application.outcome());
  if (application.outcome().refused.empty() && !application.in_doubt())
    return unapplied_here(done.error(), where_);
  // The first to be refused has ended the transaction: which others would be takes another one.
  BatchOutcome first = std::move(application.outcome());
  done = pool_.write(call, [&](Connection& connection) { return application.run_one_by_one(connection); });
  // Refusals found before it broke off would be found again. A batch that is always too slow for this must
  // get on as well: it has one at least.
  if (done || !application.outcome().refused.empty()) return std::move(application.outcome());
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
