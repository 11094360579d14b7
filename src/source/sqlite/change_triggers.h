#pragma once

// The SQL of the change log's triggers, from a table's catalogue entry. Pure, apart from reading the
// catalogue.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "source/sqlite/database.h"

namespace forebay::source::sqlite {

// Makes the log table if there is none, and gives one of an earlier version what it lacks.
Result<void> make_change_table(Connection& connection);

struct Trigger {
  std::string name;
  std::string sql;  // the text that sqlite_schema keeps of it, character for character
};
// A table of which changes are logged.
struct LoggedTable {
  TableName table;
  // Columns that images have; nothing: all. A trigger names no column that it need not, as one that it names
  // can't be dropped.
  std::optional<std::vector<std::string>> columns;
};

// Which images the log needs to be of.
enum class Images {
  kExactly,  // of these columns
  kAtLeast,  // of these and of those that another process has seen to
};
// The triggers that the table should have. kConfig: there is no such table, or it is a view or a virtual table.
Result<std::vector<Trigger>> change_triggers(Connection& connection, const LoggedTable& logged,
                                             Images images);

}  // namespace forebay::source::sqlite
