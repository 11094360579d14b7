#pragma once

// From a namespace's configuration to SQL text, for every database alike.
//
// Names come from the configuration and are quoted; values are always bound parameters, so nothing that a
// client sends ever becomes part of a statement. Statements number their parameters explicitly (?1 or $1),
// keys first.
//
// One row, one key: databases find rows by values that are equal without being the same text ('007' = 7,
// collations that ignore case). If each such spelling were a key of its own, a change to the row would
// invalidate only one of them. So every read returns the key columns first, and a row whose key columns, as
// text, are not byte for byte what was asked counts as absent; a write under such a spelling is refused.
//
// Pure functions; thread-safe.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/query.h"
#include "forebay/result.h"

namespace forebay::source {

using config::Dialect;

// `name` in double quotes, with quotes inside doubled. Requires a name without NUL.
std::string quote_identifier(std::string_view name);

// `name` or `schema.name`, unquoted. In the configuration a part may be quoted ("odd.name", with "" for a
// quote), which is how it may contain a dot.
struct TableName {
  std::string schema;  // empty: the database's default
  std::string name;

  // For a statement: each part quoted.
  std::string quoted() const;
  // As an operator writes it, for messages.
  std::string text() const;
};
// kConfig: empty, a part empty or with a NUL, more than two parts, or a quote that isn't closed.
Result<TableName> parse_table_name(std::string_view text);

// A namespace's query with its {field}s replaced by parameters: the n-th of `fields` becomes ?n or $n,
// wherever and however often it stands. String literals, quoted identifiers, comments and PostgreSQL's dollar
// quotes are copied as they are, so braces in them are text. kConfig: a brace elsewhere that isn't {one of
// fields}, a field that the query never uses, a parameter of the query's own (?, ?1, :name, @name, $1), a
// literal or comment that isn't closed.
// `references`, if given, are what stands in place of the parameters: one expression a field.
Result<std::string> compile_query(std::string_view query, std::span<const std::string> fields,
                                  Dialect dialect, std::span<const std::string> references = {});

// How a column of a row that exists takes its parameter. What a read shows of two different values may be the
// same (SQL's NULL and JSON's null; the string "12" and the number 12, given as text): a write of what was read
// must leave the value as it is.
struct Take {
  enum class How : std::uint8_t {
    kAsItIs,
    kUnlessNull,        // NULL, unless the column holds JSON's null
    kUnlessSameString,  // JSON, given as text, unless the column holds a JSON string that says just that
  };
  How how = How::kAsItIs;
  std::string type{};  // kPostgres: the column's, as a cast takes it
};

// A table as the database's catalogue describes it. Column names are unquoted.
struct TableShape {
  TableName table{};
  std::vector<std::string> keys{};       // key columns, in the key pattern's order; at least one
  std::vector<std::string> key_types{};  // kPostgres: their types' names, as a cast takes them; else empty
  std::vector<std::string> columns{};    // what a read returns after the keys; may repeat key columns
  std::string version_column{};          // optional; raised by one in every insert and update
  bool version_has_default =
      false;  // an insert leaves the version to the column's default; otherwise it is 1
  std::vector<std::string> facts{};  // kPostgres: expressions of which writes return the values as well
};

// The statements of one table. With K keys, parameters 1..K are the key's fields and those after it what each
// one says.
class TableSql {
 public:
  // Requires shape.keys (and for kPostgres as many key_types) to be filled.
  TableSql(Dialect dialect, TableShape shape);

  const TableShape& shape() const { return shape_; }

  // Reads rows by key: columns are the keys, then shape.columns, then the version column if there is one.
  // SQLite: exactly `rows` keys, the fields of the n-th (from 0) being parameters n*K+1…; one not needed is
  // left NULL. With several there is one more column at the end: n. (500 rows of a table of 60,000: 8 to 9.5
  // µs each from a list of parameters, 9.5 to 11 from json_each() of one, 11 to 12 by a prepared lookup each.
  // All three use the index, but JSON cannot carry every key.) PostgreSQL: any number whatever `rows` says,
  // parameter n being the array of the n-th fields: rows come in any order and once each, so match them by
  // their key columns.
  std::string read(std::size_t rows = 1) const;

  // Reads one row by key, with `columns` after the keys, to be written in the same transaction (PostgreSQL:
  // locks it).
  std::string read_for_write(std::span<const std::string> columns) const;

  // Inserts a row with the key and `columns` (parameters K+1…); if there is one by now, updates it as
  // update() does. Columns not named get their defaults. Use it after update() found no row and not instead
  // of it: both databases check NOT NULL before they look for a conflict, so an upsert of some columns would
  // fail on a row that has them all.
  std::string insert(std::span<const std::string> columns) const;
  // The same, but where there is a row by now it does nothing and returns none: for a database where other
  // writers may come in between update() and this, and what they wrote has to be seen before it is changed.
  std::string insert_if_absent(std::span<const std::string> columns) const;
  // The same, but where there is a row the database refuses it.
  std::string insert_or_fail(std::span<const std::string> columns) const;
  // Sets `columns` (parameters K+1…; none: touches the row only) of the row with the key, if there is one.
  // `takes`: one a column, or none.
  std::string update(std::span<const std::string> columns, std::span<const Take> takes = {}) const;
  // Adds parameter K+1 to `column` of the row with the key, if there is one; NULL counts as 0.
  std::string add(std::string_view column) const;
  // The same for a row that is absent: inserts it with parameter K+1 as the column's value, or adds if there
  // is one by now.
  std::string insert_add(std::string_view column) const;
  // Deletes the row with the key.
  std::string remove() const;

  // Reads the row that was just written, as the writes return it.
  std::string read_again() const;

  // All of these end in RETURNING what read() returns for kPostgres, and the values of shape.facts. SQLite's RETURNING shows the row as
  // it was before AFTER triggers ran, so there the row is read again in the transaction.

 private:
  std::string parameter(std::size_t number) const;
  std::string where_key() const;
  std::string read_list(std::span<const std::string> wanted, std::size_t rows) const;
  std::string returned() const;
  std::string returning() const;
  std::string insert_with(std::span<const std::string> columns, std::string_view conflict_action) const;
  std::string assignments(std::span<const std::string> columns, std::span<const Take> takes = {}) const;
  std::string taken(const std::string& column, const std::string& parameter, const Take& take) const;

  Dialect dialect_;
  TableShape shape_;
};

}  // namespace forebay::source
