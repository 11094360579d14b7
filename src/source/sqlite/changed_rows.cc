// The hook is an option of the library's build, which Debian's has.
#define SQLITE_ENABLE_PREUPDATE_HOOK
#include "source/sqlite/changed_rows.h"

#include <strings.h>

namespace forebay::source::sqlite {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

void ChangedRows::Rows::add(std::optional<std::int64_t> row) {
  only = !any || only == row ? row : std::nullopt;
  any = true;
}

void ChangedRows::listen_to(sqlite3* connection) {
  sqlite3_preupdate_hook(connection, &ChangedRows::on_change, this);
}

void ChangedRows::on_change(void* self, sqlite3* connection, int operation, const char* schema,
                            const char* table, sqlite3_int64 before, sqlite3_int64 after) {
  std::string name = table;
  if (!same_name(schema, "main")) name = std::string(schema) + "." + name;
  Table& changed = static_cast<ChangedRows*>(self)->tables_[std::move(name)];
  Rows& rows = sqlite3_preupdate_depth(connection) == 0 ? changed.by_statements : changed.by_reactions;
  // In a table without rowids the numbers mean nothing, and both are 0 or -1.
  const bool known = operation == SQLITE_UPDATE ? before == after : true;
  const sqlite3_int64 row = operation == SQLITE_INSERT ? after : before;
  rows.add(known && row > 0 ? std::optional<std::int64_t>(row) : std::nullopt);
}

AlsoChanged ChangedRows::besides(std::string_view table) const {
  AlsoChanged also;
  for (const auto& [name, changed] : tables_) {
    if (name.starts_with("forebay_")) continue;  // the change log's and the ledger's
    const Rows& own = changed.by_statements;
    // One statement of ours writes one row. Another one goes where a constraint says ON CONFLICT REPLACE.
    const bool alone =
        same_name(name, table) && (own.only || !own.any) && changed.by_reactions.nothing_but(own);
    if (!alone) also.tables.push_back(name);
  }
  return also;
}

}  // namespace forebay::source::sqlite
