#pragma once

// Journals that this machine has used before, and does not use now, although they hold writes that a source
// does not have.

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "layer/port/ledger_port.h"

namespace forebay::layer {

// What stands in the way of a start, one sentence each: a journal that the source's ledger knows, that lies on
// this machine, that no process has open, and that holds writes of these namespaces which the ledger does not
// have. Those of other namespaces are another program's. `in_use`: this process's own; empty: it has none.
// Blocks, and reads such journals as a whole. What can't be asked or read is passed over.
std::vector<std::string> left_behind(const std::string& source, const std::set<std::string>& spaces,
                                     LedgerPort& ledger, std::string_view in_use, const CallOptions& options);

}  // namespace forebay::layer
