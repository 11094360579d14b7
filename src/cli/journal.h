#pragma once

#include "cli/command_line.h"

namespace forebay::cli {

// `forebay journal`: what a journal holds, read without a server and without a change to it.
void add_journal(CLI::App& program, Action& chosen);

}  // namespace forebay::cli
