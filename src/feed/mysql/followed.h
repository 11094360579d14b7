#pragma once

// What the catalogue says of the tables that a feed is to follow, and of those whose cascades reach them.
//
// A look is made when the feed begins, when other tables are wanted, and after a statement of the log that defines
// something. The log is read behind the catalogue: rows may have been written when a table had another form than the
// look shows. That does no lasting harm, as the statement that changed the form comes then, and ends all of the table.

#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "feed/mysql/column_types.h"
#include "forebay/change_log.h"
#include "source/mysql/pool.h"

namespace forebay::feed::mysql {

struct FollowedTable {
  std::string schema;
  std::string name;
  std::string id;        // KnownTable::id
  bool watched = false;  // else it is only a parent of one
  std::vector<Column> columns;
  // What the catalogue says of it: another text means that all of its rows may be others.
  std::string described;
  // Watched tables that change, by cascades of foreign keys, when a row of this one is deleted, or a referenced column
  // updated. The log has nothing of that.
  std::set<std::string> cascades_to;
};

struct Followed {
  // By schema and name, as the log names them.
  std::map<std::pair<std::string, std::string>, FollowedTable> tables;
  // By a view's name, the ids of it and of what it shows.
  std::map<std::string, std::set<std::string>> views;
  std::vector<std::string> missing;  // names that mean no table

  const FollowedTable* find(std::string_view schema, std::string_view name) const;
};

source::mysql::Outcome<Followed> look(source::mysql::Pool& pool, std::span<const WatchedTable> tables,
                                      const source::Call& call);

// Of the tables that two looks describe in different ways, the ids.
std::set<std::string> replaced(const Followed& before, const Followed& now);

// What a person must see to, one sentence each. `whole_rows`: binlog_row_image = FULL.
std::vector<std::string> shortcomings(const Followed& followed, bool whole_rows);

}  // namespace forebay::feed::mysql
