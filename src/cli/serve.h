#pragma once

#include "cli/command_line.h"

namespace forebay::cli {

// `forebay serve [FILE]`: runs the server until SIGTERM or SIGINT; SIGHUP reads the file again.
void add_serve(CLI::App& program, Action& chosen);

}  // namespace forebay::cli
