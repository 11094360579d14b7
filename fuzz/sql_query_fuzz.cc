// A namespace's query from a configuration, for both dialects: no crash, and one field's parameter where it
// compiles. With SQLite at hand, also: what compiles and prepares has no parameter but the field's, so
// nothing was taken for a parameter, or for text, that SQLite reads otherwise.

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "source/sql_mapping.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace forebay::source;
  static sqlite3* const db = [] {
    sqlite3* handle = nullptr;
    if (sqlite3_open(":memory:", &handle) != SQLITE_OK) std::abort();
    sqlite3_exec(handle, "CREATE TABLE t(a, b, c)", nullptr, nullptr, nullptr);
    return handle;
  }();
  static const std::vector<std::string> fields = {"a"};
  const std::string_view query(reinterpret_cast<const char*>(data), size);

  static_cast<void>(compile_query(query, fields, Dialect::kPostgres));
  static_cast<void>(parse_table_name(query));
  const auto sql = compile_query(query, fields, Dialect::kSqlite);
  if (!sql || sql->find('\0') != std::string::npos) return 0;
  sqlite3_stmt* statement = nullptr;
  const char* rest = nullptr;
  if (sqlite3_prepare_v2(db, sql->c_str(), -1, &statement, &rest) == SQLITE_OK && statement != nullptr) {
    if (sqlite3_bind_parameter_count(statement) > 1) std::abort();
  }
  sqlite3_finalize(statement);
  return 0;
}
