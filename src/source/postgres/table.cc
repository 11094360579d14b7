#include "source/postgres/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "source/postgres/catalog.h"
#include "source/postgres/keys.h"
#include "source/postgres/reactions.h"
#include "source/postgres/shape.h"
#include "source/postgres/table_rows.h"
#include "source/postgres/table_write.h"
#include "source/postgres/write_plan.h"
#include "source/row_write.h"
#include "source/sql_mapping.h"

namespace forebay::source::postgres {
namespace {

// What was seen of the table, and of those that the namespace depends on, when it was opened.
struct Look {
  std::vector<TableName> tables;
  std::string digest;
  std::vector<bool> by_spelling;  // like the spec's dependencies
};

class TableDataset final : public BatchedDataset {
 public:
  TableDataset(Pool& pool, std::string where, DatasetSpec spec, Table table, TableShape shape, Look look)
      : pool_(pool),
        where_(std::move(where)),
        look_(std::move(look)),
        rows_(std::move(spec), std::move(table), std::move(shape)),
        planner_(rows_) {}

  // Runs the read for no key: the statement prepares, and the role may run it.
  Result<void> try_out(const Call& call) {
    auto batch = KeyBatch::make(rows_.key_types(), {});
    auto rows = pool_.read(call, [&](Connection& connection) {
      return connection.execute(rows_.read(), batch->arrays(), call);
    });
    if (!rows) return failed(rows.error());
    if (!rows_.spec().writable) return {};
    const Oid own[] = {table()};
    const Statement asks = ask_reactions(own);
    rows = pool_.read(
        call, [&](Connection& connection) { return connection.execute(asks.sql, asks.parameters, call); });
    if (!rows) return failed(rows.error());
    set_reacts(reactions_in(*rows).any);
    return {};
  }

  bool found_by_spelling(std::size_t dependency) const override { return look_.by_spelling[dependency]; }

  Result<Fit> fit(const CallContext& context) override {
    auto digest = digest_of(pool_, look_.tables, Call(context));
    if (!digest) return failed(digest.error());
    return *digest == look_.digest ? Fit::kFits : Fit::kChanged;
  }

  Result<std::vector<Loaded>> load(std::span<const KeyFields> keys, const CallContext& context) override {
    const Call call(context);
    auto batch = KeyBatch::make(rows_.key_types(), keys);
    if (!batch) return wrong(batch.error());
    std::vector<Loaded> loaded(keys.size());
    if (batch->asked().empty()) return loaded;
    auto rows = pool_.read(call, [&](Connection& connection) -> Outcome<ResultPtr> {
      auto found = connection.execute(rows_.read(), batch->arrays(), call);
      if (found || !batch->may_be_to_blame(found.error())) return found;
      auto dropped = batch->drop_unreadable(connection, call);
      if (!dropped) return std::unexpected(dropped.error());
      return *dropped ? connection.execute(rows_.read(), batch->arrays(), call) : std::move(found);
    });
    if (!rows) return failed(rows.error());
    if (!rows_.are_ours(*rows)) return wrong(table_has_changed());
    std::vector<bool> seen(batch->asked().size(), false);
    for (int row = 0; row < row_count(*rows); ++row) {
      const auto asked = batch->find(rows_.key_of(*rows, row));
      if (!asked) continue;  // equal to a key for the database, but spelled otherwise
      if (seen[*asked]) return wrong(several_rows());
      seen[*asked] = true;
      const Loaded value = rows_.loaded_row(*rows, row);
      for (const std::size_t place : batch->places(*asked)) loaded[place] = value;
    }
    return loaded;
  }

  Result<Written> write(const KeyFields& key, const Write& write, const CallContext& context) override {
    const Call call(context);
    auto steps = begin(key, write);
    if (!steps) return steps.error();
    auto done = pool_.write(call, [&](Connection& connection) -> Outcome<ResultPtr> {
      steps = begin(key, write);  // anew: this may be run twice
      return write_alone(connection, **steps, call);
    });
    const std::uint64_t transaction = (**steps).facts().transaction;
    if (done) {
      (**steps).written().transaction = transaction;
      return std::move((**steps).written());
    }
    Error error = failed(done.error());
    if (error.code != ErrorCode::kUnknownOutcome || transaction == 0) return error;
    Written written = std::move((**steps).written());
    written.unconfirmed = Unconfirmed{transaction, std::move(error.message)};
    return written;
  }

  Result<void> validate(const KeyFields& key, const Write& write) const override {
    if (auto good = planner_.validate(key, write); !good) return wrong(good.error());
    return {};
  }

  Shown shown(std::string_view name, Given given, std::string& text) const override {
    return planner_.shown(name, given, text);
  }

