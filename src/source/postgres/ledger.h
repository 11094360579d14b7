#pragma once

// Batches of writes in one transaction with the ledger that says how far they have come (forebay/source.h).

#include <string>
#include <vector>

#include "forebay/source.h"
#include "source/postgres/pool.h"

namespace forebay::source::postgres {

// `source`: its name, for messages.
Result<std::vector<std::uint64_t>> open_ledger(Pool& pool, const std::string& source,
                                               const std::string& journal, std::uint32_t lanes,
                                               const Call& call);
Result<BatchOutcome> apply(Pool& pool, const std::string& source, const WriteBatch& batch, const Call& call);

}  // namespace forebay::source::postgres
