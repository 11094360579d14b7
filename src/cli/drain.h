#pragma once

#include "cli/command_line.h"

namespace forebay::cli {

// `forebay drain`: has a running server send what waits in its journal to the databases.
void add_drain(CLI::App& program, Action& chosen);

}  // namespace forebay::cli
