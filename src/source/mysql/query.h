#pragma once

// Query mode: what a statement of the configuration returns for a key. One key is one statement: neither MySQL
// nor MariaDB runs a query with ORDER BY once for each of a list of keys in one statement (MariaDB has no lateral
// joins).

#include <memory>
#include <string>

#include "forebay/source.h"
#include "source/mysql/pool.h"

namespace forebay::source::mysql {

// As open_table(). kConfig: the query doesn't prepare, isn't one statement that only reads, or doesn't return
// what the spec's kind needs.
Result<std::unique_ptr<Dataset>> open_query(Pool& pool, const std::string& source, const DatasetSpec& spec,
                                            const Call& call);

}  // namespace forebay::source::mysql
