#include "source/postgres/batches.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "source/batch_steps.h"
#include "source/ledger.h"
#include "source/postgres/ledger_rows.h"
#include "source/postgres/reactions.h"
#include "source/postgres/table.h"
#include "source/sql_mapping.h"

namespace forebay::source::postgres {
namespace {

// Writes of a batch that share a savepoint: so many are made again for each that is refused, and each
// savepoint is a round trip and, in the server, a subtransaction.
constexpr std::size_t kPart = 32;
// How long the server keeps a transaction that does nothing, at least.
constexpr std::chrono::milliseconds kPatienceLeast{10'000};
// For so long after a refusal batches are expected to have some.
constexpr std::chrono::seconds kRefusalsLast{1};

// One BatchWrite on its way.
class Item {
 public:
  explicit Item(const BatchWrite& one) : one_(&one) {}

  Outcome<void> start() {
    if (!one_->revives) return go_on();
    drop_ = Statement{dead_letter_sql().drop, parameters_of(*one_->revives)};
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
    if (auto done = write(0, batch_.writes.size(), failed); !done) {
      in_doubt_ = cause(done.error()) == Cause::kDoubt;
      if (cause(done.error()) == Cause::kData) outcome_.refused.push_back(refusal(failed, done.error()));
      return std::unexpected(std::move(done).error());
    }
    if (auto finished = finish({}); !finished) return std::unexpected(std::move(finished).error());
    return committed(look_back());
  }

  // Writes in parts, to find all that are refused. Fails where some are that are not put aside, so that
  // nothing is committed.
  Outcome<ResultPtr> run_in_parts(Connection& connection) {
    begin(connection);
    auto outcome = BatchInParts<Failure>(*this, batch_, kPart, where_).apply();
    if (!outcome) return std::unexpected(std::move(outcome).error());
    outcome_ = std::move(*outcome);
    if (outcome_.refused.empty() || outcome_.put_aside) return committed(look_back());
    return std::unexpected(fault(outcome_.refused.front().error));
  }

  BatchOutcome& outcome() { return outcome_; }
  // Whether the failure of run() may be that of one write's data.
  bool in_doubt() const { return in_doubt_; }

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
    if (counts()) {
      auto now = count();
      if (!now) return std::unexpected(std::move(now).error());
      if (!std::exchange(begun_, true)) before_ = *now;
      at_part_ = std::move(*now);
    }
    const auto writes = std::span(batch_.writes).subspan(first, last - first);
    std::vector<Item> items(writes.begin(), writes.end());
    std::size_t place = 0;
    if (auto done = apply_all(*connection_, items, place); !done) {
      failed = first + place;
      return std::unexpected(named(std::move(done).error(), batch_.writes[failed]));
    }
    for (Item& item : items) items_[first++].emplace(std::move(item));
    // What they left look_back() says.
    return std::vector<std::optional<Written>>(items.size());
  }
  Step<void> keep() override { return run_command("RELEASE forebay_write; SAVEPOINT forebay_write"); }
  Step<void> undo() override {
    if (auto undone = run_command("ROLLBACK TO forebay_write"); !undone || !counts()) return undone;
    // The session counts what was undone, too.
    auto now = count();
    if (!now) return std::unexpected(std::move(now).error());
    for (const auto& [table, count] : *now) {
      const auto earlier = at_part_.find(table);
      before_[table].rows += count.rows - (earlier == at_part_.end() ? 0 : earlier->second.rows);
    }
    at_part_ = std::move(*now);
    return {};
  }
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
    const bool early =
        failure.sqlstate == "23503" || failure.sqlstate == "23505" || failure.sqlstate == "23P01";
    return {place, std::move(failure.error), early};
  }

 private:
  // Work in a transaction may be run twice.
  void begin(Connection& connection) {
    connection_ = &connection;
    outcome_ = BatchOutcome();
    in_doubt_ = false;
    begun_ = false;
    items_.clear();
    items_.resize(batch_.writes.size());
    before_.clear();
  }

