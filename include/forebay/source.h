#pragma once

// The seam between Forebay and a system of record: SQLite, PostgreSQL, a function of the program, or one of
// your own.
//
// A Source is one database (or service); a Dataset is what one namespace reads and writes there: a table or a
// query. Calls block. Forebay makes them on threads of its own, at most Source::concurrency() at once per
// source, and never on a thread that serves clients. Datasets are called from several threads at once; a
// Dataset never outlives its Source.
//
// Failure: a call that can't be answered returns an Error. ErrorCode::kRefused is for what the database
// refused for a reason in the data (constraint, type); kUnavailable, kTimeout and kCancelled for what may
// work later; kUnknownOutcome for a write whose commit was not confirmed. An absent row is not an error.
//
// To add a built-in one: a pair of files in src/source, a row in its registry.cc; the contract tests pick it
// up from there.

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

struct Written {
  Loaded after;          // the value as the source now has it, whole row included; no value: the row is gone
  bool existed = false;  // a row was there before
  RowImages images;      // watch_columns only; empty when there are none
  OptionalText added;    // Add: the column's new value as text
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

class Dataset {
 public:
  virtual ~Dataset() = default;

  // Loads the keys, in any order of work, and returns exactly one Loaded per key in the order asked. One
  // round trip where batches() is true. Either all keys are answered or an Error says why none is.
  virtual Result<std::vector<Loaded>> load(std::span<const KeyFields> keys, const CallContext& context) = 0;

  // Applies one write in one transaction. Requires DatasetSpec::writable. On an Error other than
  // kUnknownOutcome nothing has changed.
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

  // Whether load() with many keys costs about as much as with one. False: it is called with one key at a
  // time.
  virtual bool batches() const { return true; }
};

// One change to one row of a table, seen by a feed.
struct RowChange {
  std::string table;
  RowImages images;  // every column of the row that the feed knows
  // Its change number; a Loaded whose evidence is at least this includes it. 0: unknown
  std::uint64_t evidence = 0;
  bool whole_table = false;  // which rows changed is unknown (truncated, log overrun): images are empty
};

// ---- Write-behind: many writes in one transaction, each exactly once.
//
// The ledger is a table in the source's own database that says, per journal and lane, up to which number its
// writes have been applied: `forebay_applied(journal, lane, last_seq)`. Writes that the database refused are
// put aside in `forebay_dead(journal, lane, seq, namespace, key, operation, error, at)` in the transaction
// that passes them over: dead letters.

struct DeadId {
  std::string journal;
  std::uint32_t lane = 0;
  std::uint64_t seq = 0;
  auto operator<=>(const DeadId&) const = default;
};
struct DeadLetter {
  DeadId id;
  std::string space;      // the namespace
  std::string key;        // as the client named it
  std::string operation;  // what was to be written, as the journal has it
  std::string error;      // the database's message
  std::string at;         // when it was put aside, by the database's clock; the database gives it
};

struct BatchWrite {
  Dataset* dataset = nullptr;  // opened by this source in table mode and writable; null without writes
  KeyFields key;
  std::vector<Write> writes;  // of this key, in order: all or none; none: `revives` goes, and that is all
  // The dead letter that these take the place of: it goes in the same transaction. Where it is gone already,
  // they are passed over.
  std::optional<DeadId> revives = {};
};
struct WriteBatch {
  std::string journal;
  std::uint32_t lane = 0;
  std::uint64_t after = 0;  // what the ledger says before
  std::uint64_t upto = 0;   // what it says afterwards; above `after`
  std::vector<BatchWrite> writes;
  std::vector<DeadLetter> dead;  // to put aside; of this journal and lane
};
struct BatchOutcome {
  // Committed: what the last of each BatchWrite's writes left, in order; nothing for one that was passed
  // over. Empty if the ledger said `upto` already: an earlier try, whose answer was lost, had committed.
  std::vector<std::optional<Written>> written;
  // Not empty: nothing was changed, as the database refused these, each for a reason in its data; all that it
  // would refuse if the others were applied, as far as can be told.
  struct Refusal {
    std::size_t write;  // its place in the batch
    Error error;
    bool missing_key = false;  // a foreign key that may be there later (SQLSTATE 23503)
  };
  std::vector<Refusal> refused;
};

class Source {
 public:
  virtual ~Source() = default;

  // Most calls that may run at once (its connections). 1 to 1024, fixed.
  virtual std::size_t concurrency() const = 0;

  // Prepares one namespace: connects, checks that the table, its columns and (if writable) a unique index
  // exist, that the query prepares and returns what the kind needs. Errors name what is missing.
  virtual Result<std::unique_ptr<Dataset>> open_dataset(const DatasetSpec& spec) = 0;

  // Whether the source answers at all; used to probe one that failed. Blocks at most the context's timeout.
  virtual Result<void> ping(const CallContext& context) = 0;

  // Changes made to the watched tables by anyone, since the last call, oldest first; called from one thread,
  // every few tens of milliseconds. Sources without a change log return an empty list.
  virtual Result<std::vector<RowChange>> poll_changes(const CallContext& context);
  // Starts recording changes of these tables (creates what that needs in the database). Called before
  // poll_changes().
  virtual Result<void> watch_tables(std::span<const std::string> tables);

  // Makes the ledger's tables if they are missing, and returns where each lane from 0 stands. kConfig: they
  // are missing and may not be made; the message has the SQL for it. kUnsupported: no write-behind here.
  virtual Result<std::vector<std::uint64_t>> open_ledger(const std::string& journal, std::uint32_t lanes,
                                                         const CallContext& context);
  // Applies a batch in one transaction if the ledger says `after`, and writes `upto` into it in the same
  // transaction, which is durable when this returns. kConflict: the ledger says neither. After any other
  // Error but kUnknownOutcome nothing has changed; after that one, the same batch may be given again, and is
  // applied once. A table, column or right that the database has lost since its dataset was opened is no
  // refusal but kConfig: a person will mend it, and the batch can be given again. Never kRefused.
  virtual Result<BatchOutcome> apply(const WriteBatch& batch, const CallContext& context);

  // Dead letters of all journals, one journal after the other, in each the oldest write first: at most
  // `limit` of those after `after`, which need not be there any more. None where the ledger has not been
  // made. kUnsupported as above.
  virtual Result<std::vector<DeadLetter>> dead_letters(const std::optional<DeadId>& after, std::size_t limit,
                                                       const CallContext& context);
  virtual Result<std::optional<DeadLetter>> dead_letter(const DeadId& id, const CallContext& context);
  // Replaces what is to be written; false: there is no such dead letter (any more).
  virtual Result<bool> edit_dead_letter(const DeadId& id, const std::string& operation,
                                        const CallContext& context);
  virtual Result<bool> drop_dead_letter(const DeadId& id, const CallContext& context);
};

}  // namespace forebay
