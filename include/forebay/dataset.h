#pragma once

// What one namespace reads and writes at a source: a table or a query.
//
// Calls block. Forebay makes them on threads of its own, from several at once, and never on a thread that
// serves clients. A Dataset never outlives its Source (forebay/source.h, which also says how calls fail).

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "forebay/result.h"

namespace forebay {

// The values of a key pattern's fields, in the pattern's order: for `order:{region}:{id}` and the key
// `order:eu:7`,
// {"eu", "7"}. Bytes as the client sent them: bind them as parameters, never paste them into a statement.
using KeyFields = std::vector<std::string>;

// A text value, or nothing for SQL's NULL.
using OptionalText = std::optional<std::string>;
// Column (or field) names with their values as text.
using Fields = std::vector<std::pair<std::string, OptionalText>>;

enum class ValueKind : std::uint8_t {
  kJson,     // a table's row, or a query's rows, as JSON text
  kText,     // one column's value as it is
  kCounter,  // one column of numbers, raised and lowered by deltas
};

// A table whose rows values are made of (`depends_on`).
struct TableDependency {
  std::string table;
  // Its column -> the key's field that it says; empty: a change of any row concerns all keys
  std::vector<std::pair<std::string, std::string>> columns;
  bool operator==(const TableDependency&) const = default;
};

// Which rows a namespace stands for. Everything here comes from the configuration, never from a client.
struct DatasetSpec {
  std::string name;                     // the namespace, for messages
  std::vector<std::string> key_fields;  // the pattern's fields; in table mode these are columns
  std::string table;                    // table mode: the table, possibly `schema.table`; empty in query mode
  std::string query;                    // query mode: a statement with {field} where a parameter goes
  ValueKind kind = ValueKind::kJson;
  std::string value_column;    // kText and kCounter in table mode: the column that holds the value
  std::string version_column;  // optional: an integer column raised by every writer under the row lock
  // Columns whose values before and after a write the caller needs (Written)
  std::vector<std::string> watch_columns;
  std::vector<TableDependency> depends_on;
  bool writable = false;  // whether write() will be called: then the table needs a matching unique index
};

// One key's outcome of a load.
struct Loaded {
  std::optional<std::string> value;  // nothing: the source has no such row
  std::uint64_t version = 0;         // the version column's value; 0: none
  std::uint64_t evidence = 0;  // highest change number that this value is proved to include; 0: no proof
};

// Cancellation that a caller requests and a call in progress notices. Thread-safe.
class CancelToken {
 public:
  virtual ~CancelToken() = default;
  virtual bool cancelled() const = 0;
  // Runs `action` when cancellation is requested, on the thread that requests it (at once if it already was).
  // The action must be brief and thread-safe. At most one action at a time; an empty one removes it, and once
  // that returns the old action is not running and will not run.
  virtual void on_cancel(std::function<void()> action) = 0;
};

// What every call brings along.
struct CallContext {
  // How long the call may take; also sent to a database that can enforce it
  std::chrono::milliseconds timeout{2000};
  CancelToken* cancel = nullptr;  // optional
};

// A write to one key. Fields not named keep their values where the row exists, and get the column's default
// where not.
struct Upsert {
  Fields fields;  // kJson: columns; kText and kCounter: exactly one, named value_column
  // Where the fields come from a JSON object: for each of them, whether it was a string there. Only a column
  // of a JSON type needs it, as its text alone does not tell "12" from 12. Empty: unknown.
  std::vector<bool> strings = {};
  bool insert = false;  // the row must not exist yet: kRefused if it does
};
// Changes fields of a row that exists; a row that does not is not created unless `create`.
struct Update {
  Fields fields;
  bool create = false;
};
// Adds to a numeric column, in the database, so that other writers' additions are kept. Creates the row if
// absent.
struct Add {
  std::string field;   // column; for kCounter the value_column
  std::string amount;  // decimal text, signed; an integer unless `floating`
  bool floating = false;
};
struct Remove {};
using Write = std::variant<Upsert, Update, Add, Remove>;

// A changed row as a write or a feed saw it: the watched columns, before and after. No fields: no row at that
// time.
struct RowImages {
  Fields before;
  Fields after;
};

// What a write has changed besides its own row: by triggers, rules and cascades of foreign keys.
struct AlsoChanged {
  // Other rows of these tables changed, which ones is not known; named as in a configuration or by their ids
  // (KnownTable), perhaps in more than one way.
  std::vector<std::string> tables;
  bool anything = false;  // nobody knows what else has changed
};

// What a write whose commit was not confirmed is known by.
struct Unconfirmed {
  // For Source::has_ended(). 0: nobody will ever tell what has become of it.
  std::uint64_t transaction = 0;
  std::string why;  // for an operator
};

struct Written {
  Loaded after;          // the value as the source now has it, whole row included; no value: the row is gone
  bool existed = false;  // a row was there before
  RowImages images;      // watch_columns only; empty when there are none
  OptionalText added;    // Add: the column's new value as text
  AlsoChanged also = {};
  // By which the source's feed tells of this write, so that what it left in the cache stays. 0: it has no feed, or
  // does not say.
  std::uint64_t transaction = 0;
  // Set: the write may have happened, may still happen, or will not. The rest is what it is if it does.
  std::optional<Unconfirmed> unconfirmed = {};
};

// How a column's value stands in a row's JSON.
enum class Shown : std::uint8_t {
  kUnknown,
  kString,   // as a JSON string
  kJson,     // as it is: a number, a truth value, an object; what is no JSON by itself (NaN), as a string
  kIgnored,  // not at all: the value given changes nothing (the key's own, the version), or can't be read
};
// Where the text for a column comes from.
enum class Given : std::uint8_t {
  kText,        // a write's field
  kJsonString,  // the same, which Upsert::strings says was a string
  kKey,         // the key, in a row that is new
  kSum,         // what an Add comes to
};

// Whether a dataset stands for what the database has.
enum class Fit {
  kUnknown,  // the source can't say
  kFits,
  kChanged,  // it has to be opened anew
};

class Dataset {
 public:
  virtual ~Dataset() = default;

