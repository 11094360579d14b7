#pragma once

// Batches of writes in one transaction with the ledger that says how far they have come (forebay/source.h).

#include <string>
#include <vector>

#include "forebay/source.h"
#include "source/sqlite/database.h"

namespace forebay::source::sqlite {

Result<std::vector<std::uint64_t>> open_ledger(Database& database, const std::string& journal,
                                               std::uint32_t lanes, const CallContext& context);
Result<BatchOutcome> apply(Database& database, const WriteBatch& batch, const CallContext& context);

}  // namespace forebay::source::sqlite
