#pragma once

// What people do about a feed of PostgreSQL outside of a running server: see what it would need, and remove what it has
// left on the server.

#include <span>
#include <string>
#include <vector>

#include "config/model.h"
#include "forebay/change_log.h"
#include "forebay/result.h"

namespace forebay::feed::postgres {

// Whether the server can have the feed, without leaving a trace there. kConfig: it can't. Else what it would not hear
// of, one sentence each. Blocks.
Result<std::vector<std::string>> check(const config::Source& source, std::span<const WatchedTable> tables);

// The statements that set it up, for somebody with the rights, each with its semicolon. Blocks.
Result<std::vector<std::string>> statements(const config::Source& source,
                                            std::span<const WatchedTable> tables);

// Removes the slot, if it has a name, and the publication. Returns what was removed, one sentence each. An Error: the
// slot is in use, or the role may not. Blocks.
Result<std::vector<std::string>> remove(const config::Source& source);

}  // namespace forebay::feed::postgres
