#pragma once

// What the datasets and the change log of one SQLite source share: its name, its file, its connections.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "source/sql_mapping.h"
#include "source/sqlite/column.h"
#include "source/sqlite/pool.h"

namespace forebay::source::sqlite {

// The table of the change log, made by the change log, read for evidence.
inline constexpr const char* kChangeTable = "forebay_changes";

struct Database {
  Database(std::string source, std::string file, std::size_t connections,
           std::chrono::milliseconds call_timeout)
      : name(std::move(source)),
        path(std::move(file)),
        pool(connections),
        timeout(call_timeout),
        readers(name, path, Access::kRead, connections),
        writer(name, path, Access::kWrite, 1) {}

  const std::string name;
  const std::string path;
  const std::size_t pool;
  const std::chrono::milliseconds timeout;  // of set-up, which brings no context of its own
  Pool readers;
  Pool writer;                       // one: SQLite has one writer at a time anyway, and waiting here is fair
  std::atomic<bool> watched{false};  // a change log is kept, so loads say what they include
};

// The number of the last change that this connection's transaction sees; 0 where no change log is kept.
Result<std::uint64_t> evidence(const Database& database, Connection& connection);

struct CatalogueColumn {
  Column column;
  int primary_key = 0;  // position in the primary key, from 1; 0: not in it
  bool has_default = false;
  bool integer_type = false;  // declared INTEGER, in just this word
  std::string collation;      // that its texts are compared under; empty: not known, as of a view
};
// The table's or view's name as the schema has it; as it is given where there is none.
Result<std::string> name_in_schema(Connection& connection, const TableName& table);

// The columns of a table or view, in their order; empty: there is none of this name.
Result<std::vector<CatalogueColumn>> columns_of(Connection& connection, const TableName& table);

}  // namespace forebay::source::sqlite
