#include "source/sqlite/change_triggers.h"

#include <fmt/format.h>

#include <algorithm>

#include "source/sqlite/changes.h"

namespace forebay::source::sqlite {
namespace {

// Columns that no two rows share, with the collation they are compared under.
using UniqueColumns = std::vector<std::pair<std::string, std::string>>;

std::string literal(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += '\'';
    out += c;
  }
  return out + "'";
}

// An expression for the image of the row that `row` names: NEW, OLD or a table's alias.
std::string image_of(const std::vector<CatalogueColumn>& columns, std::string_view row) {
  std::string out;
  for (const CatalogueColumn& column : columns) {
    const std::string quoted = quote_identifier(column.column.name);
    const std::string value = fmt::format("{}.{}", row, quoted);
    // quote() would cut text at a NUL; as a blob it keeps all its bytes, and images don't tell the two apart.
    out += fmt::format(
        "{}{} || CASE WHEN typeof({value}) IN ('text', 'blob') AND length(CAST({value} AS BLOB)) > {} THEN "
        "'?' WHEN "
        "typeof({value}) = 'text' AND instr({value}, char(0)) > 0 THEN quote(CAST({value} AS BLOB)) ELSE "
        "quote({value}) END",
        out.empty() ? "" : " || ", literal((out.empty() ? "" : ",") + quoted + "="), kImageValueMax,
        fmt::arg("value", value));
  }
  return out;
}

Result<std::vector<UniqueColumns>> unique_columns(Connection& connection, const TableName& table,
                                                  const std::vector<CatalogueColumn>& columns) {
  std::vector<UniqueColumns> all;
  bool primary_key = false;
  std::vector<std::string> names;
  {
    auto statement = connection.prepare(
        "SELECT name, origin FROM pragma_index_list(?1, 'main') WHERE \"unique\" = 1 AND partial = 0");
    if (!statement) return statement.error();
    statement->bind_text(1, table.name);
    while (true) {
      auto row = statement->step();
      if (!row) return row.error();
      if (!*row) break;
      names.emplace_back(statement->bytes(0));
      primary_key = primary_key || statement->bytes(1) == "pk";
    }
  }
  for (const std::string& name : names) {
    auto statement = connection.prepare(
        "SELECT name, coll FROM pragma_index_xinfo(?1, 'main') WHERE \"key\" = 1 ORDER BY seqno");
    if (!statement) return statement.error();
    statement->bind_text(1, name);
    UniqueColumns unique;
    bool expression = false;
    while (true) {
      auto row = statement->step();
      if (!row) return row.error();
      if (!*row) break;
      expression = expression || statement->type(0) == SQLITE_NULL;
      unique.emplace_back(statement->bytes(0), statement->bytes(1));
    }
    if (!expression) all.push_back(std::move(unique));
  }
  // INTEGER PRIMARY KEY is the rowid itself and has no index.
  if (!primary_key) {
    for (const CatalogueColumn& column : columns) {
      if (column.primary_key > 0) all.push_back({{column.column.name, "BINARY"}});
    }
  }
  std::ranges::sort(all);  // the catalogue's order may change with no change of the table
  return all;
}

std::string matches_new(const UniqueColumns& unique) {
  std::string out;
  for (const auto& [column, collation] : unique) {
    const std::string name = quote_identifier(column);
    out += fmt::format("{}t.{} = NEW.{} COLLATE {}", out.empty() ? "(" : " AND ", name, name,
                       quote_identifier(collation));
  }
  return out + ")";
}

Result<bool> has_rowid(Connection& connection, const TableName& table) {
  auto statement =
      connection.prepare("SELECT wr FROM pragma_table_list(?1) WHERE schema = 'main' AND type = 'table'");
  if (!statement) return statement.error();
  statement->bind_text(1, table.name);
  auto row = statement->step();
  if (!row) return row.error();
  if (!*row)
    return Error{ErrorCode::kConfig, fmt::format("{} is no table of the database file", table.text())};
  return statement->integer(0) == 0;
}

}  // namespace

std::string change_table_sql() {
  return fmt::format(
      "CREATE TABLE IF NOT EXISTS main.{}(id INTEGER PRIMARY KEY AUTOINCREMENT, tbl TEXT NOT NULL, op TEXT "
      "NOT NULL, "
      "\"before\" TEXT, \"after\" TEXT, at INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS "
      "INTEGER)))",
      kChangeTable);
}

Result<std::vector<Trigger>> change_triggers(Connection& connection, const TableName& table) {
  if (!table.schema.empty() && table.schema != "main") {
    return Error{ErrorCode::kConfig, fmt::format("{} is no table of the database file", table.text())};
  }
  auto rowid = has_rowid(connection, table);
  if (!rowid) return rowid.error();
  auto columns = columns_of(connection, {"main", table.name});
  if (!columns) return columns.error();
  auto unique = unique_columns(connection, table, *columns);
  if (!unique) return unique.error();

  const std::string on = quote_identifier(table.name);
  std::vector<Trigger> triggers;
  const auto add = [&](std::string_view event, std::string_view when, std::string_view body) {
    Trigger trigger;
    trigger.name = fmt::format("forebay_{}_{}", event, table.name);
    trigger.sql =
        fmt::format("CREATE TRIGGER {} {} ON {} BEGIN INSERT INTO {}(tbl, op, \"before\", \"after\") {}; END",
                    quote_identifier(trigger.name), when, on, kChangeTable, body);
    triggers.push_back(std::move(trigger));
  };
  const std::string name = literal(table.name);
  const std::string old_image = image_of(*columns, "OLD");
  const std::string new_image = image_of(*columns, "NEW");
  add("insert", "AFTER INSERT", fmt::format("VALUES ({}, 'insert', NULL, {})", name, new_image));
  add("update", "AFTER UPDATE", fmt::format("VALUES ({}, 'update', {}, {})", name, old_image, new_image));
  add("delete", "AFTER DELETE", fmt::format("VALUES ({}, 'delete', {}, NULL)", name, old_image));
  if (unique->empty()) return triggers;

  std::string pushed_out;
  std::vector<std::string> involved;
  for (const UniqueColumns& one : *unique) {
    pushed_out += (pushed_out.empty() ? "" : " OR ") + matches_new(one);
    for (const auto& [column, collation] : one) {
      if (std::ranges::find(involved, column) == involved.end()) involved.push_back(column);
    }
  }
  std::string other_row;
  std::string of;
  for (const std::string& column : involved) of += (of.empty() ? "" : ", ") + quote_identifier(column);
  if (*rowid) {
    other_row = "t.rowid <> OLD.rowid";
  } else {
    for (const CatalogueColumn& column : *columns) {
      if (column.primary_key == 0) continue;
      const std::string quoted = quote_identifier(column.column.name);
      other_row += fmt::format("{}t.{} IS NOT OLD.{}", other_row.empty() ? "" : " OR ", quoted, quoted);
    }
  }
  const std::string select = fmt::format("SELECT {}, 'replace', {}, NULL FROM {} AS t WHERE ({})", name,
                                         image_of(*columns, "t"), on, pushed_out);
  add("insert_replace", "BEFORE INSERT", select);
  add("update_replace", fmt::format("BEFORE UPDATE OF {}", of),
      fmt::format("{} AND ({})", select, other_row));
  return triggers;
}

}  // namespace forebay::source::sqlite
