#pragma once

// What PostgreSQL's catalogue says about a table and about types; asked when a dataset is opened.

#include <libpq-fe.h>

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "source/postgres/pool.h"
#include "source/postgres/types.h"
#include "source/sql_mapping.h"

namespace forebay::source::postgres {

using Types = std::map<Oid, Type>;

struct Column {
  std::string name;
  Type type;
  bool one_spelling =
      false;              // no two texts are equal to the database (Type::one_spelling, and its collation)
  bool readable = false;  // the role may SELECT it
  bool has_default = false;
  bool not_null = false;
  bool generated = false;   // the database gives its value, and takes no other
  bool may_update = false;  // the role may
  bool may_insert = false;
};

struct Table {
  Oid oid = 0;
  bool plain = false;        // a table (also partitioned or foreign), not a view
  bool in_recovery = false;  // the server is a standby
  bool may_insert = false;   // the role may, in at least one column
  bool may_update = false;
  bool places = false;        // its rows have a ctid that the role may read
  bool row_security = false;  // some rows may be hidden from the role
  std::vector<Column> columns;

  const Column* column(std::string_view name) const;
};

// The table, or nothing if there is none of that name that the role can see.
Outcome<std::optional<Table>> find_table(Pool& pool, const TableName& name, const Call& call);

// Whether a unique index over exactly these columns exists, such that ON CONFLICT can use it.
Outcome<bool> has_unique_index(Pool& pool, Oid table, std::span<const std::string> columns, const Call& call);

// Looks types up by number; one that isn't there stays out.
Outcome<Types> find_types(Pool& pool, std::span<const Oid> oids, const Call& call);

}  // namespace forebay::source::postgres
