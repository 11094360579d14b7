#include "source/sql_mapping.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace forebay::source {
namespace {

Error config_error(std::string message) {
  return {ErrorCode::kConfig, std::move(message)};
}

std::string join_quoted(std::span<const std::string> names) {
  std::string out;
  for (const std::string& name : names) {
    if (!out.empty()) out += ", ";
    out += quote_identifier(name);
  }
  return out;
}

}  // namespace

std::string quote_identifier(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
  return out;
}

std::string TableName::quoted() const {
  return schema.empty() ? quote_identifier(name) : quote_identifier(schema) + "." + quote_identifier(name);
}

std::string TableName::text() const {
  return schema.empty() ? name : schema + "." + name;
}

Result<TableName> parse_table_name(std::string_view text) {
  const auto wrong = [&] {
    return config_error(fmt::format("'{}' is not a table's name: expected name or schema.name", text));
  };
  std::vector<std::string> parts(1);
  std::size_t i = 0;
  while (true) {
    std::string& part = parts.back();
    if (i < text.size() && text[i] == '"') {
      for (++i; i < text.size(); ++i) {
        if (text[i] == '"') {
          if (i + 1 >= text.size() || text[i + 1] != '"') break;
          ++i;
        }
        part += text[i];
      }
      if (i >= text.size()) return wrong();
      ++i;
      if (i < text.size() && text[i] != '.') return wrong();
    } else {
      while (i < text.size() && text[i] != '.' && text[i] != '"') part += text[i++];
      if (i < text.size() && text[i] == '"') return wrong();
    }
    if (part.empty() || part.find('\0') != std::string::npos) return wrong();
    if (i >= text.size()) break;
    ++i;
    parts.emplace_back();
  }
  if (parts.size() > 2) return wrong();
  TableName name;
  if (parts.size() == 2) name.schema = std::move(parts.front());
  name.name = std::move(parts.back());
  return name;
}

Result<std::string> compile_query(std::string_view query, std::span<const std::string> fields,
                                  Dialect dialect, std::span<const std::string> references) {
  std::vector<config::TextMistake> mistakes;
  const config::Query parsed = config::parse_query(query, dialect, mistakes);
  std::vector<bool> used(fields.size(), false);
  std::string out = parsed.texts.front();
  for (std::size_t i = 0; i < parsed.parameters.size(); ++i) {
    const std::string& name = parsed.parameters[i].name;
    const auto found = std::ranges::find(fields, name);
    if (found == fields.end()) {
      std::string list;
      for (const std::string& field : fields)
        list += fmt::format("{}{{{}}}", list.empty() ? "" : ", ", field);
      return config_error(fmt::format("the query uses {{{}}}, which is no field of the key (it has {})", name,
                                      list.empty() ? "none" : list));
    }
    const auto index = static_cast<std::size_t>(found - fields.begin());
    used[index] = true;
    // Blanks keep the parameter apart from a digit or name that touches the brace.
    out += references.empty() ? fmt::format(" {}{} ", dialect == Dialect::kSqlite ? '?' : '$', index + 1)
                              : fmt::format(" {} ", references[index]);
    out += parsed.texts[i + 1];
  }
  if (!mistakes.empty()) {
    return config_error(
        fmt::format("the query has {}, at byte {}", mistakes.front().what, mistakes.front().offset + 1));
  }
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (!used[i])
      return config_error(fmt::format("the query does not use the key's field {{{}}}", fields[i]));
  }
  return out;
}

TableSql::TableSql(Dialect dialect, TableShape shape) : dialect_(dialect), shape_(std::move(shape)) {}

std::string TableSql::parameter(std::size_t number) const {
  return fmt::format("{}{}", dialect_ == Dialect::kSqlite ? '?' : '$', number);
}

std::string TableSql::where_key() const {
  std::string out;
  for (std::size_t i = 0; i < shape_.keys.size(); ++i) {
    out += fmt::format("{}{} = {}", i == 0 ? " WHERE " : " AND ", quote_identifier(shape_.keys[i]),
                       parameter(i + 1));
  }
  return out;
}

