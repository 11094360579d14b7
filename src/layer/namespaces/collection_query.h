#pragma once

#include <string>

#include "config/model.h"
#include "config/query.h"
#include "forebay/result.h"

namespace forebay::layer {

// The query that loads a collection of a table's rows as one text (layer/port/collection_port.h), with one member
// more than max_members at most, which tells that there are too many. kConfig: the table's name can't be read.
Result<std::string> collection_query(const config::Namespace& space, config::Dialect dialect);

}  // namespace forebay::layer
