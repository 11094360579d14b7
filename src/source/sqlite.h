#pragma once

// SQLite as a source: one database file, `pool` read connections and one for writing.
//
// Table mode reads rows by key and gives each as a JSON object of all the table's columns in their order:
// integers and reals digit for digit (shortest form that reads back as the same number; infinities as
// strings), text as strings (a column declared JSON is spliced in where it holds JSON), blobs as base64, NULL
// as null. A `text` or `counter` namespace gives its value column as it is; NULL there counts as absent.
// Query mode: no row is absent. One row of one column is that value: NULL absent, JSON text as it is, other
// text as a JSON string, numbers and blobs as above. One row of several columns is an object (an expression's
// text that is a JSON object or array is spliced in); several rows are an array of what each alone would be
// (NULL as null). So a query that may find one row or several should say json_group_array() itself, or its
// shape depends on the data. A `text` or `counter` query must have one column and find at most one row. A
// {field} of the key is text. Compared with a column it takes the column's affinity, so {id} finds the 7 of
// an INTEGER column; compared with an expression it needs CAST({id} AS INTEGER). Other spellings of an equal
// value (007) are absent where depends_on says which column the field is held against.
//
// Writing: text goes into a column under SQLite's affinity rules ("12" becomes a number in an INTEGER
// column); a column declared BLOB takes base64, one declared BOOL… takes true and false as 1 and 0. A row's
// key columns may be among the fields if they say what the key says. The version column is Forebay's: a value
// given for it is ignored.
//
// Timeouts are kept by the busy handler while others hold the database's write lock, and by a progress
// handler while a statement runs; cancellation interrupts it. A busy database or one whose file can't be read
// is kTimeout or kUnavailable, a broken constraint kRefused with SQLite's text.
//
// Change log (changes = true): see sqlite/changes.h.
//
// Thread-safe. Blocks; waits for a free connection count into a call's timeout.

#include <memory>

#include "config/model.h"
#include "forebay/source.h"

namespace forebay::source {

// kConfig: no path. The file is opened on first use and must exist: Forebay never creates a database.
Result<std::shared_ptr<Source>> open_sqlite(const config::Source& settings);

}  // namespace forebay::source
