#pragma once

#include "cli/command_line.h"

namespace forebay::cli {

// forebay audit [FILE]: has a running server compare cached copies with their sources.
void add_audit(CLI::App& program, Action& chosen);

}  // namespace forebay::cli
