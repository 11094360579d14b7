#pragma once

// What no two rows of a table share: its unique indexes, those on expressions and on part of the rows included,
// as conditions that find the row which a new one would push out (INSERT OR REPLACE). Pure, apart from reading
// the catalogue.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "source/sqlite/database.h"

namespace forebay::source::sqlite {

struct UniqueKey {
  // True for a row `t` of the table that has what the row NEW has.
  std::string matches_new;
  // Columns that it looks at.
  std::vector<std::string> columns;

  auto operator<=>(const UniqueKey&) const = default;
};
// In an order of their own, which stays as long as the table does.
Result<std::vector<UniqueKey>> unique_keys(Connection& connection, const TableName& table,
                                           const std::vector<CatalogueColumn>& columns);

// The parts of a CREATE INDEX statement, as texts of SQL without ASC or DESC.
struct IndexText {
  std::vector<std::string> terms;
  std::string condition;  // after WHERE; empty: of all rows
};
// Nothing: it is no such statement.
std::optional<IndexText> parse_index(std::string_view sql);

}  // namespace forebay::source::sqlite
