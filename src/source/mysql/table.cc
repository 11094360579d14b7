#include "source/mysql/table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <utility>
#include <vector>

#include "source/answer_bound.h"
#include "source/mysql/catalog.h"
#include "source/mysql/keys.h"
#include "source/mysql/reactions.h"
#include "source/mysql/table_checks.h"
#include "source/mysql/table_rows.h"
#include "source/mysql/table_write.h"
#include "source/mysql/write_plan.h"
#include "source/row_write.h"

namespace forebay::source::mysql {
namespace {

// Keys that one statement asks for. MariaDB makes a temporary table of lists of 1,000 values.
constexpr std::size_t kKeysMax = 512;
// Each so many looks at whether the table is what it was, what it reacts with is looked at, too.
constexpr unsigned kLooksAtReactions = 16;

// What was seen of the table, and of those that the namespace depends on, when it was opened.
struct Look {
  std::vector<TableName> tables;
  std::string digest;
  std::vector<bool> by_spelling;  // like the spec's dependencies
  Reactions reactions;            // writable only
};

class TableDataset final : public BatchedDataset {
 public:
  TableDataset(Pool& pool, std::string where, DatasetSpec spec, const Table& table, TableShape shape,
               Look look)
      : pool_(pool),
        where_(std::move(where)),
        table_(table),
        look_(std::move(look)),
        rows_(std::move(spec), table, std::move(shape)),
        planner_(rows_) {}

  bool found_by_spelling(std::size_t dependency) const override { return look_.by_spelling[dependency]; }

  Result<Fit> fit(const CallContext& context) override {
    const Call call(context);
    auto digest = digest_of(pool_, look_.tables, call);
    if (!digest) return failed(digest.error());
    if (*digest != look_.digest) return Fit::kChanged;
    // The catalogue's lists of all triggers and foreign keys are not for every second.
    if (!rows_.spec().writable || ++looks_ % kLooksAtReactions != 0) return Fit::kFits;
    auto reactions = reactions_of(pool_, table_, call);
    if (!reactions) return failed(reactions.error());
    return *reactions == look_.reactions ? Fit::kFits : Fit::kChanged;
  }

  Result<std::vector<Loaded>> load(std::span<const KeyFields> keys, const CallContext& context) override {
    const Call call(context);
    auto batch = KeyBatch::make(rows_.key_types(), keys);
    if (!batch) return located(batch.error(), where_);
    std::vector<Loaded> loaded(keys.size());
    std::vector<bool> seen(batch->asked().size(), false);
    std::size_t bytes = 0;
    for (std::size_t first = 0; first < batch->asked().size(); first += kKeysMax) {
      const std::size_t count = std::min(kKeysMax, batch->asked().size() - first);
      // Few different statements: each stays prepared in each session.
      const std::size_t room = std::bit_ceil(count);
      auto rows = pool_.ask(rows_.sql().read(room), batch->parameters(first, count, room), call);
      if (!rows) return failed(rows.error());
      bytes += rows->bytes();
      if (bytes > kAnswerBytesMax) return located(answer_too_large(), where_);
      if (auto taken = take(*rows, *batch, seen, loaded); !taken) return located(taken.error(), where_);
    }
    return loaded;
  }

  Result<Written> write(const KeyFields& key, const Write& write, const CallContext& context) override {
    const Call call(context);
    auto change = planner_.plan(key, write);
    if (!change) return located(change.error(), where_);
    Written written;
    std::uint64_t transaction = 0;
    auto done = pool_.write(
        call,
        [&](Connection& connection) -> Outcome<void> {
          auto one = write_row(connection, rows_, look_.reactions, key, *change, call);
          if (!one) return std::unexpected(std::move(one).error());
          written = std::move(*one);
          return {};
        },
        &transaction);
    if (done) return written;
    Error error = failed(done.error());
    if (error.code != ErrorCode::kUnknownOutcome) return error;
    written.unconfirmed = Unconfirmed{transaction, std::move(error.message)};
    return written;
  }

  Outcome<Written> write_within(Connection& connection, const KeyFields& key, const Write& write,
                                const Call& call) const override {
    auto change = planner_.plan(key, write);
    if (!change) return std::unexpected(ours(located(change.error(), where_)));
    auto written = write_row(connection, rows_, look_.reactions, key, *change, call);
    if (!written) written.error().error = located(written.error().error, where_);
    return written;
  }

  Result<void> validate(const KeyFields& key, const Write& write) const override {
    if (auto good = planner_.validate(key, write); !good) return located(good.error(), where_);
    return {};
  }

