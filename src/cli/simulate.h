#pragma once

#include "cli/command_line.h"

namespace forebay::cli {

// `forebay simulate TRACE --policy P[,P…] --size S[,S…]`: how often each policy would miss, by running this
// program's memory tier over a request trace.
void add_simulate(CLI::App& program, Action& chosen);

}  // namespace forebay::cli
