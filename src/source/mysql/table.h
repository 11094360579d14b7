#pragma once

// Table mode: one namespace's rows, read in batches by key and written one by one.

#include <memory>
#include <string>

#include "forebay/source.h"
#include "source/mysql/pool.h"

namespace forebay::source::mysql {

// A dataset whose writes can share a transaction.
class BatchedDataset : public Dataset {
 public:
  // In the transaction that the connection is in. Failures say where they happened.
  virtual Outcome<Written> write_within(Connection& connection, const KeyFields& key, const Write& write,
                                        const Call& call) const = 0;
};

// Checks the spec against the database. `source` is the source's name, for messages; `pool` is borrowed. kConfig:
// something is missing in the database (the message names it).
Result<std::unique_ptr<Dataset>> open_table(Pool& pool, const std::string& source, const DatasetSpec& spec,
                                            const Call& call);

}  // namespace forebay::source::mysql
