#include "source/postgres/catalog.h"

#include <fmt/format.h>

#include <cstdlib>

namespace forebay::source::postgres {
namespace {

// A domain is looked through to the type below it: its checks are the database's to make, not a cast's.
constexpr const char* kTypes = R"(
WITH RECURSIVE base(asked, oid) AS (
  SELECT t.oid, t.oid FROM pg_catalog.pg_type t WHERE t.oid = ANY($1::pg_catalog.oid[])
  UNION ALL
  SELECT b.asked, t.typbasetype FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.oid WHERE t.typtype = 'd')
SELECT b.asked, t.oid, pg_catalog.format_type(t.oid, -1), t.typarray <> 0, t.typdelim,
       CASE WHEN e.typtype = 'd' THEN e.typbasetype ELSE e.oid END, e.typdelim,
       t.typtype = 'e'
FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.oid
     LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND t.typoutput = 'pg_catalog.array_out'::pg_catalog.regproc
WHERE t.typtype <> 'd')";

constexpr const char* kTable = R"(
SELECT c.oid, c.relkind IN ('r', 'p', 'f'), pg_catalog.pg_is_in_recovery(),
       pg_catalog.has_any_column_privilege(c.oid, 'INSERT'), pg_catalog.has_any_column_privilege(c.oid, 'UPDATE'),
       c.relkind IN ('r', 'p') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'),
       pg_catalog.row_security_active(c.oid)
FROM pg_catalog.pg_class c
WHERE c.oid = pg_catalog.to_regclass($1) AND c.relkind IN ('r', 'p', 'f', 'v', 'm'))";

constexpr const char* kColumns = R"(
SELECT a.attname, a.atttypid, pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT'),
       a.atthasdef OR a.attidentity <> '', a.attgenerated <> '' OR a.attidentity = 'a',
       pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'UPDATE'),
       pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'INSERT'),
       COALESCE((SELECT l.collisdeterministic FROM pg_catalog.pg_collation l WHERE l.oid = a.attcollation), true),
       a.attnotnull
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = $1::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)";

constexpr const char* kUniqueIndex = R"(
SELECT 1 FROM pg_catalog.pg_index i
WHERE i.indrelid = $1::pg_catalog.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
  AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = pg_catalog.cardinality($2::text[])
  AND NOT EXISTS (SELECT FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
                  JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                  WHERE k.place <= i.indnkeyatts AND a.attname::text <> ALL($2::text[])) LIMIT 1)";

bool truth(const ResultPtr& rows, int row, int column) {
  return cell(rows, row, column) == "t";
}
Oid number(const ResultPtr& rows, int row, int column) {
  return static_cast<Oid>(std::strtoul(PQgetvalue(rows.get(), row, column), nullptr, 10));
}

Outcome<ResultPtr> ask(Pool& pool, const char* sql, std::span<const OptionalText> parameters,
                       const Call& call) {
  return pool.read(call, [&](Connection& connection) { return connection.execute(sql, parameters, call); });
}

}  // namespace

const Column* Table::column(std::string_view name) const {
  for (const Column& column : columns) {
    if (column.name == name) return &column;
  }
  return nullptr;
}

Outcome<Types> find_types(Pool& pool, std::span<const Oid> oids, const Call& call) {
  std::string list = "{";
  for (const Oid oid : oids) list += fmt::format("{}{}", list.size() > 1 ? "," : "", oid);
  list += '}';
  const OptionalText parameters[] = {std::move(list)};
  auto rows = ask(pool, kTypes, parameters, call);
  if (!rows) return std::unexpected(rows.error());
  Types types;
  for (int i = 0; i < row_count(*rows); ++i) {
    const bool array = !is_null(*rows, i, 5);
    Type type = built_in_type(number(*rows, i, array ? 5 : 1));
    type.oid = number(*rows, i, 1);
    type.array = array;
    type.cast = cell(*rows, i, 2);
    type.one_spelling = !array && (type.one_spelling || truth(*rows, i, 7));
    type.has_array = truth(*rows, i, 3);
    type.delimiter = cell(*rows, i, array ? 6 : 4).front();
    types.emplace(number(*rows, i, 0), std::move(type));
  }
  return types;
}

Outcome<std::optional<Table>> find_table(Pool& pool, const TableName& name, const Call& call) {
  const OptionalText named[] = {name.quoted()};
  auto found = ask(pool, kTable, named, call);
  if (!found) return std::unexpected(found.error());
  if (row_count(*found) == 0) return std::nullopt;
  Table table;
  table.oid = number(*found, 0, 0);
  table.plain = truth(*found, 0, 1);
  table.in_recovery = truth(*found, 0, 2);
  table.may_insert = truth(*found, 0, 3);
  table.may_update = truth(*found, 0, 4);
  table.places = truth(*found, 0, 5);
  table.row_security = truth(*found, 0, 6);

  const OptionalText numbered[] = {std::to_string(table.oid)};
  auto columns = ask(pool, kColumns, numbered, call);
  if (!columns) return std::unexpected(columns.error());
  std::vector<Oid> oids;
  for (int i = 0; i < row_count(*columns); ++i) oids.push_back(number(*columns, i, 1));
  auto types = find_types(pool, oids, call);
  if (!types) return std::unexpected(types.error());
  for (int i = 0; i < row_count(*columns); ++i) {
    Column column;
    column.name = cell(*columns, i, 0);
    column.type = (*types)[oids[static_cast<std::size_t>(i)]];
    column.one_spelling = column.type.one_spelling && truth(*columns, i, 7);
    column.not_null = truth(*columns, i, 8);
    column.readable = truth(*columns, i, 2);
    column.has_default = truth(*columns, i, 3);
    column.generated = truth(*columns, i, 4);
    column.may_update = truth(*columns, i, 5);
    column.may_insert = truth(*columns, i, 6);
    table.columns.push_back(std::move(column));
  }
  return table;
}

Outcome<bool> has_unique_index(Pool& pool, Oid table, std::span<const std::string> columns,
                               const Call& call) {
  std::string list = "{";
  for (const std::string& column : columns) append_array_element(list, Type{}, column);
  list += '}';
  const OptionalText parameters[] = {std::to_string(table), std::move(list)};
  auto rows = ask(pool, kUniqueIndex, parameters, call);
  if (!rows) return std::unexpected(rows.error());
  return row_count(*rows) > 0;
}

}  // namespace forebay::source::postgres
