#include "source/sqlite/query_dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "source/answer_bound.h"
#include "source/row_write.h"
#include "source/sqlite/shape.h"

namespace forebay::source::sqlite {
namespace {

class QueryDataset final : public Dataset {
 public:
  // What a dependency's columns say of the key's fields, with the fields' places.
  struct Mapped {
    bool by_spelling = false;
    std::vector<std::pair<std::size_t, Column>> columns;
  };

  QueryDataset(Database& database, DatasetSpec spec, std::string sql, std::vector<Mapped> mapped,
               std::vector<std::string> outputs, std::unique_ptr<const Shape> shape)
      : database_(database),
        spec_(std::move(spec)),
        sql_(std::move(sql)),
        mapped_(std::move(mapped)),
        outputs_(std::move(outputs)),
        shape_(std::move(shape)) {}

  Result<std::vector<Loaded>> load(std::span<const KeyFields> keys, const CallContext& context) override;
  // Nothing is saved by running several keys' queries on one connection, and other connections could run them
  // meanwhile.
  bool batches() const override { return false; }
  bool found_by_spelling(std::size_t dependency) const override { return mapped_[dependency].by_spelling; }
  Result<Fit> fit(const CallContext& context) override;

 private:
  Error at(Error error) const {
    error.message += fmt::format(" (the query of namespace {})", spec_.name);
    return error;
  }
  Error refused(std::string_view why) const {
    return at({ErrorCode::kRefused, fmt::format("source {}: {}", database_.name, why)});
  }
  // Whether changed rows reach this key: no other text finds the same rows.
  Result<bool> is_spelled(Connection& connection, const KeyFields& key) const;
  Result<std::optional<std::string>> answer(Statement& statement, const KeyFields& key) const;
  Result<std::optional<std::string>> one_value(Statement& statement) const;
  static void append_row(std::string& json, const Statement& row);

