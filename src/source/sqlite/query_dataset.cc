#include "source/sqlite/query_dataset.h"

#include <fmt/format.h>

#include <set>
#include <utility>

namespace forebay::source::sqlite {
namespace {

class QueryDataset final : public Dataset {
 public:
  QueryDataset(Database& database, DatasetSpec spec, std::string sql)
      : database_(database), spec_(std::move(spec)), sql_(std::move(sql)) {}

  Result<std::vector<Loaded>> load(std::span<const KeyFields> keys, const CallContext& context) override;
  // Nothing is saved by running several keys' queries on one connection, and other connections could run them
  // meanwhile.
  bool batches() const override { return false; }

 private:
  Error at(Error error) const {
    error.message += fmt::format(" (the query of namespace {})", spec_.name);
    return error;
  }
  Error refused(std::string_view why) const {
    return at({ErrorCode::kRefused, fmt::format("source {}: {}", database_.name, why)});
  }
  Result<std::optional<std::string>> answer(Statement& statement, const KeyFields& key) const;
  Result<std::optional<std::string>> one_value(Statement& statement) const;
  static void append_row(std::string& json, const Statement& row);

  Database& database_;
  const DatasetSpec spec_;
  const std::string sql_;
};

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
    if (json.size() > kAnswerBytesMax) return refused("the query found more than 64 MiB for one key");
  }
  if (rows == 0 || (rows == 1 && null)) return std::optional<std::string>();
  if (rows > 1) json += ']';
  return std::optional<std::string>(std::move(json));
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
    for (const KeyFields& key : keys) {
      if (key.size() != spec_.key_fields.size()) {
        return at({ErrorCode::kInternal,
                   fmt::format("a key of {} fields instead of {}", key.size(), spec_.key_fields.size())});
      }
      auto value = answer(*statement, key);
      if (!value) return value.error();
      all.push_back({std::move(*value), 0, *proof});
    }
  }
  if (auto done = snapshot->commit(); !done) return at(done.error());
  return all;
}

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using OwnedStatement = std::unique_ptr<sqlite3_stmt, Finalize>;

// What is wrong with the query, if anything, in words that follow "the query …".
Result<void> check(Connection& connection, const std::string& sql, const DatasetSpec& spec) {
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
  return {};
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
  if (auto right = check(**lease, *sql, spec); !right) return wrong(right.error().message);
  return std::unique_ptr<Dataset>(std::make_unique<QueryDataset>(database, spec, std::move(*sql)));
}

}  // namespace forebay::source::sqlite
