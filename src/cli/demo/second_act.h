#pragma once

#include <functional>

#include "cli/demo/console.h"
#include "forebay/result.h"

namespace forebay::cli::demo {

// Forebay in front of a PostgreSQL whose log it follows: an UPDATE in psql, and the row, the lists and what a client
// keeps by itself follow. Nothing is shown but a line where no PostgreSQL is installed. True: every claim held.
Result<bool> second_act(Console& console, const std::function<bool()>& interrupted);

}  // namespace forebay::cli::demo