std::string TableSql::read(std::size_t rows) const {
  std::vector<std::string> wanted = shape_.keys;
  wanted.insert(wanted.end(), shape_.columns.begin(), shape_.columns.end());
  if (!shape_.version_column.empty()) wanted.push_back(shape_.version_column);

  if (dialect_ == Dialect::kSqlite && rows == 1) {
    return fmt::format("SELECT {} FROM {}{}", join_quoted(wanted), shape_.table.quoted(), where_key());
  }
  if (dialect_ == Dialect::kSqlite) return read_list(wanted, rows);
  if (shape_.keys.size() == 1) {
    return fmt::format("SELECT {} FROM {} WHERE {} = ANY($1::{}[])", join_quoted(wanted),
                       shape_.table.quoted(), quote_identifier(shape_.keys[0]), shape_.key_types[0]);
  }
  std::string arrays;
  std::string names;
  std::string condition;
  for (std::size_t i = 0; i < shape_.keys.size(); ++i) {
    arrays += fmt::format("{}${}::{}[]", i == 0 ? "" : ", ", i + 1, shape_.key_types[i]);
    names += fmt::format("{}k{}", i == 0 ? "" : ", ", i + 1);
    condition += fmt::format("{}t.{} = forebay_keys.k{}", i == 0 ? "" : " AND ",
                             quote_identifier(shape_.keys[i]), i + 1);
  }
  std::string columns;
  for (const std::string& column : wanted) {
    columns += fmt::format("{}t.{}", columns.empty() ? "" : ", ", quote_identifier(column));
  }
  return fmt::format(
      "SELECT {} FROM (SELECT DISTINCT * FROM unnest({}) AS u({})) AS forebay_keys JOIN {} AS t ON {}",
      columns, arrays, names, shape_.table.quoted(), condition);
}

// CROSS JOIN, so that the list is the outer loop and each of its rows one search of the index.
std::string TableSql::read_list(std::span<const std::string> wanted, std::size_t rows) const {
  std::string names;
  std::string condition;
  for (std::size_t i = 0; i < shape_.keys.size(); ++i) {
    names += fmt::format(", k{}", i + 1);
    condition += fmt::format("{}t.{} = forebay_keys.k{}", i == 0 ? "" : " AND ",
                             quote_identifier(shape_.keys[i]), i + 1);
  }
  std::string list;
  for (std::size_t row = 0; row < rows; ++row) {
    list += fmt::format("{}({}", row == 0 ? "" : ", ", row);
    for (std::size_t i = 0; i < shape_.keys.size(); ++i)
      list += ", " + parameter(row * shape_.keys.size() + i + 1);
    list += ')';
  }
  std::string columns;
  for (const std::string& column : wanted) columns += fmt::format("t.{}, ", quote_identifier(column));
  return fmt::format(
      "WITH forebay_keys(n{}) AS (VALUES {}) SELECT {}forebay_keys.n FROM forebay_keys CROSS JOIN {} AS t ON "
      "{}",
      names, list, columns, shape_.table.quoted(), condition);
}

std::string TableSql::read_for_write(std::span<const std::string> columns) const {
  std::vector<std::string> wanted = shape_.keys;
  wanted.insert(wanted.end(), columns.begin(), columns.end());
  return fmt::format("SELECT {} FROM {}{}{}", join_quoted(wanted), shape_.table.quoted(), where_key(),
                     dialect_ == Dialect::kPostgres ? " FOR UPDATE" : "");
}

std::string TableSql::returned() const {
  std::vector<std::string> wanted = shape_.keys;
  wanted.insert(wanted.end(), shape_.columns.begin(), shape_.columns.end());
  if (!shape_.version_column.empty()) wanted.push_back(shape_.version_column);
  // Qualified, since in ON CONFLICT DO UPDATE a bare name could also be EXCLUDED's.
  std::string out;
  for (const std::string& column : wanted) {
    out += fmt::format("{}t.{}", out.empty() ? "" : ", ", quote_identifier(column));
  }
  for (const std::string& fact : shape_.facts) out += ", " + fact;
  return out;
}

