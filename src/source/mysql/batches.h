#pragma once

// Applies the flusher's batches: each in one transaction, with its position in the ledger.

#include <string>

#include "forebay/ledger.h"
#include "source/mysql/pool.h"

namespace forebay::source::mysql {

// As Ledger::apply(). `where`: for messages.
Result<BatchOutcome> apply_batch(Pool& pool, const std::string& where, const WriteBatch& batch,
                                 const Call& call);

}  // namespace forebay::source::mysql
