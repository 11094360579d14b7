#pragma once

// What the database does by itself when rows are written: triggers, rules, cascades of foreign keys.
//
// RETURNING shows a row before AFTER triggers and deferred constraint triggers have run, and says nothing of
// other rows. The catalogue says that a table has such things, not what they do. So a transaction that wrote
// asks whether its tables have them by then, which a migration may have changed a moment ago: each write
// returns whether its table has any triggers, rules or children, and where it has, a statement more says
// whether these may change anything. If so the transaction makes what is deferred happen, reads its rows again,
// and takes from the session's counts which tables have changed by more rows than were written.
//
// The counts are those of pg_stat_get_xact_tuples_*(). Between two transactions a session may still hold counts
// of earlier ones, so only a difference within one transaction says anything.

#include <libpq-fe.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "forebay/dataset.h"
#include "source/postgres/connection.h"
#include "source/postgres/result.h"

namespace forebay::source::postgres {

// What a write returns besides its row (TableShape::facts). `places`: the table's rows have a ctid that the role
// may read.
std::vector<std::string> facts_of_writes(Oid table, bool places);
struct Facts {
  std::string place;              // the row's, which moves with each change of it; empty: it has none
  std::uint64_t transaction = 0;  // the write's
  bool may_react = false;         // its table has triggers, rules or children
};
Facts facts_in(const ResultPtr& rows);

// Whether one of the tables, or of what inherits from them, has triggers, rules or cascades.
Statement ask_reactions(std::span<const Oid> tables);
struct Reactions {
  bool any = false;
  bool counted = true;  // the session counts changed rows (track_counts)
};
Reactions reactions_in(const ResultPtr& rows);

// Rows that a session has changed, by table; those of a partition are its root's.
struct RowCount {
  std::vector<std::string> names;  // of the table
  std::int64_t rows = 0;
};
using RowCounts = std::map<Oid, RowCount>;
Statement count_rows();
RowCounts counts_in(const ResultPtr& rows);

// Tables that have changed by more rows between the two than `own` says were written.
AlsoChanged beyond(const RowCounts& before, const RowCounts& after, const std::map<Oid, std::int64_t>& own);

// Makes deferred constraint triggers run now, and constraints fail now.
Statement run_deferred();

}  // namespace forebay::source::postgres
