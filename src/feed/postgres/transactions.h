#pragma once

// From the log's messages to changed rows, transaction by transaction.
//
// Transactions come whole and one after another, or (protocol 2, large ones) in parts while they are in progress; parts
// are kept until their transaction commits, and thrown away if it or their subtransaction does not. Beyond kMostKept
// changes only the tables are kept, as changed wholly.
//
// Pure: no clock, no connection. Not thread-safe.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "feed/feed.h"
#include "feed/postgres/followed.h"
#include "feed/postgres/pgoutput.h"
#include "source/postgres/catalog.h"

namespace forebay::feed::postgres {

class Transactions {
 public:
  static constexpr std::size_t kMostKept = 100'000;

  // A table's columns as the log sends them, with their types.
  struct Column {
    std::string name;
    source::postgres::Type type;
    bool wanted = false;    // somebody looks for it
    bool identity = false;  // of the replica identity: an UPDATE that does not tell it has not changed it
  };
  struct Relation {
    std::string root;  // KnownTable::id; empty: nobody wants to hear of it
    std::vector<Column> columns;
  };
  // Says of a relation that the log has described whose it is, and its columns' types.
  using Describe = std::function<Result<Relation>(const pgoutput::Relation&)>;

  explicit Transactions(Describe describe) : describe_(std::move(describe)) {}

  // Adds to the delivery what the message brings. `widen`: from the log's 32 bits of a transaction's number to all.
  Result<void> take(std::string_view message, const std::function<std::uint64_t(std::uint32_t)>& widen,
                    Delivery& delivery);
  // Whether the next message belongs to the same transaction or part as the last one.
  bool within() const { return current_ != 0 || streaming_ != 0; }
  // The text of the note with our prefix that came last. Once.
  std::optional<std::string> take_note() { return std::exchange(note_, std::nullopt); }
  // The connection is another one: what was begun comes again.
  void restart();
  // Relations are described anew before their next change.
  void forget_relations() { relations_.clear(); }

  static constexpr std::string_view kNotePrefix = "forebay";

 private:
  // A part of a transaction that is in progress.
  struct Part {
    std::uint32_t subtransaction;
    RowChange change;
  };
  struct Parts {
    std::vector<Part> changes;
    std::set<std::string> whole;  // tables of which more came than is kept
  };

  Result<const Relation*> relation(std::uint32_t number);
  Result<void> add(const pgoutput::Message& message, Delivery& delivery);
  Result<void> add_row(const pgoutput::Row& row, std::uint32_t subtransaction, Delivery& delivery);
  Result<void> add_truncate(const pgoutput::Truncate& truncate, std::uint32_t subtransaction,
                            Delivery& delivery);
  void deliver(RowChange change, std::uint32_t subtransaction, Delivery& delivery);
  void commit_stream(const pgoutput::StreamCommit& commit, std::uint64_t transaction, Delivery& delivery);

  const Describe describe_;
  // Kept as the log described them: what they are to us is looked up when a row comes, and after changes again.
  struct Described {
    std::vector<std::pair<std::string, std::uint32_t>> columns;  // names and types
  };
  std::map<std::uint32_t, Described> described_;
  std::map<std::uint32_t, Relation> relations_;
  std::uint64_t current_ = 0;    // the transaction that is being told of; 0: none
  std::uint32_t streaming_ = 0;  // the transaction of which a part is; 0: none
  std::map<std::uint32_t, Parts> parts_;
  std::optional<std::string> note_;
};

}  // namespace forebay::feed::postgres
