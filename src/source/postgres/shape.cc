#include "source/postgres/shape.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace forebay::source::postgres {
namespace {

// A view's rule depends on what the view shows, itself included.
constexpr const char* kKnown = R"(
WITH RECURSIVE shown(place, named, oid) AS (
  SELECT n.place, true, pg_catalog.to_regclass(n.name)::pg_catalog.oid
  FROM pg_catalog.unnest($1::text[]) WITH ORDINALITY AS n(name, place)
  UNION
  SELECT s.place, false, d.refobjid
  FROM shown s
  JOIN pg_catalog.pg_rewrite r ON r.ev_class = s.oid AND r.ev_type = '1'
  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
       AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> s.oid)
SELECT DISTINCT s.place, s.named,
       (WITH RECURSIVE up(oid, depth) AS (
          SELECT c.oid, 0 UNION ALL
          SELECT i.inhparent, u.depth + 1 FROM up u JOIN pg_catalog.pg_inherits i ON i.inhrelid = u.oid)
        SELECT u.oid FROM up u ORDER BY u.depth DESC, u.oid LIMIT 1)
FROM shown s JOIN pg_catalog.pg_class c ON c.oid = s.oid
WHERE s.named OR c.relkind IN ('r', 'p', 'f') ORDER BY 1, 2, 3)";

// A table that was truncated or written anew (ALTER COLUMN … USING) has another file. Indexes of partitions and
// children are their own business; triggers of theirs run for rows of the table.
constexpr const char* kDigest = R"(
SELECT pg_catalog.md5(pg_catalog.concat_ws(E'\n', VARIADIC pg_catalog.array_agg(pg_catalog.concat_ws('|',
  n.place, c.oid, c.relfilenode, c.relkind, c.relacl, c.relrowsecurity,
  (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(',', a.attnum, a.attname, a.atttypid, a.atttypmod,
            a.attnotnull, a.atthasdef, a.attgenerated, a.attidentity, a.attcollation, a.attacl), ';' ORDER BY a.attnum)
   FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(',', i.indexrelid, i.indisunique, i.indisvalid,
            i.indimmediate, i.indkey::text), ';' ORDER BY i.indexrelid)
   FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid),
  (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(',', g.oid, g.tgname, g.tgtype, g.tgenabled, g.tgfoid,
            g.tgdeferrable, g.tginitdeferred, g.tgqual), ';' ORDER BY g.oid)
   FROM pg_catalog.pg_trigger g
   WHERE g.tgrelid = c.oid
      OR g.tgrelid IN (WITH RECURSIVE down(oid) AS (
           SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid
           UNION SELECT i.inhrelid FROM down d JOIN pg_catalog.pg_inherits i ON i.inhparent = d.oid)
         SELECT oid FROM down)),
  (SELECT pg_catalog.string_agg(r.ev_action::text, ';' ORDER BY r.oid)
   FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid)) ORDER BY n.place)))
FROM pg_catalog.unnest($1::text[]) WITH ORDINALITY AS n(name, place)
LEFT JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(n.name))";

Outcome<ResultPtr> ask(Pool& pool, const char* sql, std::span<const TableName> names, const Call& call) {
  std::string list = "{";
  for (const TableName& name : names) append_array_element(list, Type{}, name.quoted());
  list += '}';
  const OptionalText parameters[] = {std::move(list)};
  return pool.read(call, [&](Connection& connection) { return connection.execute(sql, parameters, call); });
}

}  // namespace

std::string id_of_table(std::string_view oid) {
  return "#" + std::string(oid);
}

Outcome<std::vector<KnownTable>> known_tables(Pool& pool, std::span<const TableName> names,
                                              const Call& call) {
  std::vector<KnownTable> known(names.size());
  auto rows = ask(pool, kKnown, names, call);
  if (!rows) return std::unexpected(rows.error());
  for (int row = 0; row < row_count(*rows); ++row) {
    const std::string_view digits = cell(*rows, row, 0);
    std::size_t place = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), place);
    KnownTable& table = known[place - 1];
    std::string id = id_of_table(cell(*rows, row, 2));
    if (cell(*rows, row, 1) == "t") {
      table.id = std::move(id);
    } else {
      table.shows.push_back(std::move(id));
    }
  }
  return known;
}

Outcome<std::string> digest_of(Pool& pool, std::span<const TableName> names, const Call& call) {
  auto rows = ask(pool, kDigest, names, call);
  if (!rows) return std::unexpected(rows.error());
  return std::string(cell(*rows, 0, 0));
}

Outcome<std::vector<Mapped>> mapped_columns(Pool& pool, const DatasetSpec& spec, const Call& call) {
  std::vector<Mapped> all;
  for (const TableDependency& dependency : spec.depends_on) {
    Mapped& mapped = all.emplace_back();
    const auto name = parse_table_name(dependency.table);
    if (!name) continue;
    auto table = find_table(pool, *name, call);
    if (!table) return std::unexpected(table.error());
    mapped.by_spelling = table->has_value();
    for (const auto& [column, field] : dependency.columns) {
      const Column* found = *table ? (**table).column(column) : nullptr;
      const auto place = std::ranges::find(spec.key_fields, field) - spec.key_fields.begin();
      if (found == nullptr) {
        mapped.by_spelling = false;
      } else {
        mapped.columns.emplace_back(static_cast<std::size_t>(place), *found);
      }
    }
  }
  return all;
}

bool same_spelling(const Type& field, const Column& column) {
  if (!column.one_spelling || !field.one_spelling) return false;
  const Type& type = column.type;
  if (field.cast == type.cast) return true;
  // Comparing these with each other changes neither.
  if (field.shape == Shape::kInteger && type.shape == Shape::kInteger) return true;
  const auto is_text = [](const Type& one) {
    return one.cast == "text" || one.cast == "character varying" || one.cast == "name";
  };
  // A query that is given a text compares it with the column's value in some form of its own. What may be a
  // key is left to have one form only (may_be_plain_text()).
  const bool checked =
      type.shape == Shape::kInteger || type.shape == Shape::kBoolean || type.shape == Shape::kUuid;
  return is_text(field) && (is_text(type) || checked);
}

}  // namespace forebay::source::postgres
