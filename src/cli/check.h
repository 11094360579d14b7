#pragma once

#include "cli/command_line.h"

namespace forebay::cli {

// `forebay check FILE [--offline]`: says everything that is wrong with a configuration, its tables and
// columns included.
void add_check(CLI::App& program, Action& chosen);

}  // namespace forebay::cli
