#pragma once

// Query mode: what a statement of the configuration returns for a key.
//
// Many keys go in one statement: the query becomes the right side of a lateral join with the list of keys,
// its parameters columns of that list. It runs once a key as it would alone, but in one round trip.

#include <memory>
#include <string>

#include "forebay/source.h"
#include "source/postgres/pool.h"

namespace forebay::source::postgres {

// As open_table(). kConfig: the query doesn't prepare, isn't one statement that only reads, or doesn't return
// what the spec's kind needs.
Result<std::unique_ptr<Dataset>> open_query(Pool& pool, const std::string& source, const DatasetSpec& spec,
                                            const Call& call);

}  // namespace forebay::source::postgres