  // Whether rows are counted: a table is known to react to writes.
  bool counts() const {
    return std::ranges::any_of(batch_.writes, [](const BatchWrite& one) {
      const auto* dataset = dynamic_cast<const BatchedDataset*>(one.dataset);
      return dataset != nullptr && dataset->reacts();
    });
  }
  Step<RowCounts> count() {
    const Statement statement = count_rows();
    auto rows = connection_->execute(statement.sql, statement.parameters, call_);
    if (!rows) return std::unexpected(std::move(rows).error());
    return counts_in(*rows);
  }

  // After the last write: what each item left, and what the tables did besides.
  Step<void> look_back() {
    if (auto reacted = react(); !reacted) return reacted;
    outcome_.written.clear();
    for (std::optional<Item>& item : items_) outcome_.written.push_back(item ? item->last() : std::nullopt);
    return {};
  }
  Step<void> react() {
    std::vector<Item*> wrote;
    for (std::optional<Item>& item : items_) {
      if (item && item->dataset() != nullptr) wrote.push_back(&*item);
    }
    std::map<Oid, std::int64_t> own;
    for (const Item* item : wrote) own[item->dataset()->table()] += item->changes();
    if (own.empty()) return {};
    std::vector<Oid> tables;
    for (const auto& [table, changes] : own) tables.push_back(table);
    Reactions reactions;
    const bool possible = std::ranges::any_of(wrote, [](const Item* item) { return item->may_react(); });
    if (possible) {
      const Statement asks = ask_reactions(tables);
      auto answer = connection_->execute(asks.sql, asks.parameters, call_);
      if (!answer) return std::unexpected(std::move(answer).error());
      reactions = reactions_in(*answer);
    }
    for (const Item* item : wrote) item->dataset()->set_reacts(reactions.any);
    if (!reactions.any) return {};
    const Statement count = count_rows();
    std::vector<const Statement*> statements = {&count};
    std::vector<Item*> changed;
    std::vector<Statement> again;
    std::ranges::copy_if(wrote, std::back_inserter(changed),
                         [](const Item* item) { return item->changes() > 0; });
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

  // Whether the server takes the statement. What it says of a parameter is no answer.
  Step<bool> explains(const Statement& statement) {
    auto plan = connection_->execute(statement.sql, statement.parameters, call_);
    if (plan) return true;
    const Cause why = cause(plan.error());
    if (why == Cause::kPassing) return std::unexpected(std::move(plan).error());
    if (auto undone = undo(); !undone) return std::unexpected(std::move(undone).error());
    return why == Cause::kData;
  }

  // Each round runs the next statement of every item that is not done, except those whose row an earlier
  // item is at. `failed`: the item to which a failure belongs.
  Outcome<void> apply_all(Connection& connection, std::vector<Item>& items, std::size_t& failed) {
    failed_ = {};
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
        failed_ = *statements[place];
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
      if (auto put = done(connection_->execute(dead_letter_sql().put_aside, values, call_)); !put) return put;
    }
    return {};
  }

  const std::string where_;
  const WriteBatch& batch_;
  const Call& call_;
  Connection* connection_ = nullptr;  // the transaction's
  Statement failed_;                  // with which write() failed last
  bool in_doubt_ = false;
  std::vector<std::optional<Item>> items_;  // by place: those that are written
  bool begun_ = false;
  RowCounts before_;   // before the first of them, and what was undone since
  RowCounts at_part_;  // before those that were tried last
  BatchOutcome outcome_;
};

Error unapplied_here(const Failure& failure, const std::string& where) {
  // A table's errors say already where they are.
  const bool located_there = failure.error.message.starts_with(where);
  return unapplied(located_there ? failure.error : located(failure, where), cause_of(failure));
}

}  // namespace

Result<BatchOutcome> Batches::apply(const WriteBatch& batch, const Call& call) {
  Application application(where_, batch, call);
  BatchOutcome first;
  // Where writes were refused a moment ago some more will be, and to find that out first is work for nothing.
  const auto now = Clock::now().time_since_epoch();
  if (now - refused_at_.load(std::memory_order_relaxed) > kRefusalsLast) {
    auto done = pool_.write(call, [&](Connection& connection) { return application.run(connection); });
    if (done) return std::move(application.outcome());
    if (application.outcome().refused.empty() && !application.in_doubt())
      return unapplied_here(done.error(), where_);
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

}  // namespace forebay::source::postgres
