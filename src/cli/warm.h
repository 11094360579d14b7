#pragma once

#include "cli/command_line.h"

namespace forebay::cli {

// `forebay warm NAMESPACE [KEY...]`: has a running server load what is not fresh.
void add_warm(CLI::App& program, Action& chosen);

}  // namespace forebay::cli
