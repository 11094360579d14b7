#pragma once

#include "cli/command_line.h"

namespace forebay::cli {

// `forebay explain KEY...`: prints what a running server knows of keys.
void add_explain(CLI::App& program, Action& chosen);

}  // namespace forebay::cli
