#include "source/sqlite/table_rows.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/decimal.h"
#include "source/answer_bound.h"
#include "source/row_write.h"

namespace forebay::source::sqlite {

TableRows::TableRows(Database& database, DatasetSpec spec, std::vector<Column> columns,
                     std::vector<ColumnKind> key_kinds, TableShape shape)
    : database_(database),
      spec_(std::move(spec)),
      columns_(std::move(columns)),
      by_name_(columns_),
      key_kinds_(std::move(key_kinds)),
      sql_(Dialect::kSqlite, std::move(shape)),
      reads_{sql_.read(kListSizes[0]), sql_.read(kListSizes[1]), sql_.read(kListSizes[2]),
             sql_.read(kListSizes[3])} {}

Error TableRows::at(Error error) const {
  error.message += fmt::format(" (table {}, namespace {})", sql_.shape().table.text(), spec_.name);
  return error;
}

Error TableRows::at_source(Error error) const {
  error.message = fmt::format("source {}: {}", database_.name, error.message);
  return at(std::move(error));
}

void TableRows::bind_key(Statement& statement, const KeyFields& key, std::size_t n) const {
  for (std::size_t i = 0; i < key.size(); ++i) {
    bind_raw(statement, static_cast<int>(n * key_count() + i) + 1, key_kinds_[i], key[i]);
  }
}

bool TableRows::has_key(const Statement& row, const KeyFields& key) const {
  return is_key(key, [&](std::size_t i) { return column_text(row, static_cast<int>(i)); });
}

Loaded TableRows::row_value(const Statement& row) const {
  Loaded loaded;
  const int first = static_cast<int>(key_count());
  if (spec_.kind == ValueKind::kJson) {
    RowJson json;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      append_column(json, row, first + static_cast<int>(i), columns_[i].name, columns_[i].kind);
    }
    loaded.value = json.take();
  } else {
    loaded.value = column_text(row, first);
    if (loaded.value && spec_.kind == ValueKind::kCounter)
      loaded.value = without_trailing_zeros(std::move(*loaded.value));
  }
  if (!spec_.version_column.empty()) {
    const int version = first + static_cast<int>(sql_.shape().columns.size());
    if (row.type(version) == SQLITE_INTEGER) {
      loaded.version = static_cast<std::uint64_t>(row.integer(version));
    }
  }
  return loaded;
}

Result<void> TableRows::read(Connection& connection, std::span<const KeyFields> keys,
                             std::vector<Loaded>& out) const {
  const auto size = std::ranges::lower_bound(kListSizes, keys.size());
  auto statement = connection.prepare(reads_[static_cast<std::size_t>(size - kListSizes.begin())]);
  if (!statement) return at(statement.error());
  for (std::size_t n = 0; n < keys.size(); ++n) bind_key(*statement, keys[n], n);
  const std::size_t first = out.size();
  out.resize(first + keys.size());
  std::vector<bool> found(keys.size());
  std::size_t bytes = 0;
  while (true) {
    auto row = statement->step();
    if (!row) return at(row.error());
    if (!*row) return {};
    const auto n = *size == 1 ? 0 : static_cast<std::size_t>(statement->integer(statement->columns() - 1));
    if (!has_key(*statement, keys[n])) continue;
    if (found[n]) {
      return at_source(several_rows());
    }
    found[n] = true;
    out[first + n] = row_value(*statement);
    bytes += out[first + n].value ? out[first + n].value->size() : 0;
    if (bytes > kAnswerBytesMax) return at_source(answer_too_large());
  }
}

Result<void> TableRows::check(Connection& connection) const {
  if (auto read = connection.prepare(reads_.back()); !read)
    return at({ErrorCode::kConfig, read.error().message});
  if (!spec_.writable) return {};
  if (auto insert = connection.prepare(sql_.insert({})); !insert) {
    return at({ErrorCode::kConfig,
               fmt::format("{}: writing needs a table with a primary key or unique index on exactly {}",
                           insert.error().message, fmt::join(sql_.shape().keys, ", "))});
  }
  return {};
}

}  // namespace forebay::source::sqlite
