#include "source/sqlite.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "source/sql_mapping.h"
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

  // SQLite's names of tables know no case. A view has no triggers, and nobody writes to one.
  Result<std::vector<KnownTable>> known_tables(std::span<const std::string> names,
                                               const CallContext& context) override {
    const sqlite::Deadline deadline(context);
    auto lease = database_.readers.acquire(deadline);
    if (!lease) return lease.error();
    std::vector<KnownTable> known;
    for (const std::string& name : names) {
      KnownTable& table = known.emplace_back();
      const auto parsed = parse_table_name(name);
      if (!parsed) continue;
      auto found = sqlite::name_in_schema(**lease, *parsed);
      if (!found) return found.error();
      table.id = std::move(*found);
    }
    return known;
  }

  Result<void> ping(const CallContext& context) override {
    const sqlite::Deadline deadline(context);
    auto lease = database_.readers.acquire(deadline);
    if (!lease) return lease.error();
    auto version = (*lease)->ask("PRAGMA schema_version");
    if (!version) return version.error();
    return {};
  }

  std::unique_ptr<Ledger> ledger() override { return sqlite::ledger_of(database_); }

  std::unique_ptr<ChangeLog> change_log() override {
    if (!log_changes_) return nullptr;
    return std::make_unique<sqlite::TriggerLog>(database_, sqlite::TriggerLog::Options{});
  }

 private:
  sqlite::Database database_;
  const bool log_changes_;
};

}  // namespace

Result<std::shared_ptr<Source>> open_sqlite(const config::Source& settings) {
  if (settings.path.empty())
    return Error{ErrorCode::kConfig, fmt::format("source {}: no path is given", settings.name)};
  return std::shared_ptr<Source>(std::make_shared<SqliteSource>(settings));
}

}  // namespace forebay::source