  Database& database_;
  const DatasetSpec spec_;
  const std::string sql_;
  const std::vector<Mapped> mapped_;        // like the spec's dependencies
  const std::vector<std::string> outputs_;  // outputs_of()
  const std::unique_ptr<const Shape> shape_;
};

// What a statement returns: the names and declared types of its columns.
std::vector<std::string> outputs_of(sqlite3_stmt* statement) {
  std::vector<std::string> outputs;
  for (int i = 0; i < sqlite3_column_count(statement); ++i) {
    const char* type = sqlite3_column_decltype(statement, i);
    outputs.push_back(fmt::format("{} {}", sqlite3_column_name(statement, i), type != nullptr ? type : ""));
  }
  return outputs;
}

// What a column of several is: JSON where it is declared JSON or an expression that made an object or array.
ColumnKind kind_in(const Statement& row, int column) {
  const char* declared = sqlite3_column_decltype(row.handle(), column);
  if (declared != nullptr) return kind_of(declared);
  if (row.type(column) != SQLITE_TEXT) return ColumnKind::kPlain;
  const std::string_view text = row.bytes(column);
  return text.starts_with('{') || text.starts_with('[') ? ColumnKind::kJson : ColumnKind::kPlain;
}

void QueryDataset::append_row(std::string& json, const Statement& row) {
  if (row.columns() == 1) return append_value(json, row, 0);
  RowJson object;
  for (int i = 0; i < row.columns(); ++i) append_column(object, row, i, row.name(i), kind_in(row, i));
  json += object.take();
}

// A text or counter namespace's value; the statement has one column.
Result<std::optional<std::string>> QueryDataset::one_value(Statement& statement) const {
  auto row = statement.step();
  if (!row) return at(row.error());
  if (!*row) return std::optional<std::string>();
  if (spec_.kind == ValueKind::kCounter && statement.type(0) != SQLITE_INTEGER &&
      statement.type(0) != SQLITE_NULL) {
    return refused("a counter's query must find an integer");
  }
  std::optional<std::string> value = column_text(statement, 0);
  row = statement.step();
  if (!row) return at(row.error());
  if (*row) return refused("the query found several rows for one key");
  return value;
}

Result<std::optional<std::string>> QueryDataset::answer(Statement& statement, const KeyFields& key) const {
  statement.reset();
  for (std::size_t i = 0; i < key.size(); ++i) statement.bind_text(static_cast<int>(i) + 1, key[i]);
  if (spec_.kind != ValueKind::kJson) return one_value(statement);

  std::string json;
  std::size_t rows = 0;
  bool null = false;
  while (true) {
    auto row = statement.step();
    if (!row) return at(row.error());
    if (!*row) break;
    ++rows;
    if (rows == 1) null = statement.columns() == 1 && statement.type(0) == SQLITE_NULL;
    if (rows == 2) json.insert(0, 1, '[');
    if (rows >= 2) json += ',';
    append_row(json, statement);
    if (json.size() > kAnswerBytesMax) return at(answer_too_large());
  }
  if (rows == 0 || (rows == 1 && null)) return std::optional<std::string>();
  if (rows > 1) json += ']';
  return std::optional<std::string>(std::move(json));
}

Result<bool> QueryDataset::is_spelled(Connection& connection, const KeyFields& key) const {
  for (const Mapped& mapped : mapped_) {
    if (!mapped.by_spelling) continue;
    for (const auto& [place, column] : mapped.columns) {
      auto spelled = sqlite::is_spelled(connection, column, key[place]);
      if (!spelled || !*spelled) return spelled;
    }
  }
  return true;
}

Result<Fit> QueryDataset::fit(const CallContext& context) {
  const Deadline deadline(context);
  auto lease = database_.readers.acquire(deadline);
  if (!lease) return at(lease.error());
  auto holds = shape_->holds(*lease);
  if (!holds) return at(holds.error());
  if (!*holds) return Fit::kChanged;
  // A connection learns of another schema when a statement of its runs, and not when it is prepared.
  if (auto read = (*lease)->ask("SELECT count(*) FROM main.sqlite_schema"); !read) return at(read.error());
  sqlite3_stmt* handle = nullptr;
  const int code =
      sqlite3_prepare_v2((*lease)->handle(), sql_.data(), static_cast<int>(sql_.size()), &handle, nullptr);
  const std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> statement(handle, &sqlite3_finalize);
  return code == SQLITE_OK && outputs_of(handle) == outputs_ ? Fit::kFits : Fit::kChanged;
}

Result<std::vector<Loaded>> QueryDataset::load(std::span<const KeyFields> keys, const CallContext& context) {
  const Deadline deadline(context);
  auto lease = database_.readers.acquire(deadline);
  if (!lease) return at(lease.error());
  Connection& connection = **lease;
  auto snapshot = Transaction::begin(connection, Transaction::Kind::kRead);
  if (!snapshot) return at(snapshot.error());
  auto proof = evidence(database_, connection);
  if (!proof) return at(proof.error());
  std::vector<Loaded> all;
  {
    auto statement = connection.prepare(sql_);
    if (!statement) return at(statement.error());
    std::size_t bytes = 0;
    for (const KeyFields& key : keys) {
      if (key.size() != spec_.key_fields.size()) {
        return at({ErrorCode::kInternal,
                   fmt::format("a key of {} fields instead of {}", key.size(), spec_.key_fields.size())});
      }
      auto spelled = is_spelled(connection, key);
      if (!spelled) return at(spelled.error());
      if (!*spelled) {
        all.push_back({std::nullopt, 0, *proof});
        continue;
      }
      auto value = answer(*statement, key);
      if (!value) return value.error();
      bytes += *value ? (*value)->size() : 0;
      if (bytes > kAnswerBytesMax) return at(answer_too_large());
      all.push_back({std::move(*value), 0, *proof});
    }
    // SQLite itself prepares a statement anew whose tables have changed.
    if (outputs_of(statement->handle()) != outputs_) return at(table_has_changed());
  }
  if (auto done = snapshot->commit(); !done) return at(done.error());
  return all;
}

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using OwnedStatement = std::unique_ptr<sqlite3_stmt, Finalize>;

// What the query returns (outputs_of()), or what is wrong with it, in words that follow "the query …".
Result<std::vector<std::string>> check(Connection& connection, const std::string& sql,
                                       const DatasetSpec& spec) {
  const auto wrong = [](std::string text) {
    return Error{ErrorCode::kConfig, "the query " + std::move(text)};
  };
  sqlite3_stmt* handle = nullptr;
  const char* rest = nullptr;
  int code =
      sqlite3_prepare_v2(connection.handle(), sql.data(), static_cast<int>(sql.size()), &handle, &rest);
  OwnedStatement statement(handle);
  if (code != SQLITE_OK)
    return wrong(fmt::format("does not prepare: {}", sqlite3_errmsg(connection.handle())));
  if (!statement) return wrong("is empty");
  const auto length = static_cast<int>(sql.data() + sql.size() - rest);
  code = sqlite3_prepare_v2(connection.handle(), rest, length, &handle, nullptr);
  const OwnedStatement second(handle);
  if (code != SQLITE_OK || second) return wrong("must be a single statement");
  const int columns = sqlite3_column_count(statement.get());
  if (sqlite3_stmt_readonly(statement.get()) == 0 || sqlite3_stmt_isexplain(statement.get()) != 0 ||
      columns == 0) {
    return wrong("must be a SELECT");
  }
  if (spec.kind != ValueKind::kJson && columns != 1) {
    return wrong(
        fmt::format("has {} columns; a text or counter namespace needs exactly one column", columns));
  }
  std::set<std::string> names;
  for (int i = 0; i < columns; ++i) {
    const char* name = sqlite3_column_name(statement.get(), i);
    if (!names.insert(name).second)
      return wrong(fmt::format("has two columns named {}: give one an alias", name));
  }
  return outputs_of(statement.get());
}

}  // namespace

Result<std::unique_ptr<Dataset>> open_query(Database& database, const DatasetSpec& spec) {
  const auto wrong = [&](std::string_view what) {
    return Error{ErrorCode::kConfig,
                 fmt::format("source {}: {} (namespace {})", database.name, what, spec.name)};
  };
  if (spec.writable) return wrong("a query can't be written to; a namespace that writes needs a table");
  if (!spec.version_column.empty()) return wrong("a query has no version column");
  auto sql = compile_query(spec.query, spec.key_fields, Dialect::kSqlite);
  if (!sql) return wrong(sql.error().message);

  const Deadline deadline(CallContext{database.timeout, nullptr});
  auto lease = database.readers.acquire(deadline);
  if (!lease) return lease.error();
  std::vector<QueryDataset::Mapped> mapped;
  std::vector<std::string> tables;
  for (const TableDependency& dependency : spec.depends_on) {
    auto name = parse_table_name(dependency.table);
    if (!name) return wrong(name.error().message);
    auto columns = columns_of(**lease, *name);
    if (!columns) return columns.error();
    tables.push_back(name->name);
    QueryDataset::Mapped& one = mapped.emplace_back();
    one.by_spelling = found_by_spelling(*columns, dependency);
    for (const auto& [column, field] : dependency.columns) {
      const auto place = std::ranges::find(spec.key_fields, field) - spec.key_fields.begin();
      const auto found =
          std::ranges::find(*columns, column, [](const auto& each) { return each.column.name; });
      if (found != columns->end()) one.columns.emplace_back(static_cast<std::size_t>(place), found->column);
    }
  }
  auto shape = Shape::see(*lease, std::move(tables));
  if (!shape) return shape.error();
  auto outputs = check(**lease, *sql, spec);
  if (!outputs) return wrong(outputs.error().message);
  return std::unique_ptr<Dataset>(std::make_unique<QueryDataset>(
      database, spec, std::move(*sql), std::move(mapped), std::move(*outputs), std::move(*shape)));
}

}  // namespace forebay::source::sqlite
