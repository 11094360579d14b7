#pragma once

// What the database does by itself when rows of a table are written: triggers, cascades of foreign keys.
//
// MySQL does not count the rows that a transaction has changed by table. So what may change is read from the
// catalogue: the tables with a foreign key on this one that deletes or sets (and theirs), and the tables that the
// text of a trigger names (and what their triggers name). That may be too many, and is never too few, except for
// triggers that the role can't see, as it lacks the right TRIGGER.

#include <set>
#include <string>

#include "forebay/dataset.h"
#include "source/mysql/catalog.h"
#include "source/mysql/pool.h"

namespace forebay::source::mysql {

struct Reactions {
  AlsoChanged to_insert;
  AlsoChanged to_update;
  AlsoChanged to_remove;
  // To an update of one of these columns, besides.
  std::set<std::string> referenced;
  AlsoChanged to_reference;

  bool operator==(const Reactions& other) const;
};

// Of a table as find_table() has it.
Outcome<Reactions> reactions_of(Pool& pool, const Table& table, const Call& call);

}  // namespace forebay::source::mysql
