#include "source/sqlite.h"

#include <fmt/format.h>

#include "source/sqlite/changes.h"
#include "source/sqlite/database.h"
#include "source/sqlite/ledger.h"
#include "source/sqlite/query_dataset.h"
#include "source/sqlite/table_dataset.h"

namespace forebay::source {
namespace {

class SqliteSource final : public Source {
 public:
  explicit SqliteSource(const config::Source& settings)
      : database_(settings.name, settings.path, settings.pool, settings.timeout),
        log_changes_(settings.changes) {}

  std::size_t concurrency() const override { return database_.pool; }

  Result<std::unique_ptr<Dataset>> open_dataset(const DatasetSpec& spec) override {
    return spec.query.empty() ? sqlite::open_table(database_, spec) : sqlite::open_query(database_, spec);
  }

  Result<void> ping(const CallContext& context) override {
    const sqlite::Deadline deadline(context);
    auto lease = database_.readers.acquire(deadline);
    if (!lease) return lease.error();
    auto version = (*lease)->ask("PRAGMA schema_version");
    if (!version) return version.error();
    return {};
  }

  Result<std::vector<RowChange>> poll_changes(const CallContext& context) override {
    return changes_.poll(context);
  }

  Result<void> watch_tables(std::span<const std::string> tables) override {
    if (!log_changes_) return Source::watch_tables(tables);
    return changes_.watch(tables);
  }

  Result<std::vector<std::uint64_t>> open_ledger(const std::string& journal, std::uint32_t lanes,
                                                 const CallContext& context) override {
    return sqlite::open_ledger(database_, journal, lanes, context);
  }

  Result<BatchOutcome> apply(const WriteBatch& batch, const CallContext& context) override {
    return sqlite::apply(database_, batch, context);
  }

  Result<std::vector<DeadLetter>> dead_letters(const std::optional<DeadId>& after, std::size_t limit,
                                               const CallContext& context) override {
    return sqlite::dead_letters(database_, after, limit, context);
  }

  Result<std::optional<DeadLetter>> dead_letter(const DeadId& id, const CallContext& context) override {
    return sqlite::dead_letter(database_, id, context);
  }

  Result<bool> edit_dead_letter(const DeadId& id, const std::string& operation,
                                const CallContext& context) override {
    return sqlite::edit_dead_letter(database_, id, operation, context);
  }

  Result<bool> drop_dead_letter(const DeadId& id, const CallContext& context) override {
    return sqlite::drop_dead_letter(database_, id, context);
  }

 private:
  sqlite::Database database_;
  const bool log_changes_;
  sqlite::ChangeLog changes_{database_, {}};
};

}  // namespace

Result<std::shared_ptr<Source>> open_sqlite(const config::Source& settings) {
  if (settings.path.empty())
    return Error{ErrorCode::kConfig, fmt::format("source {}: no path is given", settings.name)};
  return std::shared_ptr<Source>(std::make_shared<SqliteSource>(settings));
}

}  // namespace forebay::source
