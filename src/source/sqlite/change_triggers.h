#pragma once

// The SQL of the change log's triggers, from a table's catalogue entry. Pure, apart from reading the
// catalogue.

#include <string>
#include <utility>
#include <vector>

#include "source/sqlite/database.h"

namespace forebay::source::sqlite {

// Makes the log table if there is none.
std::string change_table_sql();

struct Trigger {
  std::string name;
  std::string sql;  // the text that sqlite_schema keeps of it, character for character
};
// The triggers that `table` should have. kConfig: there is no such table, or it is a view or a virtual table.
Result<std::vector<Trigger>> change_triggers(Connection& connection, const TableName& table);

}  // namespace forebay::source::sqlite
