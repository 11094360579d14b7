#pragma once

// A namespace in query mode: a SELECT of the configuration's own.

#include <memory>

#include "forebay/source.h"
#include "source/sqlite/database.h"

namespace forebay::source::sqlite {

// Checks that the query is one statement that only reads and gives what the kind needs. `database` must
// outlive the dataset.
Result<std::unique_ptr<Dataset>> open_query(Database& database, const DatasetSpec& spec);

}  // namespace forebay::source::sqlite
