#pragma once

// Cheap looks at the catalogue: which table a name means, and whether tables are still what they were.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "forebay/source.h"
#include "source/postgres/catalog.h"
#include "source/postgres/pool.h"
#include "source/sql_mapping.h"

namespace forebay::source::postgres {

// Source::known_tables(). A partition, or another child by inheritance, is the same table as its topmost
// parent, as a row of the one is a row of the other.
Outcome<std::vector<KnownTable>> known_tables(Pool& pool, std::span<const TableName> names, const Call& call);

// KnownTable::id of a topmost parent, given its number: no name of a table that could be meant.
std::string id_of_table(std::string_view oid);

// A digest of all that a dataset relies on of these tables: columns, types, rights, indexes, triggers, what a
// view shows, and that no statement has put all rows in other ones' place. Another digest means that something is not what it was. One round trip.
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

// Whether a field of this type and a column that it is compared with have one text for each value, and the
// same one.
bool same_spelling(const Type& field, const Column& column);

}  // namespace forebay::source::postgres
