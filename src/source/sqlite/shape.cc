#include "source/sqlite/shape.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/decimal.h"

namespace forebay::source::sqlite {
namespace {

// Everything that belongs to the tables but the change log's triggers. The page that a table begins at tells it
// from another one of the same form.
Result<std::string> schema_text(Connection& connection, const std::vector<std::string>& tables) {
  std::string text;
  for (const std::string& table : tables) {
    auto statement = connection.prepare(
        "SELECT type, name, rootpage, sql FROM main.sqlite_schema WHERE tbl_name = ?1 COLLATE NOCASE AND NOT "
        "(type = 'trigger' AND name LIKE 'forebay\\_%' ESCAPE '\\') ORDER BY type, name");
    if (!statement) return statement.error();
    statement->bind_text(1, table);
    while (true) {
      auto row = statement->step();
      if (!row) return row.error();
      if (!*row) break;
      text += fmt::format("{} {} {} {}\n", statement->bytes(0), statement->bytes(1), statement->integer(2),
                          statement->bytes(3));
    }
    text += '\n';
  }
  return text;
}

}  // namespace

Result<std::unique_ptr<Shape>> Shape::see(const Lease& lease, std::vector<std::string> tables) {
  // First: what changes from here on is noticed by the next look.
  auto version = lease->ask("PRAGMA schema_version");
  if (!version) return version.error();
  auto text = schema_text(*lease, tables);
  if (!text) return text.error();
  auto columns = columns_of_first(*lease, tables);
  if (!columns) return columns.error();
  std::unique_ptr<Shape> shape(new Shape(std::move(tables), std::move(*text), std::move(*columns)));
  shape->whole_.set(lease, *version);
  shape->readable_.set(lease, *version);
  return shape;
}

Result<bool> Shape::holds(const Lease& lease) const {
  auto version = lease->ask("PRAGMA schema_version");
  if (!version) return version.error();
  if (whole_.is(lease, *version)) return true;
  auto text = schema_text(*lease, tables_);
  if (!text) return text.error();
  if (*text != text_) return false;
  whole_.set(lease, *version);
  return true;
}

Result<Shape::Columns> Shape::columns_of_first(Connection& connection,
                                               const std::vector<std::string>& tables) {
  Columns columns;
  if (tables.empty()) return columns;
  auto statement = connection.prepare("SELECT name, type FROM pragma_table_xinfo(?1, 'main')");
  if (!statement) return statement.error();
  statement->bind_text(1, tables.front());
  while (true) {
    auto row = statement->step();
    if (!row) return row.error();
    if (!*row) return columns;
    columns.emplace(statement->bytes(0), statement->bytes(1));
  }
}

Result<bool> Shape::columns_hold(const Lease& lease) const {
  auto version = lease->ask("PRAGMA schema_version");
  if (!version) return version.error();
  if (readable_.is(lease, *version)) return true;
  auto columns = columns_of_first(*lease, tables_);
  if (!columns) return columns.error();
  for (const auto& [name, declared] : columns_) {
    const auto now = columns->find(name);
    if (now == columns->end() || now->second != declared) return false;
  }
  readable_.set(lease, *version);
  return true;
}

bool found_by_spelling(const std::vector<CatalogueColumn>& table, const TableDependency& dependency) {
  return std::ranges::all_of(dependency.columns, [&](const auto& mapped) {
    const auto column =
        std::ranges::find(table, mapped.first, [](const auto& one) { return one.column.name; });
    if (column == table.end() || column->collation != "BINARY") return false;
    // A column without affinity holds 1 and '1', which are not equal; one of reals is compared with what SQLite
    // makes of a text, which does not always round right.
    const Affinity affinity = column->column.affinity;
    return affinity == Affinity::kText || affinity == Affinity::kInteger || affinity == Affinity::kNumeric;
  });
}

Result<bool> is_spelled(Connection& connection, const Column& column, std::string_view field) {
  if (column.affinity != Affinity::kInteger && column.affinity != Affinity::kNumeric) return true;
  if (canonical_integer_of(field)) return true;
  if (!is_decimal(without_blanks(field))) return true;  // no number to SQLite: compared as it is
  auto statement = connection.prepare("SELECT CAST(?1 AS NUMERIC)");
  if (!statement) return statement.error();
  statement->bind_text(1, field);
  auto row = statement->step();
  if (!row) return row.error();
  return *row && column_text(*statement, 0) == field;
}

}  // namespace forebay::source::sqlite
