#pragma once

// A namespace in table mode: rows by key, and writes to them.

#include <memory>

#include "forebay/source.h"
#include "source/sqlite/database.h"

namespace forebay::source::sqlite {

// A dataset whose writes can share a transaction.
class BatchedDataset : public Dataset {
 public:
  // Applies a write in the transaction that the connection is in.
  virtual Result<Written> write_within(Connection& connection, const KeyFields& key,
                                       const Write& write) const = 0;
};

// Checks table, columns and (if writable) the unique index. `database` must outlive the dataset.
Result<std::unique_ptr<Dataset>> open_table(Database& database, const DatasetSpec& spec);

}  // namespace forebay::source::sqlite