  // Loads the keys, in any order of work, and returns exactly one Loaded per key in the order asked. One
  // round trip where batches() is true. Either all keys are answered or an Error says why none is.
  virtual Result<std::vector<Loaded>> load(std::span<const KeyFields> keys, const CallContext& context) = 0;

  // Applies one write in one transaction. Requires DatasetSpec::writable. On an Error other than
  // kUnknownOutcome nothing has changed. A commit that was not confirmed is that Error, or Written::unconfirmed
  // where the source can tell later what has become of it.
  virtual Result<Written> write(const KeyFields& key, const Write& write, const CallContext& context);

  // What write() would say against a write before it asked the database: a column that there isn't, a value
  // that its type can't hold. Good means nothing more than that. Does not block, and is quick: it is asked
  // for every write that is acknowledged before it is written (write-behind). Thread-safe.
  virtual Result<void> validate(const KeyFields& key, const Write& write) const;

  // How load() will show a column once a write has given it this text, which becomes the database's own
  // spelling as far as that is sure without asking it. Of a kText or kCounter dataset: the value itself. What
  // the database does not take may be shown anyhow. kUnknown, the default, leaves the text. Does not block,
  // and is quick: it is asked for each column that is read while a write behind of it is pending.
  // Thread-safe.
  virtual Shown shown(std::string_view column, Given given, std::string& text) const;

  // Whether a changed row of DatasetSpec::depends_on[dependency] concerns no other key than the one that its
  // columns make, as text. False where values that are spelled otherwise are equal to the database (collations
  // that ignore case, numbers with any number of zeros) and keys with such spellings are answered: then a
  // change of that table concerns all keys. Does not block. Thread-safe.
  virtual bool found_by_spelling(std::size_t dependency) const;

  // Whether the table or the query is what it was when this was opened: columns, types, rights, indexes,
  // triggers. One look at the database's catalogue. Called about once a second, and when calls fail.
  virtual Result<Fit> fit(const CallContext& context);

  // Whether load() with many keys costs about as much as with one. False: it is called with one key at a
  // time.
  virtual bool batches() const { return true; }
};

}  // namespace forebay
