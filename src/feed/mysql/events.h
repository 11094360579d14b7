#pragma once

// The binary log of MySQL and MariaDB, event by event ("MySQL Internals: Binary Log Event", MariaDB's "Replication
// Protocol").
//
// An event is a head of 19 bytes and a body whose form its type says. Row events name a table by a number that a table
// map before them has given it; their rows can be read with that map only.
//
// Pure functions; thread-safe. Every length is checked: what is not an event as it should be is an Error, kUnavailable.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "feed/mysql/reader.h"
#include "forebay/function_ref.h"
#include "forebay/result.h"

namespace forebay::feed::mysql {

// The next event is from this file, from this position on.
struct Rotate {
  std::string_view file;
  std::uint64_t position = 0;
};
// Begins each file, and each session.
struct Format {
  std::uint32_t when = 0;  // the file was begun, in seconds of Unix time
};
struct Statement {
  std::string_view database;  // the session's
  std::string text;
};
// A transaction has ended, and was committed.
struct Committed {};
// MariaDB: the next group.
struct Group {
  bool alone = false;   // it is the one event that follows
  std::string_view xa;  // of a transaction that is prepared in it, or ended after that: its name as bytes
};
// MySQL: the next transaction's number, "uuid:number"; empty: it has none.
struct Gtid {
  std::string text;
};
// XA PREPARE, or XA COMMIT ONE PHASE.
struct Prepared {
  bool one_phase = false;
};
struct TableMap {
  // A column's type, where CHAR is told from ENUM and SET, and what else says how long its values are.
  struct Column {
    std::uint8_t type = 0;
    std::uint16_t meta = 0;
  };
  std::uint64_t number = 0;
  std::string_view schema;
  std::string_view table;
  std::vector<Column> columns;
  std::vector<std::string_view> names;  // with binlog_row_metadata = FULL; else empty
};
struct RowsEvent {
  enum class Kind : std::uint8_t { kInsert, kUpdate, kDelete };
  Kind kind = Kind::kInsert;
  std::uint64_t table = 0;
  std::uint64_t columns = 0;
  // A bit for each column: whether the rows have it. `present` of kInsert is of the new rows, else of the old ones.
  std::string_view present;
  std::string_view present_after;  // kUpdate
  std::string_view bytes;
  std::string unpacked;  // what `bytes` points into, if the event was compressed
};
// Nothing has happened: the server is alive, and all up to here was sent.
struct Heartbeat {};
// What changes rows in a form that is not read.
struct Unreadable {
  std::string_view what;
};
// The server says that its log lacks something.
struct Incident {};
struct Other {};  // what concerns no reader of rows

struct Event {
  std::variant<Other, Rotate, Format, Statement, Committed, Group, Gtid, Prepared, TableMap, RowsEvent,
               Heartbeat, Unreadable, Incident>
      what;
  std::uint32_t end = 0;    // the position behind it, of which there are 32 bits; 0: it isn't in the file
  bool artificial = false;  // made by the server for this session
};

// Without a checksum. Views point into `bytes`.
Result<Event> parse_event(std::string_view bytes);

// Takes the checksums off a session's events. Which they have, each file's Format says.
class Checksums {
 public:
  // The event without its checksum. An Error: it is another one than was sent.
  Result<std::string_view> without(std::string_view bytes);

 private:
  bool crc32_ = false;
};

// One value of a row, as bytes.
struct Cell {
  enum class Kind : std::uint8_t { kAbsent, kNull, kBytes };
  Kind kind = Kind::kAbsent;
  std::string_view bytes;
};
using Row = std::vector<Cell>;

// Calls `each` for each row of an event: `before` is null where there was none, `after` where there is none. Both are
// valid during the call.
Result<void> each_row(const RowsEvent& rows, const TableMap& table,
                      FunctionRef<void(const Row* before, const Row* after)> each);

}  // namespace forebay::feed::mysql
