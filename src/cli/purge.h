#pragma once

#include "cli/command_line.h"

namespace forebay::cli {

// `forebay purge`: has a running server drop cached copies.
void add_purge(CLI::App& program, Action& chosen);

}  // namespace forebay::cli
