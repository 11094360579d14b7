#pragma once

// What the databases' ledgers share (forebay/source.h: write-behind).

#include <string>
#include <string_view>
#include <vector>

#include "config/query.h"
#include "forebay/source.h"
#include "source/cause.h"

namespace forebay::source {

// The statements that make the ledger's tables where they are missing.
std::vector<std::string> ledger_schema(config::Dialect dialect);

// kConfig: the tables are missing and the database refused to make them; with the SQL, for somebody who may.
Error no_ledger(const Error& refused, config::Dialect dialect);

// kConflict: the ledger says neither what it should before a batch nor after it.
Error wrong_position(std::string_view where, const WriteBatch& batch, std::uint64_t found);

// Of an error that the database had no part in: its own words say what it is about.
Cause cause_of(const Error& error);

// The error of a batch that failed, but for no reason in the data of one of its writes: never kRefused.
// kConfig: something is missing.
Error unapplied(Error error, Cause cause);

}  // namespace forebay::source
