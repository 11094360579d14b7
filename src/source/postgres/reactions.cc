#include "source/postgres/reactions.h"

#include <fmt/format.h>

#include <charconv>

#include "source/sql_mapping.h"

namespace forebay::source::postgres {
namespace {

// tgenabled: D is disabled. Actions of foreign keys: c, n and d change the rows that refer to this one.
// ev_type 1: the rule of a view.
constexpr const char* kReactions = R"(
WITH RECURSIVE written(id) AS (
  SELECT pg_catalog.unnest($1::pg_catalog.oid[])
  UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN written w ON i.inhparent = w.id)
SELECT EXISTS (SELECT FROM written w JOIN pg_catalog.pg_trigger g ON g.tgrelid = w.id
               LEFT JOIN pg_catalog.pg_constraint c ON g.tgisinternal AND c.oid = g.tgconstraint
               WHERE g.tgenabled <> 'D'
                 AND (NOT g.tgisinternal
                      OR (c.confrelid = g.tgrelid
                          AND (c.confdeltype IN ('c', 'n', 'd') OR c.confupdtype IN ('c', 'n', 'd')))))
       OR EXISTS (SELECT FROM written w JOIN pg_catalog.pg_rewrite r ON r.ev_class = w.id WHERE r.ev_type <> '1'),
       pg_catalog.current_setting('track_counts'))";

constexpr const char* kCounts = R"(
WITH changed(id, changes) AS (
  SELECT COALESCE(pg_catalog.pg_partition_root(c.oid)::pg_catalog.oid, c.oid),
         pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) + pg_catalog.pg_stat_get_xact_tuples_updated(c.oid)
         + pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid)
  FROM pg_catalog.pg_class c WHERE c.relkind = 'r')
SELECT t.oid, n.nspname, t.relname, pg_catalog.pg_table_is_visible(t.oid), s.changes
FROM (SELECT id, pg_catalog.sum(changes) AS changes FROM changed WHERE changes > 0 GROUP BY id) AS s
     JOIN pg_catalog.pg_class t ON t.oid = s.id JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace)";

template <class Number>
Number number(const ResultPtr& rows, int row, int column) {
  Number number = 0;
  const std::string_view text = cell(rows, row, column);
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

std::vector<std::string> facts_of_writes(Oid table, bool places) {
  // txid_current() rather than pg_current_xact_id(), as PostgreSQL 12 has only that. The subquery runs once a
  // statement, with a snapshot that is younger than the statement's lock on the table.
  return {places ? "t.ctid" : "NULL::text", "pg_catalog.txid_current()",
          fmt::format("(SELECT relhastriggers OR relhasrules OR relhassubclass FROM pg_catalog.pg_class "
                      "WHERE oid = {})",
                      table)};
}

Facts facts_in(const ResultPtr& rows) {
  const int last = PQnfields(rows.get()) - 1;
  return {std::string(cell(rows, 0, last - 2)), number<std::uint64_t>(rows, 0, last - 1),
          cell(rows, 0, last) == "t"};
}

Statement ask_reactions(std::span<const Oid> tables) {
  std::string list = "{";
  for (const Oid table : tables) list += (list.size() > 1 ? "," : "") + std::to_string(table);
  return {kReactions, {list + '}'}};
}

Reactions reactions_in(const ResultPtr& rows) {
  return {cell(rows, 0, 0) == "t", cell(rows, 0, 1) == "on"};
}

Statement count_rows() {
  return {kCounts, {}};
}

RowCounts counts_in(const ResultPtr& rows) {
  RowCounts counts;
  for (int row = 0; row < row_count(rows); ++row) {
    RowCount& count = counts[number<Oid>(rows, row, 0)];
    const TableName name{std::string(cell(rows, row, 1)), std::string(cell(rows, row, 2))};
    count.names.push_back(name.text());
    if (cell(rows, row, 3) == "t") count.names.push_back(name.name);
    count.rows = number<std::int64_t>(rows, row, 4);
  }
  return counts;
}

AlsoChanged beyond(const RowCounts& before, const RowCounts& after, const std::map<Oid, std::int64_t>& own) {
  AlsoChanged also;
  for (const auto& [table, count] : after) {
    if (count.names.back().starts_with("forebay_")) continue;  // the ledger's
    const auto known = before.find(table);
    const auto written = own.find(table);
    const std::int64_t expected =
        (known == before.end() ? 0 : known->second.rows) + (written == own.end() ? 0 : written->second);
    if (count.rows > expected) also.tables.insert(also.tables.end(), count.names.begin(), count.names.end());
  }
  return also;
}

Statement run_deferred() {
  return {"SET CONSTRAINTS ALL IMMEDIATE", {}};
}

}  // namespace forebay::source::postgres
