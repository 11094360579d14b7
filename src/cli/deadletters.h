#pragma once

#include "cli/command_line.h"

namespace forebay::cli {

// `forebay deadletters`: the writes that a database refused after they had been acknowledged.
void add_deadletters(CLI::App& program, Action& chosen);

}  // namespace forebay::cli
