#pragma once

#include <string_view>

#include "config/model.h"

namespace forebay::cli {

// The process's log: standard error, one line a record, with the time in UTC and the level. Call before
// threads are started.
void set_up_logging(const config::Log& log);
// Thread-safe, at any time.
void set_log_level(const config::Log& log);

void log_info(std::string_view text);
void log_warning(std::string_view text);
// A record for every line of `text`.
void log_error_lines(std::string_view text);

}  // namespace forebay::cli
