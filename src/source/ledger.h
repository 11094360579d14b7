#pragma once

// What the databases' ledgers share (forebay/source.h: write-behind).

#include <string>
#include <string_view>
#include <vector>

#include "config/query.h"
#include "forebay/source.h"

namespace forebay::source {

// The statements that make the ledger's tables where they are missing.
std::vector<std::string> ledger_schema(config::Dialect dialect);

// kConfig: the tables are missing and the database refused to make them; with the SQL, for somebody who may.
Error no_ledger(const Error& refused, config::Dialect dialect);

// kConflict: the ledger says neither what it should before a batch nor after it.
Error wrong_position(std::string_view where, const WriteBatch& batch, std::uint64_t found);

// Whether trying a write again can't help: the error is about the write.
bool is_permanent(const Error& error);

}  // namespace forebay::source