  Result<std::unique_ptr<WriteSteps>> begin(const KeyFields& key, const Write& write) const override {
    auto change = planner_.plan(key, write);
    if (!change) return wrong(change.error());
    return std::unique_ptr<WriteSteps>(std::make_unique<TableWrite>(rows_, key, std::move(*change)));
  }
  Error located_here(const Error& error) const override { return wrong(error); }
  Oid table() const override { return rows_.table(); }
  // Relaxed: a hint whether it pays to count rows. What was written says itself what the table does.
  bool reacts() const override { return reacts_.load(std::memory_order_relaxed); }
  void set_reacts(bool reacts) const override { reacts_.store(reacts, std::memory_order_relaxed); }
  std::string row_of(const KeyFields& key) const override {
    std::string row = rows_.sql().shape().table.text();
    for (const std::string& field : key) row += fmt::format(" {}:{}", field.size(), field);
    return row;
  }

 private:
  // One write in a transaction of its own.
  Outcome<ResultPtr> write_alone(Connection& connection, WriteSteps& steps, const Call& call) const {
    const Oid own[] = {table()};
    const Statement asks = ask_reactions(own);
    const Statement count = count_rows();
    std::optional<RowCounts> before;
    std::size_t failed_at = 0;
    while (const Statement* next = steps.next()) {
      ResultPtr result;
      if (reacts() && !before) {
        auto rows = connection.execute_all(std::vector{&count, next}, call, failed_at);
        if (!rows) return std::unexpected(std::move(rows).error());
        before = counts_in(rows->front());
        result = std::move(rows->back());
      } else {
        auto rows = connection.execute(next->sql, next->parameters, call);
        if (!rows) return rows;
        result = std::move(*rows);
      }
      if (auto taken = steps.take(std::move(result)); !taken)
        return std::unexpected(std::move(taken).error());
    }
    // What changed no row has still run triggers that run once a statement, or that kept the row as it was.
    if (steps.changes() > 0 && !steps.facts().may_react) {
      set_reacts(false);
      return ResultPtr();
    }
    auto answer = connection.execute(asks.sql, asks.parameters, call);
    if (!answer) return answer;
    const Reactions reactions = reactions_in(*answer);
    set_reacts(reactions.any);
    if (!reactions.any) return ResultPtr();
    const Statement deferred = run_deferred();
    const Statement again = steps.read_again();
    auto rows = connection.execute_all(std::vector{&deferred, &count, &again}, call, failed_at);
    if (!rows) return std::unexpected(std::move(rows).error());
    const int changes = steps.changes();
    const bool moved = changes > 0 && steps.take_again((*rows)[2]);
    AlsoChanged& also = steps.written().also;
    also =
        beyond(before.value_or(RowCounts()), counts_in((*rows)[1]), {{table(), changes + (moved ? 1 : 0)}});
    also.anything = !reactions.counted;
    return ResultPtr();
  }

  Error wrong(const Error& error) const { return located(error, where_); }
  Error failed(const Failure& failure) const { return wrong(failure.error); }

  Pool& pool_;
  const std::string where_;  // for messages
  const Look look_;
  const TableRows rows_;
  const WritePlanner planner_;
  mutable std::atomic<bool> reacts_{false};
};

// Checks a spec against the table, piece by piece; every message names what is missing.
class Checker {
 public:
  Checker(const Table& table, const DatasetSpec& spec) : table_(table), spec_(spec) {}

  Result<void> check() const {
    for (const std::string& key : spec_.key_fields) {
      auto column = readable(key, "the key's field");
      if (!column) return column.error();
      if (!(*column)->type.has_array)
        return config(fmt::format("the column {} can't be a key: its type has no arrays", key));
    }
    if (spec_.kind != ValueKind::kJson) {
      auto column = readable(spec_.value_column, "the value column");
      if (!column) return column.error();
      const Type& type = (*column)->type;
      const bool number = !type.array && (type.shape == Shape::kInteger || type.shape == Shape::kNumber);
      if (spec_.kind == ValueKind::kCounter && !number) {
        return config(fmt::format("the value column {} of a counter must be a number", spec_.value_column));
      }
    }
    if (!spec_.version_column.empty()) {
      auto column = readable(spec_.version_column, "the version column");
      if (!column) return column.error();
      if ((*column)->type.shape != Shape::kInteger || (*column)->type.array) {
        return config(fmt::format("the version column {} must be an integer", spec_.version_column));
      }
    }
    if (!spec_.writable) return {};
    if (table_.in_recovery) return config("the server is a standby and takes no writes");
    if (!table_.may_insert || !table_.may_update) {
      return config(fmt::format("the role may not {} rows there", table_.may_insert ? "UPDATE" : "INSERT"));
    }
    return {};
  }

  static Error config(std::string message) { return {ErrorCode::kConfig, std::move(message)}; }

