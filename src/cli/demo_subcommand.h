#pragma once

#include "cli/command_line.h"

namespace forebay::cli {

// `forebay demo`: demo.h says what it does.
void add_demo(CLI::App& program, Action& chosen);

}  // namespace forebay::cli
