#include "feed/postgres/followed.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <utility>

#include "source/postgres/shape.h"
#include "source/postgres/types.h"
#include "source/sql_mapping.h"

namespace forebay::feed::postgres {

using source::postgres::append_array_element;
using source::postgres::Call;
using source::postgres::cell;
using source::postgres::Connection;
using source::postgres::Outcome;
using source::postgres::Pool;
using source::postgres::ResultPtr;
using source::postgres::row_count;

namespace {

constexpr const char* kPublication = R"(
SELECT p.puballtables, p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate, p.pubviaroot
FROM pg_catalog.pg_publication p WHERE p.pubname = $1)";

// Since PostgreSQL 15.
constexpr const char* kPartial = R"(
SELECT true FROM pg_catalog.pg_publication p JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid
WHERE p.pubname = $1 AND (r.prqual IS NOT NULL OR r.prattrs IS NOT NULL) LIMIT 1)";

// From names to what they show, to topmost parents, and down again to all that has rows of them. A view's rule depends
// on what the view shows, itself included.
constexpr const char* kTables = R"(
WITH RECURSIVE shown(place, named, oid) AS (
  SELECT n.place, true, pg_catalog.to_regclass(n.name)::pg_catalog.oid
  FROM pg_catalog.unnest($1::text[]) WITH ORDINALITY AS n(name, place)
  UNION
  SELECT s.place, false, d.refobjid
  FROM shown s
  JOIN pg_catalog.pg_rewrite r ON r.ev_class = s.oid AND r.ev_type = '1'
  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
       AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> s.oid),
top(place, named, root) AS (
  SELECT DISTINCT s.place, s.named,
       (WITH RECURSIVE up(oid, depth) AS (
          SELECT c.oid, 0 UNION ALL
          SELECT i.inhparent, u.depth + 1 FROM up u JOIN pg_catalog.pg_inherits i ON i.inhrelid = u.oid)
        SELECT u.oid FROM up u ORDER BY u.depth DESC, u.oid LIMIT 1)
  FROM shown s JOIN pg_catalog.pg_class c ON c.oid = s.oid WHERE c.relkind <> 'v'),
tree(root, oid) AS (
  SELECT DISTINCT root, root FROM top
  UNION
  SELECT t.root, i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid)
SELECT t.root, t.oid, c.relkind, c.relpersistence, c.relreplident, c.relfilenode,
       pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
       (SELECT pg_catalog.array_to_string(pg_catalog.array_agg(a.attname), E'\x01')
        FROM pg_catalog.pg_index x JOIN pg_catalog.pg_attribute a
             ON a.attrelid = x.indrelid AND a.attnum = ANY(x.indkey)
        WHERE x.indrelid = c.oid
          AND CASE c.relreplident WHEN 'd' THEN x.indisprimary WHEN 'i' THEN x.indisreplident ELSE false END),
       (SELECT pg_catalog.array_to_string(pg_catalog.array_agg(DISTINCT p.place), ',') FROM top p
        WHERE p.root = t.root AND p.named),
       r.relkind, pg_catalog.quote_ident(m.nspname) || '.' || pg_catalog.quote_ident(r.relname),
       {published}
FROM tree t
JOIN pg_catalog.pg_class c ON c.oid = t.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class r ON r.oid = t.root JOIN pg_catalog.pg_namespace m ON m.oid = r.relnamespace
ORDER BY t.root, t.oid)";

constexpr std::string_view kIsPublished =
    "t.oid IN (SELECT g.relid FROM pg_catalog.pg_get_publication_tables($2) g)";

