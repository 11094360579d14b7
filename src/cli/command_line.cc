#include "cli/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "config/suggest.h"

namespace forebay::cli {

int run(int argc, char** argv) {
  CLI::App program("A caching layer that stands between applications and their database.", "forebay");
  program.set_version_flag("--version", "forebay " FOREBAY_VERSION, "Print the version and end");
  program.set_help_flag("-h,--help", "Print this and end");
  program.require_subcommand(1);
  Action chosen;
  for (const AddSubcommand add : subcommands()) add(program, chosen);
  // Said before the library does, which only knows that something is missing.
  if (const std::string_view word = argc > 1 ? argv[1] : ""; !word.empty() && word.front() != '-') {
    const auto known = program.get_subcommands([](CLI::App*) { return true; });
    std::vector<std::string> names;
    for (const CLI::App* each : known) names.push_back(each->get_name());
    if (std::ranges::find(names, word) == names.end()) {
      const std::vector<std::string_view> views(names.begin(), names.end());
      fmt::print(stderr, "forebay: there is no subcommand \"{}\"{}\n", word,
                 config::did_you_mean(word, views));
      return kWrongUse;
    }
  }
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and version come as errors with status 0; the library's other numbers mean nothing to a caller.
    return program.exit(error, std::cout, std::cerr) == 0 ? kDone : kWrongUse;
  }
  try {
    return chosen();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "forebay: %s\n", error.what());  // out of memory, or a mistake of ours
    return kFailed;
  }
}

}  // namespace forebay::cli
