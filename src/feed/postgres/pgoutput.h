#pragma once

// The messages of PostgreSQL's output plugin pgoutput, protocols 1 and 2 (PostgreSQL 15, chapter "Logical Replication
// Message Formats").
//
// What comes from the server is not trusted to be whole: a message that is not what it says is an error. Pure functions;
// thread-safe; linear in the message's length.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "forebay/result.h"

namespace forebay::feed::postgres {

// A place in the server's log.
using Lsn = std::uint64_t;
// "16/B374D848".
std::string text_of(Lsn lsn);
std::optional<Lsn> parse_lsn(std::string_view text);

namespace pgoutput {

struct Begin {
  Lsn commit = 0;         // where its commit record is
  std::uint32_t xid = 0;  // of the top-level transaction, without its epoch
};
struct Commit {
  Lsn end = 0;  // behind its commit record
};

struct Column {
  std::string_view name;
  std::uint32_t type = 0;
};
struct Relation {
  std::uint32_t id = 0;
  std::vector<Column> columns;
};

struct Cell {
  enum class Kind : std::uint8_t {
    kNull,
    kUnchanged,  // a long value that stayed as it was, and is not in the message
    kText,
  };
  Kind kind = Kind::kNull;
  std::string_view text;
};
using Tuple = std::vector<Cell>;

struct Row {
  std::uint32_t relation = 0;
  // Before the change: the replica identity's columns, the others null; or with `whole_before` all of them. Nothing: the
  // identity's columns did not change, or there was no row.
  std::optional<Tuple> before;
  bool whole_before = false;
  std::optional<Tuple> after;
  bool existed = false;  // there was a row before
};
struct Truncate {
  std::vector<std::uint32_t> relations;
};
// Of pg_logical_emit_message().
struct Note {
  std::string_view prefix;
  std::string_view content;
};

// Parts of a transaction that is still in progress (protocol 2).
struct StreamStart {
  std::uint32_t xid = 0;
};
struct StreamStop {};
struct StreamCommit {
  std::uint32_t xid = 0;
  Lsn end = 0;
};
struct StreamAbort {
  std::uint32_t xid = 0;
  std::uint32_t subtransaction = 0;  // the same as xid: all of it
};
struct Other {};  // nothing that concerns a reader of rows: origins, types

struct Message {
  std::variant<Other, Begin, Commit, Relation, Row, Truncate, Note, StreamStart, StreamStop, StreamCommit,
               StreamAbort>
      what;
  std::uint32_t subtransaction = 0;  // within a stream: whose change it is
};

// Views point into `bytes`. `streaming`: it stands between a StreamStart and its StreamStop.
Result<Message> parse(std::string_view bytes, bool streaming);

}  // namespace pgoutput
}  // namespace forebay::feed::postgres
