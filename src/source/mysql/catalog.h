#pragma once

// What information_schema says about a table; asked when a dataset is opened.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "forebay/dataset.h"
#include "source/mysql/pool.h"
#include "source/mysql/types.h"
#include "source/sql_mapping.h"

namespace forebay::source::mysql {

struct Column {
  std::string name;
  Type type;
  bool one_spelling = false;  // no two texts are equal to the database
  bool readable = false;      // the role may SELECT it
  bool has_default = false;
  bool not_null = false;
  bool generated = false;  // the database gives its value, and takes no other
  bool may_update = false;
  bool may_insert = false;
};

struct Table {
  TableName name;      // with its schema, as the catalogue has it
  bool plain = false;  // a table, not a view
  bool own = false;    // of the session's database
  bool may_insert = false;
  bool may_update = false;
  std::vector<Column> columns;

  const Column* column(std::string_view column) const;
};

// `name` in backticks.
std::string quoted(std::string_view name);
std::string quoted(const TableName& name);
// The schema as a statement names it: the session's database where the name has none.
Parameter schema_of(const TableName& name);

// The table, or nothing if there is none of that name that the role can see.
Outcome<std::optional<Table>> find_table(Pool& pool, const TableName& name, const Call& call);

// Whether a unique index over exactly these columns, whole, exists.
Outcome<bool> has_unique_index(Pool& pool, const TableName& table, std::span<const std::string> columns,
                               const Call& call);

// KnownTable::id.
std::string id_of_table(std::string_view schema, std::string_view name);

// Source::known_tables(). A partitioned table is one table. What a view shows is read from its text, which takes
// the right SHOW VIEW.
Outcome<std::vector<KnownTable>> known_tables(Pool& pool, std::span<const TableName> names, const Call& call);

// A text of all that a dataset relies on of these tables: columns, types, rights, indexes, triggers, what a view
// shows, and when the table was made (or truncated). Another text means that something is not what it was.
Outcome<std::string> digest_of(Pool& pool, std::span<const TableName> names, const Call& call);

// For each of the spec's dependencies: what it reads there.
struct Mapped {
  // Dataset::found_by_spelling(), as far as the columns themselves say it.
  bool by_spelling = false;
  // The columns with the places of their fields in the key.
  std::vector<std::pair<std::size_t, Column>> columns;
};
// A dependency on a table or column that isn't there is not by spelling.
Outcome<std::vector<Mapped>> mapped_columns(Pool& pool, const DatasetSpec& spec, const Call& call);

}  // namespace forebay::source::mysql
