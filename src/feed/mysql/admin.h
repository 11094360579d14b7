#pragma once

// What people do about a feed of MySQL or MariaDB outside of a running server: see what it would need. It leaves nothing
// on the server that would have to be removed.

#include <span>
#include <string>
#include <vector>

#include "config/model.h"
#include "forebay/change_log.h"
#include "forebay/result.h"

namespace forebay::feed::mysql {

// Whether the server can have the feed, without leaving a trace there. kConfig: it can't. Else what it would not hear
// of, one sentence each. Blocks.
Result<std::vector<std::string>> check(const config::Source& source, std::span<const WatchedTable> tables);

// The statements that set it up, for somebody with the rights, each with its semicolon. Blocks.
Result<std::vector<std::string>> statements(const config::Source& source,
                                            std::span<const WatchedTable> tables);

}  // namespace forebay::feed::mysql
