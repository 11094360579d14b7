#include "source/sqlite/table_dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "source/row_write.h"
#include "source/sqlite/shape.h"
#include "source/sqlite/table_rows.h"
#include "source/sqlite/table_writer.h"

namespace forebay::source::sqlite {
namespace {

class TableDataset final : public BatchedDataset {
 public:
  TableDataset(Database& database, DatasetSpec spec, std::vector<Column> columns,
               std::vector<ColumnKind> key_kinds, TableShape shape, std::vector<bool> by_spelling,
               std::unique_ptr<const Shape> seen)
      : rows_(database, std::move(spec), std::move(columns), std::move(key_kinds), std::move(shape)),
        writer_(rows_),
        by_spelling_(std::move(by_spelling)),
        seen_(std::move(seen)) {}

  Result<void> check(Connection& connection) const { return rows_.check(connection); }

  bool found_by_spelling(std::size_t dependency) const override { return by_spelling_[dependency]; }
  Result<Fit> fit(const CallContext& context) override;
  Result<std::vector<Loaded>> load(std::span<const KeyFields> keys, const CallContext& context) override;
  Result<Written> write(const KeyFields& key, const Write& write, const CallContext& context) override;
  Result<void> validate(const KeyFields& key, const Write& write) const override {
    return writer_.validate(key, write);
  }
  Shown shown(std::string_view name, Given given, std::string& text) const override {
    return writer_.shown(name, given, text);
  }
  Result<Written> write_within(Connection& connection, const KeyFields& key,
                               const Write& write) const override {
    return writer_.write(connection, key, write);
  }

