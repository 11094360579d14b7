#pragma once

// The command line of the program `forebay`: one pair of files per subcommand in this folder, a row each in
// registry.cc.
//
// To add one: a pair with an add_…() function that declares its options and what to do, and a row.

#include <functional>
#include <span>

namespace CLI {
class App;
}

namespace forebay::cli {

// Exit statuses.
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kWrongUse = 2;

// What the chosen subcommand does once the command line has been understood; returns the exit status.
using Action = std::function<int()>;

// Adds a subcommand to the program. Its callback sets `chosen`.
using AddSubcommand = void (*)(CLI::App& program, Action& chosen);

// All subcommands, in the order in which --help lists them.
std::span<const AddSubcommand> subcommands();

// The whole program. Help and version go to standard output with status kDone, a mistake in the use of the
// program to standard error with kWrongUse.
int run(int argc, char** argv);

}  // namespace forebay::cli
