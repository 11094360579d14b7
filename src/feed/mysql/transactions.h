#pragma once

// From the binary log's events to changed rows, transaction by transaction.
//
// Rows are kept until their transaction has ended, as only then it is said that it was committed; those of a prepared
// one (XA) until it is committed. Beyond kMostKept changes only the tables are kept, as changed wholly. What a statement
// has changed, or what was read of a table whose columns are not those that the catalogue tells, is the whole table.
//
// Pure: no clock, no connection. Not thread-safe.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "feed/feed.h"
#include "feed/mysql/events.h"
#include "feed/mysql/followed.h"

namespace forebay::feed::mysql {

class Transactions {
 public:
  static constexpr std::size_t kMostKept = 100'000;

  // Numbers the transaction that ends now, for Feed::shown(). `gtid`: MySQL's name of it; empty: it has none.
  using Number = std::function<std::uint64_t(const std::string& gtid)>;

  // `followed` is borrowed. What changes in it is told by forget_tables().
  Transactions(const Followed& followed, Number number) : followed_(followed), number_(std::move(number)) {}

  // Adds to the delivery what the event brings.
  Result<void> take(const Event& event, Delivery& delivery);
  // Whether the next event belongs to the same transaction as the last one.
  bool within() const { return open_; }

  // The catalogue has to be looked at before the next event. Once.
  bool take_look() { return std::exchange(look_, false); }
  // The log is read from the end of a transaction again.
  void restart();
  // It begins anew: prepared transactions of before are not known.
  void begin_anew();
  // The followed tables are described anew.
  void forget_tables() { tables_.clear(); }
  // Tables whose rows can't be read, by name.
  const std::set<std::string>& unreadable() const { return unreadable_; }

 private:
  struct Changes {
    std::vector<RowChange> rows;
    std::set<std::string> whole;  // ids of tables
  };
  // A table of the log, by the number that it has there.
  struct Known {
    const FollowedTable* table = nullptr;  // null: nobody wants to hear of it
    std::string schema;
    std::string name;
    TableMap map;                        // without names
    std::vector<const Column*> columns;  // like those of the map; null: the catalogue does not know it
    bool readable = false;
  };

  Result<void> take_statement(const Statement& statement, Delivery& delivery);
  void take_map(const TableMap& map);
  Result<void> take_rows(const RowsEvent& rows);
  void add_row(const Known& known, const Row* before, const Row* after);
  void add_cascades(const Known& known, const Row* before, const Row* after);
  void add_definition(const Statement& statement);
  void add_all();
  void finish(Changes changes, Delivery& delivery);
  void end(Delivery& delivery);
  void prepare(const Prepared& prepared, Delivery& delivery);
  void commit_prepared(Delivery& delivery, const std::string& name);
  std::string xa_of(const Statement& statement) const;
  static void assign_columns(Known& known, const TableMap& map);

  const Followed& followed_;
  const Number number_;
  std::map<std::uint64_t, Known> tables_;
  std::set<std::string> unreadable_;
  Changes changes_;
  std::string gtid_;
  std::string xa_;  // of the transaction that is being told of
  std::map<std::string, Changes> prepared_;
  bool open_ = false;
  bool look_ = false;
};

}  // namespace forebay::feed::mysql
