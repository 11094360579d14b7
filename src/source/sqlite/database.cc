#include "source/sqlite/database.h"

#include <fmt/format.h>

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

Result<std::vector<CatalogueColumn>> columns_of(Connection& connection, const TableName& table) {
  auto statement = connection.prepare(
      "SELECT name, type, pk, hidden, dflt_value IS NOT NULL FROM pragma_table_xinfo(?1, ?2)");
  if (!statement) return statement.error();
  statement->bind_text(1, table.name);
  statement->bind_text(2, table.schema.empty() ? std::string_view("main") : std::string_view(table.schema));
  std::vector<CatalogueColumn> columns;
  while (true) {
    auto row = statement->step();
    if (!row) return row.error();
    if (!*row) return columns;
    constexpr std::int64_t kHiddenOfVirtualTable = 1;
    const std::int64_t hidden = statement->integer(3);  // 2 and 3: generated columns
    if (hidden == kHiddenOfVirtualTable) continue;
    CatalogueColumn column;
    column.column.name = std::string(statement->bytes(0));
    column.column.kind = kind_of(statement->bytes(1));
    column.column.writable = hidden == 0;
    column.primary_key = static_cast<int>(statement->integer(2));
    column.has_default = statement->integer(4) != 0;
    columns.push_back(std::move(column));
  }
}

}  // namespace forebay::source::sqlite
