#include "source/sqlite/change_triggers.h"

#include <fmt/format.h>

#include <algorithm>

#include "source/sqlite/changes.h"
#include "source/sqlite/unique_keys.h"

namespace forebay::source::sqlite {
namespace {

std::string literal(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += '\'';
    out += c;
  }
  return out + "'";
}

// An expression for the image of the row that `row` names: NEW, OLD or a table's alias.
std::string image_of(const std::vector<std::string>& columns, std::string_view row) {
  if (columns.empty()) return "''";
  std::string out;
  for (const std::string& column : columns) {
    const std::string quoted = quote_identifier(column);
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

// The columns that the log's images are to have, in the table's order.
Result<std::vector<std::string>> image_columns(Connection& connection, const LoggedTable& logged,
                                               const std::vector<CatalogueColumn>& columns, Images images) {
  std::string present;
  if (logged.columns && images == Images::kAtLeast) {
    auto statement =
        connection.prepare("SELECT sql FROM main.sqlite_schema WHERE type = 'trigger' AND name = ?1");
    if (!statement) return statement.error();
    const std::string name = "forebay_insert_" + logged.table.name;
    statement->bind_text(1, name);
    auto row = statement->step();
    if (!row) return row.error();
    if (*row) present = statement->bytes(0);
  }
  std::vector<std::string> shown;
  for (const CatalogueColumn& column : columns) {
    const std::string& name = column.column.name;
    const bool wanted = !logged.columns || std::ranges::find(*logged.columns, name) != logged.columns->end();
    const auto there = [&] {
      return present.find("quote(NEW." + quote_identifier(name)) != std::string::npos;
    };
    if (wanted || there()) shown.push_back(name);
  }
  return shown;
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

Result<void> make_change_table(Connection& connection) {
  auto made = connection.run_once(fmt::format(
      "CREATE TABLE IF NOT EXISTS main.{}(id INTEGER PRIMARY KEY AUTOINCREMENT, tbl TEXT NOT NULL, op TEXT "
      "NOT NULL, "
      "\"before\" TEXT, \"after\" TEXT, at INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS "
      "INTEGER)), mark INTEGER)",
      kChangeTable));
  if (!made) return made;
  auto marked = connection.ask(
      fmt::format("SELECT count(*) FROM pragma_table_info('{}', 'main') WHERE name = 'mark'", kChangeTable));
  if (!marked) return marked.error();
  if (*marked > 0) return {};
  return connection.run_once(fmt::format("ALTER TABLE main.{} ADD COLUMN mark INTEGER", kChangeTable));
}

Result<std::vector<Trigger>> change_triggers(Connection& connection, const LoggedTable& logged,
                                             Images images) {
  const TableName& table = logged.table;
  if (!table.schema.empty() && table.schema != "main") {
    return Error{ErrorCode::kConfig, fmt::format("{} is no table of the database file", table.text())};
  }
  auto rowid = has_rowid(connection, table);
  if (!rowid) return rowid.error();
  auto columns = columns_of(connection, {"main", table.name});
  if (!columns) return columns.error();
  auto unique = unique_keys(connection, table, *columns);
  if (!unique) return unique.error();
  auto shown = image_columns(connection, logged, *columns, images);
  if (!shown) return shown.error();

  const std::string on = quote_identifier(table.name);
  std::vector<Trigger> triggers;
  const auto add = [&](std::string_view event, std::string_view when, std::string_view body) {
    Trigger trigger;
    trigger.name = fmt::format("forebay_{}_{}", event, table.name);
    trigger.sql = fmt::format(
        "CREATE TRIGGER {} {} ON {} BEGIN INSERT INTO {}(tbl, op, \"before\", \"after\", mark) {}; END",
        quote_identifier(trigger.name), when, on, kChangeTable, body);
    triggers.push_back(std::move(trigger));
  };
  const std::string name = literal(table.name);
  const std::string old_image = image_of(*shown, "OLD");
  const std::string new_image = image_of(*shown, "NEW");
  add("insert", "AFTER INSERT", fmt::format("VALUES ({}, 'insert', NULL, {}, random())", name, new_image));
  add("update", "AFTER UPDATE",
      fmt::format("VALUES ({}, 'update', {}, {}, random())", name, old_image, new_image));
  add("delete", "AFTER DELETE", fmt::format("VALUES ({}, 'delete', {}, NULL, random())", name, old_image));
  if (unique->empty()) return triggers;

  std::string pushed_out;
  std::vector<std::string> involved;
  for (const UniqueKey& one : *unique) {
    pushed_out += fmt::format("{}({})", pushed_out.empty() ? "" : " OR ", one.matches_new);
    for (const std::string& column : one.columns) {
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
  const std::string select = fmt::format("SELECT {}, 'replace', {}, NULL, random() FROM {} AS t WHERE ({})",
                                         name, image_of(*shown, "t"), on, pushed_out);
  add("insert_replace", "BEFORE INSERT", select);
  add("update_replace", fmt::format("BEFORE UPDATE OF {}", of),
      fmt::format("{} AND ({})", select, other_row));
  return triggers;
}

}  // namespace forebay::source::sqlite
