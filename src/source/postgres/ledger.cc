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

class Application {
 public:
  Application(std::string where, const WriteBatch& batch, const Call& call)
      : where_(std::move(where)), batch_(batch), call_(call) {}

  Outcome<ResultPtr> run(Connection& connection) {
    outcome_ = BatchOutcome();
    const std::vector<OptionalText> lane = {batch_.journal, std::to_string(batch_.lane)};
    auto row = connection.execute(
        "SELECT last_seq FROM forebay_applied WHERE journal = $1 AND lane = $2 FOR UPDATE", lane, call_);
    if (!row) return row;
    const std::uint64_t at = row_count(*row) == 0 ? 0 : number_in(*row, 0, 0);
    if (row_count(*row) > 0 && at == batch_.upto) return row;
    if (row_count(*row) == 0 || at != batch_.after)
      return std::unexpected(Failure{wrong_position(where_, batch_, at), {}, false});
    // A deferred constraint would fail the COMMIT, where nobody could say which write it is about. A write in
    // a transaction of its own would be checked at its end as well.
    auto checked = connection.command("SET CONSTRAINTS ALL IMMEDIATE", call_);
    if (!checked) return checked;
    for (const BatchWrite& one : batch_.writes) {
      const auto* dataset = dynamic_cast<const BatchedDataset*>(one.dataset);
      if (dataset == nullptr) {
        return std::unexpected(
            Failure{{ErrorCode::kUnsupported, "only a table takes batches of writes"}, {}, false});
      }
      std::optional<Written> last;
      for (const Write& write : one.writes) {
        auto written = dataset->write_within(connection, one.key, write, call_);
        if (!written) {
          outcome_.written.clear();
          if (is_permanent(written.error().error)) {
            outcome_.refused.push_back(
                {static_cast<std::size_t>(&one - batch_.writes.data()), written.error().error});
          }
          return std::unexpected(std::move(written.error()));
        }
        last = std::move(*written);
      }
      outcome_.written.push_back(std::move(last));
    }
    for (const DeadLetter& dead : batch_.dead) {
      const std::vector<OptionalText> values = {
          batch_.journal,    std::to_string(batch_.lane), std::to_string(dead.id.seq), dead.space,
          text_of(dead.key), text_of(dead.operation),     text_of(dead.error)};
      auto put = connection.execute(
          "INSERT INTO forebay_dead(journal, lane, seq, namespace, key, operation, error) "
          "VALUES ($1, $2, $3, $4, $5, $6, $7)",
          values, call_);
      if (!put) return put;
    }
    const std::vector<OptionalText> position = {batch_.journal, std::to_string(batch_.lane),
                                                std::to_string(batch_.upto)};
    return connection.execute("UPDATE forebay_applied SET last_seq = $3 WHERE journal = $1 AND lane = $2",
                              position, call_);
  }

  BatchOutcome& outcome() { return outcome_; }

 private:
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
  Application application(fmt::format("source {}", source), batch, call);
  auto done = pool.write(call, [&](Connection& connection) { return application.run(connection); });
  if (done || !application.outcome().refused.empty()) return std::move(application.outcome());
  return located(done.error(), fmt::format("source {}", source));
}

}  // namespace forebay::source::postgres
