#include "source/postgres/ledger.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "source/ledger.h"
#include "source/postgres/table.h"
#include "source/postgres/types.h"
#include "source/sql_mapping.h"

namespace forebay::source::postgres {
namespace {

std::uint64_t number_in(const ResultPtr& rows, int row, int column) {
  std::uint64_t number = 0;
  const std::string_view text = cell(rows, row, column);
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// What text a database takes: no NUL, and UTF-8.
OptionalText text_of(std::string_view bytes) {
  auto good = parameter(built_in_type(25), bytes);  // 25: text
  if (good) return std::move(*good);
  std::string hex = "\\x";
  for (const char byte : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return hex;
}

constexpr const char* kRolledBack = "a write was refused, and then was not: it may be tried again";

// The transaction of one batch.
class Application {
 public:
  Application(std::string where, const WriteBatch& batch, const Call& call)
      : where_(std::move(where)), batch_(batch), call_(call) {}

  // Writes everything. On a failure for which refused() is not empty, that write is the reason.
  Outcome<ResultPtr> run(Connection& connection) {
    outcome_ = BatchOutcome();
    auto due = begin(connection);
    if (!due) return std::unexpected(due.error());
    if (!*due) return ResultPtr();
    for (std::size_t i = 0; i < batch_.writes.size(); ++i) {
      auto written = apply_one(connection, batch_.writes[i]);
      if (!written) {
        outcome_.written.clear();
        if (cause_of(written.error()) == Cause::kData) refuse(i, written.error());
        return std::unexpected(std::move(written.error()));
      }
      outcome_.written.push_back(std::move(*written));
    }
    if (auto put = set_aside(connection); !put) return put;
    const std::vector<OptionalText> position = {batch_.journal, std::to_string(batch_.lane),
                                                std::to_string(batch_.upto)};
    return connection.execute("UPDATE forebay_applied SET last_seq = $3 WHERE journal = $1 AND lane = $2",
                              position, call_);
  }

  // Tries each write under a savepoint, to find all that are refused. Always fails, so that nothing is
  // committed: with kRolledBack if it came to the end.
  Outcome<ResultPtr> try_each(Connection& connection) {
    outcome_ = BatchOutcome();
    auto due = begin(connection);
    if (!due) return std::unexpected(due.error());
    if (!*due) return std::unexpected(Failure{{ErrorCode::kUnavailable, "the ledger has moved"}, {}, false});
    auto saved = connection.command("SAVEPOINT forebay_write", call_);
    if (!saved) return saved;
    for (std::size_t i = 0; i < batch_.writes.size(); ++i) {
      auto written = apply_one(connection, batch_.writes[i]);
      if (!written && cause_of(written.error()) != Cause::kData)
        return std::unexpected(std::move(written.error()));
      if (!written) refuse(i, written.error());
      auto next = connection.command(
          written ? "RELEASE forebay_write; SAVEPOINT forebay_write" : "ROLLBACK TO forebay_write", call_);
      if (!next) return next;
    }
    return std::unexpected(Failure{{ErrorCode::kUnavailable, kRolledBack}, {}, false});
  }

  BatchOutcome& outcome() { return outcome_; }

 private:
  // Takes the lane's row of the ledger. False: the batch has been applied.
  Outcome<bool> begin(Connection& connection) {
    // A commit that a crash of the server could take back must not be confirmed, whatever the database's
    // setting says.
    const std::vector<OptionalText> lane = {batch_.journal, std::to_string(batch_.lane)};
    auto row = connection.execute(
        "SELECT last_seq, CASE pg_catalog.current_setting('synchronous_commit') "
        "WHEN 'off' THEN pg_catalog.set_config('synchronous_commit', 'on', true) END "
        "FROM forebay_applied WHERE journal = $1 AND lane = $2 FOR UPDATE",
        lane, call_);
    if (!row) return std::unexpected(row.error());
    const std::uint64_t at = row_count(*row) == 0 ? 0 : number_in(*row, 0, 0);
    if (row_count(*row) > 0 && at == batch_.upto) return false;
    if (row_count(*row) == 0 || at != batch_.after)
      return std::unexpected(Failure{wrong_position(where_, batch_, at), {}, false});
    // A deferred constraint would fail the COMMIT, where nobody could say which write it is about. A write in
    // a transaction of its own would be checked at its end as well.
    auto checked = connection.command("SET CONSTRAINTS ALL IMMEDIATE", call_);
    if (!checked) return std::unexpected(checked.error());
    return true;
  }

  // Nothing: passed over.
  Outcome<std::optional<Written>> apply_one(Connection& connection, const BatchWrite& one) {
    std::optional<Written> last;
    if (one.revives) {
      const std::vector<OptionalText> id = {one.revives->journal, std::to_string(one.revives->lane),
                                            std::to_string(one.revives->seq)};
      auto gone = connection.execute(
          "DELETE FROM forebay_dead WHERE journal = $1 AND lane = $2 AND seq = $3 RETURNING 1", id, call_);
      if (!gone) return std::unexpected(gone.error());
      if (row_count(*gone) == 0) return last;
    }
    for (const Write& write : one.writes) {
      const auto* dataset = dynamic_cast<const BatchedDataset*>(one.dataset);
      if (dataset == nullptr) {
        return std::unexpected(
            Failure{{ErrorCode::kUnsupported, "only a table takes batches of writes"}, {}, false});
      }
      auto written = dataset->write_within(connection, one.key, write, call_);
      if (!written) return std::unexpected(std::move(written.error()));
      last = std::move(*written);
    }
    return last;
  }

  void refuse(std::size_t write, const Failure& failure) {
    outcome_.refused.push_back({write, failure.error, failure.sqlstate == "23503"});
  }

  Outcome<ResultPtr> set_aside(Connection& connection) {
    Outcome<ResultPtr> put = ResultPtr();
    for (const DeadLetter& dead : batch_.dead) {
      const std::vector<OptionalText> values = {
          batch_.journal,    std::to_string(batch_.lane), std::to_string(dead.id.seq), dead.space,
          text_of(dead.key), text_of(dead.operation),     text_of(dead.error)};
      put = connection.execute(
          "INSERT INTO forebay_dead(journal, lane, seq, namespace, key, operation, error) "
          "VALUES ($1, $2, $3, $4, $5, $6, $7)",
          values, call_);
      if (!put) break;
    }
    return put;
  }

  const std::string where_;
  const WriteBatch& batch_;
  const Call& call_;
  BatchOutcome outcome_;
};

}  // namespace

Result<std::vector<std::uint64_t>> open_ledger(Pool& pool, const std::string& source,
                                               const std::string& journal, std::uint32_t lanes,
                                               const Call& call) {
  const std::string where = fmt::format("source {}", source);
  auto there = pool.read(call, [&](Connection& connection) {
    return connection.execute(
        "SELECT to_regclass('forebay_applied') IS NOT NULL AND to_regclass('forebay_dead') IS NOT NULL", {},
        call);
  });
  if (!there) return located(there.error(), where);
  if (cell(*there, 0, 0) != "t") {
    auto made = pool.write(call, [&](Connection& connection) {
      Outcome<ResultPtr> done = ResultPtr();
      for (const std::string& sql : ledger_schema(Dialect::kPostgres)) {
        done = connection.command(sql, call);
        if (!done) break;
      }
      return done;
    });
    if (!made) return no_ledger(located(made.error(), where), Dialect::kPostgres);
  }
  std::vector<std::uint64_t> positions(lanes);
  auto rows = pool.write(call, [&](Connection& connection) -> Outcome<ResultPtr> {
    const std::vector<OptionalText> wanted = {journal, std::to_string(lanes)};
    auto filled = connection.execute(
        "INSERT INTO forebay_applied(journal, lane, last_seq) "
        "SELECT $1, lane, 0 FROM generate_series(0, $2::integer - 1) AS lane ON CONFLICT DO NOTHING",
        wanted, call);
    if (!filled) return filled;
    return connection.execute("SELECT lane, last_seq FROM forebay_applied WHERE journal = $1 AND lane < $2",
                              wanted, call);
  });
  if (!rows) return located(rows.error(), where);
  for (int row = 0; row < row_count(*rows); ++row) {
    positions.at(number_in(*rows, row, 0)) = number_in(*rows, row, 1);
  }
  return positions;
}

Result<BatchOutcome> apply(Pool& pool, const std::string& source, const WriteBatch& batch, const Call& call) {
  const std::string where = fmt::format("source {}", source);
  Application application(where, batch, call);
  auto done = pool.write(call, [&](Connection& connection) { return application.run(connection); });
  if (done) return std::move(application.outcome());
  if (application.outcome().refused.empty())
    return unapplied(located(done.error(), where), cause_of(done.error()));
  // The first to be refused has ended the transaction: which others would be takes another one.
  BatchOutcome first = std::move(application.outcome());
  auto tried = pool.write(call, [&](Connection& connection) { return application.try_each(connection); });
  // Refusals found before it broke off would be found again. A batch that is always too slow for this must
  // get on as well: it has one at least.
  if (!application.outcome().refused.empty()) return std::move(application.outcome());
  if (tried.error().error.code == ErrorCode::kTimeout) return first;
  return unapplied(located(tried.error(), where), cause_of(tried.error()));
}

}  // namespace forebay::source::postgres