 private:
  const TableRows rows_;
  const TableWriter writer_;
  const std::vector<bool> by_spelling_;  // like the spec's dependencies
  const std::unique_ptr<const Shape> seen_;
};

Result<Fit> TableDataset::fit(const CallContext& context) {
  const Deadline deadline(context);
  auto lease = rows_.database().readers.acquire(deadline);
  if (!lease) return lease.error();
  auto holds = seen_->holds(*lease);
  if (!holds) return rows_.at(holds.error());
  return *holds ? Fit::kFits : Fit::kChanged;
}

Result<std::vector<Loaded>> TableDataset::load(std::span<const KeyFields> keys, const CallContext& context) {
  for (const KeyFields& key : keys) {
    if (key.size() != rows_.key_count())
      return rows_.at(write_mistake::wrong_key(key.size(), rows_.key_count()));
  }
  Database& database = rows_.database();
  const Deadline deadline(context);
  auto lease = database.readers.acquire(deadline);
  if (!lease) return lease.error();
  Connection& connection = **lease;

  // A single statement is a snapshot by itself.
  std::optional<Transaction> snapshot;
  if (keys.size() > 1 || database.watched) {
    auto begun = Transaction::begin(connection, Transaction::Kind::kRead);
    if (!begun) return rows_.at(begun.error());
    snapshot.emplace(std::move(*begun));
  }
  auto proof = evidence(database, connection);
  if (!proof) return rows_.at(proof.error());
  std::vector<Loaded> all;
  all.reserve(keys.size());
  for (std::size_t from = 0; from < keys.size(); from += TableRows::kListSizes.back()) {
    const std::size_t count = std::min(TableRows::kListSizes.back(), keys.size() - from);
    if (auto read = rows_.read(connection, keys.subspan(from, count), all); !read) return read.error();
  }
  // After the rows: without a transaction, what the schema is now it was when they were read.
  auto holds = seen_->columns_hold(*lease);
  if (!holds) return rows_.at(holds.error());
  if (!*holds) return rows_.at(table_has_changed());
  for (Loaded& loaded : all) loaded.evidence = *proof;
  if (snapshot) {
    if (auto done = snapshot->commit(); !done) return rows_.at(done.error());
  }
  return all;
}

Result<Written> TableDataset::write(const KeyFields& key, const Write& write, const CallContext& context) {
  if (auto good = writer_.check(key, write); !good) return std::move(good).error();
  const Deadline deadline(context);
  auto lease = rows_.database().writer.acquire(deadline);
  if (!lease) return rows_.at(lease.error());
  auto transaction = Transaction::begin(**lease, Transaction::Kind::kWrite);
  if (!transaction) return rows_.at(transaction.error());
  auto holds = seen_->columns_hold(*lease);
  if (!holds) return rows_.at(holds.error());
  if (!*holds) return rows_.at(table_has_changed());
  auto written = writer_.write(**lease, key, write);
  if (!written) return written;
  if (auto done = transaction->commit(); !done) return rows_.at(done.error());
  return written;
}

}  // namespace

Result<std::unique_ptr<Dataset>> open_table(Database& database, const DatasetSpec& wanted) {
  DatasetSpec spec = wanted;
  const auto wrong = [&](std::string_view what) {
    return Error{ErrorCode::kConfig,
                 fmt::format("source {}: {} (namespace {})", database.name, what, spec.name)};
  };
  auto table = parse_table_name(spec.table);
  if (!table) return wrong(table.error().message);
  if (spec.key_fields.empty()) return wrong("a table needs at least one field in the key");

  const Deadline deadline(CallContext{database.timeout, nullptr});
  auto lease = database.readers.acquire(deadline);
  if (!lease) return lease.error();
  std::vector<std::string> tables = {table->name};
  std::vector<bool> by_spelling;
  for (const TableDependency& dependency : spec.depends_on) {
    auto name = parse_table_name(dependency.table);
    if (!name) return wrong(name.error().message);
    auto columns = columns_of(**lease, *name);
    if (!columns) return columns.error();
    tables.push_back(name->name);
    by_spelling.push_back(found_by_spelling(*columns, dependency));
  }
  auto seen = Shape::see(*lease, std::move(tables));
  if (!seen) return seen.error();
  auto catalogue = columns_of(**lease, *table);
  if (!catalogue) return catalogue.error();
  if (catalogue->empty()) return wrong(fmt::format("there is no table {}", table->text()));
  const auto find = [&](const std::string& name) {
    return std::ranges::find_if(*catalogue, [&](const CatalogueColumn& c) { return c.column.name == name; });
  };
  const auto missing = [&](const std::string& name, std::string_view use) -> std::optional<Error> {
    if (find(name) != catalogue->end()) return std::nullopt;
    return wrong(fmt::format("table {} has no column {} ({})", table->text(), name, use));
  };

  TableShape shape;
  shape.table = *table;
  shape.keys = spec.key_fields;
  std::vector<ColumnKind> key_kinds;
  for (const std::string& name : spec.key_fields) {
    if (auto error = missing(name, "a field of the key")) return *error;
    key_kinds.push_back(find(name)->column.kind);
  }
  // Watched columns are others' wishes. Where one is missing, images lack it, and those others see that.
  std::erase_if(spec.watch_columns, [&](const std::string& name) { return find(name) == catalogue->end(); });
  if (!spec.version_column.empty()) {
    if (auto error = missing(spec.version_column, "the version")) return *error;
    shape.version_column = spec.version_column;
    shape.version_has_default = find(spec.version_column)->has_default;
  }
  std::vector<Column> columns;
  for (const CatalogueColumn& column : *catalogue) columns.push_back(column.column);
  if (spec.kind == ValueKind::kJson) {
    for (const Column& column : columns) shape.columns.push_back(column.name);
  } else {
    if (spec.value_column.empty()) return wrong("no value column is given");
    if (auto error = missing(spec.value_column, "the value")) return *error;
    shape.columns = {spec.value_column};
  }

  auto dataset = std::make_unique<TableDataset>(database, spec, std::move(columns), std::move(key_kinds),
                                                std::move(shape), std::move(by_spelling), std::move(*seen));
  if (auto right = dataset->check(**lease); !right) return right.error();
  return std::unique_ptr<Dataset>(std::move(dataset));
}

}  // namespace forebay::source::sqlite
