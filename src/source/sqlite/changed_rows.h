#pragma once

// Which rows a connection's statements have changed, their triggers and the cascades of foreign keys included:
// what SQLite's preupdate hook tells. Bounded by the number of tables, however many rows there are.

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "forebay/dataset.h"

namespace forebay::source::sqlite {

// For the connection's thread.
class ChangedRows {
 public:
  // Hears of every row that the connection changes from now on. Must outlive the connection, or its changes.
  void listen_to(sqlite3* connection);
  // Forgets what has changed so far.
  void clear() { tables_.clear(); }

  // After one write to one row of `table`: what has changed besides that row.
  AlsoChanged besides(std::string_view table) const;

 private:
  // The rows of a table: one, known by its rowid, or several. Those of a table without rowids count as several.
  struct Rows {
    bool any = false;
    std::optional<std::int64_t> only;
    void add(std::optional<std::int64_t> row);
    bool nothing_but(const Rows& other) const { return !any || (only && only == other.only); }
  };
  struct Table {
    Rows by_statements;
    Rows by_reactions;  // triggers and cascades
  };
  static void on_change(void* self, sqlite3* connection, int operation, const char* schema, const char* table,
                        sqlite3_int64 before, sqlite3_int64 after);

  // By `table`, or `schema.table` outside of main.
  std::map<std::string, Table, std::less<>> tables_;
};

}  // namespace forebay::source::sqlite
