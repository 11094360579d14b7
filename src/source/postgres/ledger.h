#pragma once

// Batches of writes in one transaction with the ledger that says how far they have come (forebay/ledger.h).

#include <memory>
#include <string>

#include "forebay/ledger.h"
#include "source/postgres/pool.h"

namespace forebay::source::postgres {

// The ledger in the pool's database. `pool` outlives it; `source` is the source's name, for messages.
std::unique_ptr<Ledger> ledger_of(Pool& pool, const std::string& source);

}  // namespace forebay::source::postgres
