#pragma once

// One write to one row, in a transaction that has begun.

#include "source/mysql/reactions.h"
#include "source/mysql/write_plan.h"

namespace forebay::source::mysql {

// Locks the row and looks at it, changes it, or inserts it if there is none, and reads it again: MySQL returns
// nothing of what it has changed. An insert that meets another unique value is refused, as it says nothing about
// this key's row; one that meets this key has lost a race with another writer, and the write starts over.
//
// `key` and `change` must have been planned together.
Outcome<Written> write_row(Connection& connection, const TableRows& rows, const Reactions& reactions,
                           const KeyFields& key, const Change& change, const Call& call);

}  // namespace forebay::source::mysql
