// The history campaign at length: who reads what is older than what was complete before?
//
//   history_bench [--seconds N] [--seed N] [--write through|around|behind] [--without-faults] [--silent-outsider]
//
// A minute of each way to write by default. Ends with status 1 if a read was stale or went backwards, or the
// cache and the database differ at the end.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <exception>

#include "campaign/history_campaign.h"
#include "support/temp_dir.h"

namespace forebay::test {
namespace {

bool run(const HistoryOptions& options) {
  const TempDir folder;
  const HistoryResult result = history_campaign(folder.path().string(), options);
  fmt::print(
      "write = {}, {} s: {} faults in the database\n"
      "  {} reads, {} writes confirmed ({} by another program), {} with an unknown outcome, {} other errors\n"
      "  {}\n",
      options.write, options.length.count() / 1000, result.faults, result.reads, result.writes,
      result.outside, result.unknown, result.errors,
      result.violations.empty() ? "no read was stale or went backwards; at the end cache and database agree"
                                : "violations, the first of them:");
  for (const std::string& violation : result.violations) fmt::print("    {}\n", violation);
  return result.violations.empty();
}

}  // namespace
}  // namespace forebay::test

int main(int argc, char** argv) {
  using namespace forebay::test;
  HistoryOptions options;
  int seconds = 60;
  std::string write;
  bool without_faults = false;
  CLI::App app("Reads and writes while the database misbehaves, and checks every answer");
  app.add_option("--seconds", seconds, "for each way to write");
  app.add_option("--seed", options.seed);
  app.add_option("--write", write, "through, around or behind; all by default")
      ->check(CLI::IsMember({"through", "around", "behind"}));
  app.add_flag("--without-faults", without_faults, "Leave the database in peace");
  app.add_flag("--silent-outsider", options.silent_outsider,
               "Break it on purpose: another program writes and tells nobody");
  CLI11_PARSE(app, argc, argv);
  options.length = std::chrono::seconds(seconds);
  options.faults = !without_faults;
  try {
    bool good = true;
    for (const char* each : {"through", "around", "behind"}) {
      if (!write.empty() && write != each) continue;
      options.write = each;
      good = run(options) && good;
    }
    return good ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "history_bench: {}\n", error.what());
    return 2;
  }
}
