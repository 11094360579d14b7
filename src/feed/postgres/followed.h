#pragma once

// What the catalogue says of the tables that a feed is to follow: which of them are sent, and what is in the way of the
// others.
//
// One look is one round trip. It is made when a feed begins and about once a second: of what happens to whole tables
// the log says little. A partition that is detached or dropped, a table that another one has replaced or that was
// written anew, a publication that was altered: the log has none of these.

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "forebay/change_log.h"
#include "source/postgres/pool.h"

namespace forebay::feed::postgres {

// One table that rows are in: a table, or a partition or child of one.
struct Leaf {
  std::string root;       // KnownTable::id of its topmost parent
  std::string name;       // qualified and quoted
  std::string root_name;  // likewise
  std::string file;       // where its rows are: another one means that all of them may be others
  bool partitioned_root = false;
  bool has_rows = false;  // it isn't itself only the parent of partitions
  bool logged = false;    // its changes are in the log
  bool identified =
      false;           // its rows have a replica identity: without one, a published table takes no UPDATE
  bool whole = false;  // the identity is all of the row
  bool published = false;
  std::set<std::string> identity;  // its columns
};

struct Publication {
  bool exists = false;
  bool all_tables = false;
  bool all_changes = false;  // INSERT, UPDATE, DELETE and TRUNCATE
  bool via_root = false;
  bool partial = false;  // it leaves out rows or columns of tables
};

struct Followed {
  Publication publication;
  std::map<std::uint32_t, Leaf> leaves;  // by their numbers
  // Of each root, the columns that namespaces look for.
  std::map<std::string, std::set<std::string>, std::less<>> columns;
  std::vector<std::string> missing;  // names that mean no table
};

source::postgres::Outcome<Followed> look(source::postgres::Pool& pool, std::span<const WatchedTable> tables,
                                         const std::string& publication, const source::postgres::Call& call);

// What has happened to whole tables between two looks: their roots.
std::set<std::string> replaced(const Followed& before, const Followed& now);

// Tables that the publication could have and has not: roots of partitions, or tables.
std::vector<std::string> to_publish(const Followed& followed);

// What a person must see to, one sentence each, with the statement that mends it.
std::vector<std::string> shortcomings(const Followed& followed);

}  // namespace forebay::feed::postgres
