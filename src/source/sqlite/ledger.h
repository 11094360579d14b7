#pragma once

// Batches of writes in one transaction with the ledger that says how far they have come (forebay/ledger.h).

#include <memory>

#include "forebay/ledger.h"
#include "source/sqlite/database.h"

namespace forebay::source::sqlite {

// The ledger in the database's file. `database` outlives it.
std::unique_ptr<Ledger> ledger_of(Database& database);

}  // namespace forebay::source::sqlite
