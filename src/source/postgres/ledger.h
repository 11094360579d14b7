#pragma once

// Batches of writes in one transaction with the ledger that says how far they have come (forebay/source.h).

#include <cstddef>
#include <optional>
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

Result<std::vector<DeadLetter>> dead_letters(Pool& pool, const std::string& source,
                                             const std::optional<DeadId>& after, std::size_t limit,
                                             const Call& call);
Result<std::optional<DeadLetter>> dead_letter(Pool& pool, const std::string& source, const DeadId& id,
                                              const Call& call);
Result<bool> edit_dead_letter(Pool& pool, const std::string& source, const DeadId& id,
                              const std::string& operation, const Call& call);
Result<bool> drop_dead_letter(Pool& pool, const std::string& source, const DeadId& id, const Call& call);

}  // namespace forebay::source::postgres