  Shown shown(std::string_view name, Given given, std::string& text) const override {
    return planner_.shown(name, given, text);
  }

 private:
  Result<void> take(const Rows& rows, const KeyBatch& batch, std::vector<bool>& seen,
                    std::vector<Loaded>& loaded) const {
    if (!rows_.are_ours(rows)) return table_has_changed();
    for (std::size_t row = 0; row < rows.count(); ++row) {
      const auto asked = batch.find(rows_.key_of(rows, row));
      if (!asked) continue;  // equal to a key for the database, but spelled otherwise
      if (seen[*asked]) return several_rows();
      seen[*asked] = true;
      const Loaded value = rows_.loaded_row(rows, row);
      for (const std::size_t place : batch.places(*asked)) loaded[place] = value;
    }
    return {};
  }

  Error failed(const Failure& failure) const { return located(failure.error, where_); }

  Pool& pool_;
  const std::string where_;  // for messages
  const Table table_;
  const Look look_;
  const TableRows rows_;
  const WritePlanner planner_;
  std::atomic<unsigned> looks_{0};
};

Outcome<Look> look_at(Pool& pool, const TableName& name, const DatasetSpec& spec, const Call& call) {
  Look look;
  look.tables.push_back(name);
  for (const TableDependency& dependency : spec.depends_on) {
    if (auto table = parse_table_name(dependency.table)) look.tables.push_back(std::move(*table));
  }
  auto digest = digest_of(pool, look.tables, call);
  if (!digest) return std::unexpected(std::move(digest).error());
  look.digest = std::move(*digest);
  return look;
}

// A key's column and the one that it is mapped to must have one text for each value, and the same one.
bool same_spelling(const Column& key, const Column& column) {
  if (!key.one_spelling || !column.one_spelling) return false;
  const auto texts = [](Shape shape) { return shape == Shape::kText || shape == Shape::kPadded; };
  if (texts(key.type.shape) && texts(column.type.shape)) return true;
  return key.type.shape == column.type.shape && key.type.scale == column.type.scale;
}

Outcome<std::vector<bool>> dependencies_by_spelling(Pool& pool, const Table& table, const DatasetSpec& spec,
                                                    const Call& call) {
  auto mapped = mapped_columns(pool, spec, call);
  if (!mapped) return std::unexpected(std::move(mapped).error());
  std::vector<bool> all;
  for (const Mapped& one : *mapped) {
    all.push_back(one.by_spelling && std::ranges::all_of(one.columns, [&](const auto& column) {
                    const Column* key = table.column(spec.key_fields[column.first]);
                    return key != nullptr && same_spelling(*key, column.second);
                  }));
  }
  return all;
}

}  // namespace

Result<std::unique_ptr<Dataset>> open_table(Pool& pool, const std::string& source, const DatasetSpec& wanted,
                                            const Call& call) {
  auto name = parse_table_name(wanted.table);
  if (!name) return name.error();
  const std::string where = fmt::format("source {}, table {}", source, name->text());
  // First: what changes from here on is noticed by the next look.
  auto look = look_at(pool, *name, wanted, call);
  if (!look) return located(look.error(), where);
  auto table = find_table(pool, *name, call);
  if (!table) return located(table.error(), where);
  if (!*table) return located(Error{ErrorCode::kConfig, "there is no such table"}, where);
  auto by_spelling = dependencies_by_spelling(pool, **table, wanted, call);
  if (!by_spelling) return located(by_spelling.error(), where);
  look->by_spelling = std::move(*by_spelling);
  const DatasetSpec spec = with_known_columns(wanted, **table);
  if (auto good = check(**table, spec); !good) return located(good.error(), where);
  if (spec.writable) {
    auto unique = has_unique_index(pool, (**table).name, spec.key_fields, call);
    if (!unique) return located(unique.error(), where);
    if (!*unique) {
      return located(
          Error{ErrorCode::kConfig, fmt::format("writing needs a primary key or unique index on exactly ({})",
                                                fmt::join(spec.key_fields, ", "))},
          where);
    }
    auto reactions = reactions_of(pool, **table, call);
    if (!reactions) return located(reactions.error(), where);
    look->reactions = std::move(*reactions);
  }
  TableShape shape = shape_of(**table, spec);
  return std::make_unique<TableDataset>(pool, where, spec, **table, std::move(shape), std::move(*look));
}

}  // namespace forebay::source::mysql