// What a column becomes, given a parameter.
std::string TableSql::taken(const std::string& column, const std::string& given, const Take& take) const {
  const std::string present = "t." + quote_identifier(column);
  const bool postgres = dialect_ == Dialect::kPostgres;
  switch (take.how) {
    case Take::How::kAsItIs:
      break;
    case Take::How::kUnlessNull:
      return postgres
                 ? fmt::format(
                       "CASE WHEN pg_catalog.btrim({0}::text, E' \\t\\n\\r') = 'null' THEN {0} ELSE {1} END",
                       present, given)
                 : fmt::format("CASE WHEN trim({0}, char(32, 9, 10, 13)) = 'null' THEN {0} ELSE {1} END",
                               present, given);
    case Take::How::kUnlessSameString:
      // SQLite's functions fail on what is no JSON, so that is asked first.
      return postgres ? fmt::format(
                            "CASE WHEN pg_catalog.json_typeof({0}::pg_catalog.json) = 'string' AND ({0} #>> "
                            "'{{}}') = {1}::text THEN {0} ELSE {1}::text::{2} END",
                            present, given, take.type)
                      : fmt::format(
                            "CASE WHEN CASE WHEN json_valid({0}) THEN json_type({0}) = 'text' AND "
                            "json_extract({0}, '$') = {1} END THEN {0} ELSE {1} END",
                            present, given);
  }
  return given;
}

std::string TableSql::returning() const {
  return dialect_ == Dialect::kSqlite ? std::string() : " RETURNING " + returned();
}

std::string TableSql::read_again() const {
  return fmt::format("SELECT {} FROM {} AS t{}", returned(), shape_.table.quoted(), where_key());
}

// `column = parameter` for each, after the raised version; touches the first key column where there is
// nothing else.
std::string TableSql::assignments(std::span<const std::string> columns, std::span<const Take> takes) const {
  std::string out;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const std::string given = parameter(shape_.keys.size() + 1 + i);
    out += fmt::format("{}{} = {}", out.empty() ? "" : ", ", quote_identifier(columns[i]),
                       i < takes.size() ? taken(columns[i], given, takes[i]) : given);
  }
  if (!shape_.version_column.empty()) {
    const std::string version = quote_identifier(shape_.version_column);
    out += fmt::format("{}{} = coalesce(t.{}, 0) + 1", out.empty() ? "" : ", ", version, version);
  }
  if (out.empty()) {
    const std::string key = quote_identifier(shape_.keys[0]);
    out = fmt::format("{} = t.{}", key, key);
  }
  return out;
}

std::string TableSql::insert_with(std::span<const std::string> columns,
                                  std::string_view conflict_action) const {
  std::vector<std::string> names = shape_.keys;
  names.insert(names.end(), columns.begin(), columns.end());
  std::string values;
  for (std::size_t i = 0; i < names.size(); ++i)
    values += fmt::format("{}{}", i == 0 ? "" : ", ", parameter(i + 1));
  if (!shape_.version_column.empty() && !shape_.version_has_default) {
    names.push_back(shape_.version_column);
    values += ", 1";
  }
  std::string conflict;
  if (!conflict_action.empty())
    conflict = fmt::format(" ON CONFLICT ({}) DO {}", join_quoted(shape_.keys), conflict_action);
  return fmt::format("INSERT INTO {} AS t ({}) VALUES ({}){}{}", shape_.table.quoted(), join_quoted(names),
                     values, conflict, returning());
}

std::string TableSql::insert(std::span<const std::string> columns) const {
  return insert_with(columns, "UPDATE SET " + assignments(columns));
}

std::string TableSql::insert_if_absent(std::span<const std::string> columns) const {
  return insert_with(columns, "NOTHING");
}

std::string TableSql::insert_or_fail(std::span<const std::string> columns) const {
  return insert_with(columns, {});
}

std::string TableSql::update(std::span<const std::string> columns, std::span<const Take> takes) const {
  return fmt::format("UPDATE {} AS t SET {}{}{}", shape_.table.quoted(), assignments(columns, takes),
                     where_key(), returning());
}

std::string TableSql::add(std::string_view column) const {
  const std::string name = quote_identifier(column);
  std::string raised =
      fmt::format("{} = coalesce(t.{}, 0) + {}", name, name, parameter(shape_.keys.size() + 1));
  if (!shape_.version_column.empty()) raised += ", " + assignments({});
  return fmt::format("UPDATE {} AS t SET {}{}{}", shape_.table.quoted(), raised, where_key(), returning());
}

std::string TableSql::insert_add(std::string_view column) const {
  const std::string name = quote_identifier(column);
  std::string raised = fmt::format("{} = coalesce(t.{}, 0) + excluded.{}", name, name, name);
  if (!shape_.version_column.empty()) raised += ", " + assignments({});
  const std::string columns[] = {std::string(column)};
  return insert_with(columns, "UPDATE SET " + raised);
}

std::string TableSql::remove() const {
  return fmt::format("DELETE FROM {} AS t{}{}", shape_.table.quoted(), where_key(), returning());
}

}  // namespace forebay::source
