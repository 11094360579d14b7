#pragma once

// Applies the flusher's batches: each in one transaction, with its position in the ledger.

#include <atomic>
#include <string>
#include <utility>

#include "forebay/ledger.h"
#include "source/postgres/connection.h"
#include "source/postgres/pool.h"

namespace forebay::source::postgres {

class Batches {
 public:
  // Borrows the pool. `where`: for messages.
  Batches(Pool& pool, std::string where) : pool_(pool), where_(std::move(where)) {}

  // As Ledger::apply(). Thread-safe.
  Result<BatchOutcome> apply(const WriteBatch& batch, const Call& call);

 private:
  Pool& pool_;
  const std::string where_;
  // When a batch had a write that was refused last. Relaxed: a hint.
  std::atomic<Clock::duration> refused_at_{Clock::duration::min() / 2};
};

}  // namespace forebay::source::postgres
