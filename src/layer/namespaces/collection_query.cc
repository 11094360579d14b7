#include "layer/namespaces/collection_query.h"

#include <fmt/format.h>

#include "source/sql_mapping.h"

namespace forebay::layer {

// A member without a name or without a score is none: ZSCORE does not know it either.
Result<std::string> collection_query(const config::Namespace& space, config::Dialect dialect) {
  // What its group_concat() makes is cut off at a length that the server sets, without an error.
  if (dialect == config::Dialect::kMysql)
    return Error{ErrorCode::kUnsupported, "a MySQL source can't be read as a set"};
  auto table = source::parse_table_name(space.table);
  if (!table) return std::move(table).error();
  const bool sqlite = dialect == config::Dialect::kSqlite;
  const std::string member = source::quote_identifier(space.member_column);
  const bool scores = space.collection == config::CollectionType::kSortedSet;
  const std::string value = source::quote_identifier(space.value_column);
  std::string found = fmt::format("{} IS NOT NULL", member);
  if (scores) found += fmt::format(" AND {} IS NOT NULL", value);
  for (const std::string& field : space.key.fields) {
    const std::string column = source::quote_identifier(field);
    // The first finds rows by an index, the second keeps out those that are only equal to the key's text (one row,
    // one key: source/sql_mapping.h).
    found += fmt::format(" AND {0} = {{{1}}} AND CAST({0} AS {2}) = CAST({{{1}}} AS {2}){3}", column, field,
                         sqlite ? "TEXT" : "text", sqlite ? " COLLATE BINARY" : " COLLATE \"C\"");
  }
  std::string columns = fmt::format("CAST({} AS {}) AS m", member, sqlite ? "TEXT" : "text");
  // All digits of a score: SQLite's own text of a number with a fraction has 15 of them.
  if (scores)
    columns +=
        fmt::format(fmt::runtime(sqlite ? ", printf('%!.17g', {}) AS s" : ", CAST({} AS text) AS s"), value);
  const std::string length = sqlite ? "length(CAST(m AS BLOB))" : "octet_length(convert_to(m, 'UTF8'))";
  return fmt::format("SELECT {}({} || ':' || m{}, '') FROM (SELECT {}{} FROM {} WHERE {} LIMIT {}) AS board",
                     sqlite ? "group_concat" : "string_agg", length, scores ? " || s || ' '" : "",
                     scores ? "" : "DISTINCT ", columns, table->quoted(), found, space.max_members + 1);
}

}  // namespace forebay::layer
