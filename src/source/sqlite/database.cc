#include "source/sqlite/database.h"

#include <fmt/format.h>

#include <algorithm>

namespace forebay::source::sqlite {

Result<std::uint64_t> evidence(const Database& database, Connection& connection) {
  if (!database.watched) return std::uint64_t{0};
  // Not max(id): that would go back when the log is trimmed.
  static const std::string sql =
      fmt::format("SELECT seq FROM sqlite_sequence WHERE name = '{}'", kChangeTable);
  auto last = connection.ask(sql);
  if (!last) return last.error();
  return static_cast<std::uint64_t>(*last);
}

Result<std::string> name_in_schema(Connection& connection, const TableName& table) {
  auto statement = connection.prepare(
      "SELECT name FROM main.sqlite_schema WHERE type IN ('table', 'view') AND name = ?1 COLLATE NOCASE");
  if (!statement) return statement.error();
  statement->bind_text(1, table.name);
  auto row = statement->step();
  if (!row) return row.error();
  return *row ? std::string(statement->bytes(0)) : table.name;
}

Result<std::vector<CatalogueColumn>> columns_of(Connection& connection, const TableName& table) {
  auto statement = connection.prepare(
      "SELECT name, type, pk, hidden, dflt_value IS NOT NULL, "
      "(SELECT strict FROM pragma_table_list(?1) AS l WHERE l.schema = ?2 COLLATE NOCASE), \"notnull\" "
      "FROM pragma_table_xinfo(?1, ?2)");
  if (!statement) return statement.error();
  statement->bind_text(1, table.name);
  statement->bind_text(2, table.schema.empty() ? std::string_view("main") : std::string_view(table.schema));
  std::vector<CatalogueColumn> columns;
  while (true) {
    auto row = statement->step();
    if (!row) return row.error();
    if (!*row) break;
    constexpr std::int64_t kHiddenOfVirtualTable = 1;
    const std::int64_t hidden = statement->integer(3);  // 2 and 3: generated columns
    if (hidden == kHiddenOfVirtualTable) continue;
    CatalogueColumn column;
    column.column.name = std::string(statement->bytes(0));
    column.column.kind = kind_of(statement->bytes(1));
    column.column.writable = hidden == 0;
    column.column.not_null = statement->integer(6) != 0;
    column.primary_key = static_cast<int>(statement->integer(2));
    const bool strict = statement->integer(5) != 0;
    column.column.affinity = affinity_of(statement->bytes(1), strict);
    column.column.fraction = is_fraction_type(statement->bytes(1));
    if (strict) column.column.takes = strict_column_takes(statement->bytes(1));
    column.has_default = statement->integer(4) != 0;
    column.integer_type = is_integer_type(statement->bytes(1));
    const char* collation = nullptr;
    const std::string schema = table.schema.empty() ? "main" : table.schema;
    if (sqlite3_table_column_metadata(connection.handle(), schema.c_str(), table.name.c_str(),
                                      column.column.name.c_str(), nullptr, &collation, nullptr, nullptr,
                                      nullptr) == SQLITE_OK &&
        collation != nullptr)
      column.collation = collation;
    columns.push_back(std::move(column));
  }
  // INTEGER PRIMARY KEY is the row's number, except in forms that have an index for it.
  const auto keyed = [](const CatalogueColumn& column) { return column.primary_key != 0; };
  const auto key = std::ranges::find_if(columns, keyed);
  if (std::ranges::count_if(columns, keyed) != 1 || !key->integer_type) return columns;
  auto indexed = connection.prepare("SELECT count(*) FROM pragma_index_list(?1, ?2) WHERE origin = 'pk'");
  if (!indexed) return indexed.error();
  indexed->bind_text(1, table.name);
  indexed->bind_text(2, table.schema.empty() ? std::string_view("main") : std::string_view(table.schema));
  auto row = indexed->step();
  if (!row) return row.error();
  if (*row && indexed->integer(0) == 0) key->column.takes = ColumnTakes::kRowId;
  return columns;
}

}  // namespace forebay::source::sqlite