 private:
  Result<const Column*> readable(const std::string& name, std::string_view role) const {
    const Column* column = table_.column(name);
    if (column == nullptr) return config(fmt::format("there is no column {} ({})", name, role));
    if (!column->readable)
      return config(fmt::format("the role may not SELECT the column {} ({})", name, role));
    return column;
  }

  const Table& table_;
  const DatasetSpec& spec_;
};

Outcome<Look> look_at(Pool& pool, const TableName& name, const DatasetSpec& spec, const Call& call) {
  Look look;
  look.tables.push_back(name);
  for (const TableDependency& dependency : spec.depends_on) {
    if (auto table = parse_table_name(dependency.table)) look.tables.push_back(std::move(*table));
  }
  auto digest = digest_of(pool, look.tables, call);
  if (!digest) return std::unexpected(digest.error());
  look.digest = std::move(*digest);
  return look;
}

Outcome<std::vector<bool>> dependencies_by_spelling(Pool& pool, const Table& table, const DatasetSpec& spec,
                                                    const Call& call) {
  auto mapped = mapped_columns(pool, spec, call);
  if (!mapped) return std::unexpected(mapped.error());
  std::vector<bool> all;
  for (const Mapped& one : *mapped) {
    all.push_back(one.by_spelling && std::ranges::all_of(one.columns, [&](const auto& column) {
                    const Column* key = table.column(spec.key_fields[column.first]);
                    return key != nullptr && same_spelling(key->type, column.second);
                  }));
  }
  return all;
}

// Watched columns are others' wishes. Where one is missing, images lack it, and those others see that.
DatasetSpec with_known_columns(DatasetSpec spec, const Table& table) {
  std::erase_if(spec.watch_columns, [&](const std::string& name) {
    const Column* column = table.column(name);
    return column == nullptr || !column->readable;
  });
  return spec;
}

// What the namespace reads: all columns that the role may, or the value and what is watched.
TableShape shape_of(const TableName& name, const Table& table, const DatasetSpec& spec) {
  TableShape shape;
  shape.table = name;
  shape.keys = spec.key_fields;
  for (const std::string& key : shape.keys) shape.key_types.push_back(table.column(key)->type.cast);
  if (spec.kind == ValueKind::kJson) {
    for (const Column& column : table.columns) {
      if (column.readable) shape.columns.push_back(column.name);
    }
  } else {
    shape.columns.push_back(spec.value_column);
    for (const std::string& watched : spec.watch_columns) {
      if (watched != spec.value_column) shape.columns.push_back(watched);
    }
  }
  shape.facts = facts_of_writes(table.oid, table.places);
  shape.version_column = spec.version_column;
  shape.version_has_default = !spec.version_column.empty() && table.column(spec.version_column)->has_default;
  return shape;
}

}  // namespace

Result<std::unique_ptr<Dataset>> open_table(Pool& pool, const std::string& source, const DatasetSpec& wanted,
                                            const Call& call) {
  auto name = parse_table_name(wanted.table);
  if (!name) return name.error();
  const std::string where = fmt::format("source {}, table {}", source, name->text());
  const auto located_here = [&](const Error& error) { return located(error, where); };
  // First: what changes from here on is noticed by the next look.
  auto look = look_at(pool, *name, wanted, call);
  if (!look) return located(look.error(), where);
  auto table = find_table(pool, *name, call);
  if (!table) return located(table.error(), where);
  if (!*table) return located_here(Checker::config("there is no such table"));
  auto by_spelling = dependencies_by_spelling(pool, **table, wanted, call);
  if (!by_spelling) return located(by_spelling.error(), where);
  look->by_spelling = std::move(*by_spelling);
  const DatasetSpec spec = with_known_columns(wanted, **table);
  if (auto good = Checker(**table, spec).check(); !good) return located_here(good.error());
  if (spec.writable && (**table).plain) {
    auto unique = has_unique_index(pool, (**table).oid, spec.key_fields, call);
    if (!unique) return located(unique.error(), where);
    if (!*unique) {
      return located_here(Checker::config(fmt::format(
          "writing needs a primary key or unique index on exactly ({})", fmt::join(spec.key_fields, ", "))));
    }
  }
  if (spec.writable && !(**table).plain)
    return located_here(Checker::config("only a table can be written, not a view"));
  TableShape shape = shape_of(*name, **table, spec);
  auto dataset = std::make_unique<TableDataset>(pool, where, spec, std::move(**table), std::move(shape),
                                                std::move(*look));
  if (auto runs = dataset->try_out(call); !runs) {
    // Refused by the database now: the configuration doesn't fit it.
    Error error = runs.error();
    if (error.code == ErrorCode::kRefused) error.code = ErrorCode::kConfig;
    return error;
  }
  return std::unique_ptr<Dataset>(std::move(dataset));
}

}  // namespace forebay::source::postgres
