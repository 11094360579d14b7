#pragma once

// Batches of writes in one transaction with the ledger that says how far they have come (forebay/source.h).

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "forebay/source.h"
#include "source/sqlite/database.h"

namespace forebay::source::sqlite {

Result<std::vector<std::uint64_t>> open_ledger(Database& database, const std::string& journal,
                                               std::uint32_t lanes, const CallContext& context);
Result<BatchOutcome> apply(Database& database, const WriteBatch& batch, const CallContext& context);

Result<std::vector<DeadLetter>> dead_letters(Database& database, const std::optional<DeadId>& after,
                                             std::size_t limit, const CallContext& context);
Result<std::optional<DeadLetter>> dead_letter(Database& database, const DeadId& id,
                                              const CallContext& context);
Result<bool> edit_dead_letter(Database& database, const DeadId& id, const std::string& operation,
                              const CallContext& context);
Result<bool> drop_dead_letter(Database& database, const DeadId& id, const CallContext& context);

}  // namespace forebay::source::sqlite
