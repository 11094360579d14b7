#pragma once

// A namespace in table mode: rows by key, and writes to them.

#include <memory>

#include "forebay/source.h"
#include "source/sqlite/database.h"

namespace forebay::source::sqlite {

// Checks table, columns and (if writable) the unique index. `database` must outlive the dataset.
Result<std::unique_ptr<Dataset>> open_table(Database& database, const DatasetSpec& spec);

}  // namespace forebay::source::sqlite
