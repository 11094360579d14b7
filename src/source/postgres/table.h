#pragma once

// Table mode: one namespace's rows, read in batches by key and written one by one.

#include <memory>
#include <string>

#include "forebay/source.h"
#include "source/postgres/connection.h"
#include "source/postgres/pool.h"
#include "source/postgres/reactions.h"

namespace forebay::source::postgres {

// A write on its way, statement by statement, so that several can be on their way at once.
class WriteSteps {
 public:
  virtual ~WriteSteps() = default;
  // What is to be run next, in one transaction with the others; null: it is done. Lives until take().
  virtual const Statement* next() const = 0;
  // The rows that it returned.
  virtual Outcome<void> take(ResultPtr rows) = 0;
  virtual Written& written() = 0;

  // How many rows it has changed: one or none.
  virtual int changes() const = 0;
  // What the change has returned; nothing known without one.
  virtual const Facts& facts() const = 0;
  // For a write that is done, in a transaction in which tables reacted (reactions.h): reads its row once more.
  virtual Statement read_again() const = 0;
  // What that found. Returns whether the row has been changed since it was written.
  virtual bool take_again(const ResultPtr& rows) = 0;
};

// A dataset whose writes can share a transaction.
class BatchedDataset : public Dataset {
 public:
  // The dataset outlives it.
  virtual Result<std::unique_ptr<WriteSteps>> begin(const KeyFields& key, const Write& write) const = 0;
  // Puts in front of an error where it happened.
  virtual Error located_here(const Error& error) const = 0;
  // Names the row: writes of the same one are done in their order.
  virtual std::string row_of(const KeyFields& key) const = 0;
  virtual Oid table() const = 0;
  // Whether its table was seen to react to writes.
  virtual bool reacts() const = 0;
  virtual void set_reacts(bool reacts) const = 0;
};

// Checks the spec against the database and prepares its statements. `source` is the source's name, for
// messages; `pool` is borrowed. kConfig: something is missing in the database (the message names it).
Result<std::unique_ptr<Dataset>> open_table(Pool& pool, const std::string& source, const DatasetSpec& spec,
                                            const Call& call);

}  // namespace forebay::source::postgres