std::uint32_t number(std::string_view digits) {
  std::uint32_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

std::set<std::string> split(std::string_view text, char separator) {
  std::set<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    parts.emplace(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

// Which names there are, so that those that mean nothing are known.
constexpr const char* kMissing = R"(
SELECT n.name FROM pg_catalog.unnest($1::text[]) AS n(name) WHERE pg_catalog.to_regclass(n.name) IS NULL)";

Leaf leaf_of(const ResultPtr& rows, int row) {
  Leaf leaf;
  const std::string_view kind = cell(rows, row, 2);
  const std::string_view identity = cell(rows, row, 4);
  leaf.root = source::postgres::id_of_table(cell(rows, row, 0));
  leaf.name = cell(rows, row, 6);
  leaf.root_name = cell(rows, row, 10);
  leaf.file = cell(rows, row, 5);
  leaf.partitioned_root = cell(rows, row, 9) == "p";
  leaf.has_rows = kind != "p";
  leaf.logged = kind == "p" || (kind == "r" && cell(rows, row, 3) == "p");
  leaf.identity = split(cell(rows, row, 7), '\x01');
  leaf.whole = identity == "f";
  leaf.identified = leaf.whole || !leaf.identity.empty();
  leaf.published = cell(rows, row, 11) == "t";
  return leaf;
}

}  // namespace

Outcome<Followed> look(Pool& pool, std::span<const WatchedTable> tables, const std::string& publication,
                       const Call& call) {
  std::string names = "{";
  for (const WatchedTable& table : tables) {
    const auto parsed = source::parse_table_name(table.name);
    append_array_element(names, {}, parsed ? parsed->quoted() : table.name);
  }
  names += '}';
  Followed followed;
  std::vector<ResultPtr> kept;
  const auto all = pool.read(call, [&](Connection& connection) -> Outcome<ResultPtr> {
    followed = {};
    const OptionalText named[] = {publication};
    auto found = connection.execute(kPublication, named, call);
    if (!found) return found;
    followed.publication.exists = row_count(*found) > 0;
    if (followed.publication.exists) {
      followed.publication.all_tables = cell(*found, 0, 0) == "t";
      followed.publication.all_changes = cell(*found, 0, 1) == "t";
      followed.publication.via_root = cell(*found, 0, 2) == "t";
      if (connection.server_version() >= 150000) {
        auto partial = connection.execute(kPartial, named, call);
        if (!partial) return partial;
        followed.publication.partial = row_count(*partial) > 0;
      }
    }
    std::vector<OptionalText> parameters = {names};
    if (followed.publication.exists) parameters.emplace_back(publication);
    std::string sql = kTables;
    const std::string_view mark = "{published}";
    sql.replace(sql.find(mark), mark.size(), followed.publication.exists ? kIsPublished : "false");
    auto rows = connection.execute(sql, parameters, call);
    if (!rows) return rows;
    for (int row = 0; row < row_count(*rows); ++row) {
      Leaf leaf = leaf_of(*rows, row);
      std::set<std::string>& columns = followed.columns[leaf.root];
      for (const std::string& place : split(cell(*rows, row, 8), ',')) {
        const std::vector<std::string>& wanted = tables[number(place) - 1].columns;
        columns.insert(wanted.begin(), wanted.end());
      }
      followed.leaves.emplace(number(cell(*rows, row, 1)), std::move(leaf));
    }
    const OptionalText only_names[] = {names};
    auto missing = connection.execute(kMissing, only_names, call);
    if (!missing) return missing;
    for (int row = 0; row < row_count(*missing); ++row) followed.missing.emplace_back(cell(*missing, row, 0));
    return missing;
  });
  if (!all) return std::unexpected(all.error());
  return followed;
}

std::set<std::string> replaced(const Followed& before, const Followed& now) {
  std::set<std::string> roots;
  for (const auto& [number, leaf] : before.leaves) {
    const auto found = now.leaves.find(number);
    if (found == now.leaves.end() || found->second.root != leaf.root || found->second.file != leaf.file ||
        found->second.published != leaf.published)
      roots.insert(leaf.root);
  }
  for (const auto& [number, leaf] : now.leaves) {
    if (!before.leaves.contains(number)) roots.insert(leaf.root);
  }
  return roots;
}

std::vector<std::string> to_publish(const Followed& followed) {
  if (followed.publication.all_tables) return {};
  // A table without an identity would take no UPDATE any more once it is published, and a root publishes all its
  // partitions.
  std::set<std::string> spoilt;
  for (const auto& [number, leaf] : followed.leaves) {
    if (leaf.has_rows && leaf.partitioned_root && !(leaf.identified && leaf.logged)) spoilt.insert(leaf.root);
  }
  std::set<std::string> names;
  for (const auto& [number, leaf] : followed.leaves) {
    if (!leaf.has_rows || leaf.published || !leaf.logged || !leaf.identified || spoilt.contains(leaf.root))
      continue;
    names.insert(leaf.partitioned_root ? leaf.root_name : leaf.name);
  }
  return {names.begin(), names.end()};
}

std::vector<std::string> shortcomings(const Followed& followed) {
  std::vector<std::string> all;
  for (const std::string& name : followed.missing) all.push_back(fmt::format("there is no table {}", name));
  for (const auto& [number, leaf] : followed.leaves) {
    if (!leaf.has_rows) continue;
    if (!leaf.logged) {
      all.push_back(
          fmt::format("changes of {} are not in the server's log (it is unlogged, temporary, foreign or a "
                      "materialized view): they are not heard of",
                      leaf.name));
    } else if (!leaf.identified) {
      all.push_back(
          fmt::format("{} has no replica identity, so its changes are not heard of: give it a primary key, "
                      "or ALTER TABLE {} REPLICA IDENTITY FULL",
                      leaf.name, leaf.name));
    } else if (!leaf.published) {
      all.push_back(fmt::format("{} is not in the publication, so its changes are not heard of", leaf.name));
    }
    if (!leaf.logged || !leaf.identified || leaf.whole) continue;
    std::vector<std::string> uncovered;
    for (const std::string& column : followed.columns.at(leaf.root)) {
      if (!leaf.identity.contains(column)) uncovered.push_back(column);
    }
    if (uncovered.empty()) continue;
    all.push_back(
        fmt::format("an UPDATE or DELETE in {} does not tell the old {}, so that it drops all of the "
                    "namespaces that look for it: ALTER TABLE {} REPLICA IDENTITY FULL mends that",
                    leaf.name, fmt::join(uncovered, ", "), leaf.name));
  }
  return all;
}

}  // namespace forebay::feed::postgres
