// The crash campaign at length: a server that is killed under its writers, and its database stopped and
// started.
//
//   crash_bench [--kills N] [--seed N] [--on sqlite|postgres] [--acks N] [--durability fsync|os|none]
//               [--without-ledger]
//
// 200 kills on each database by default. Ends with status 1 if a write was lost, doubled or reordered.

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "campaign/crash_campaign.h"
#include "support/temp_dir.h"

namespace forebay::test {
namespace {

bool run(RealDatabase& database, CampaignOptions options) {
  const TempDir folder;
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  if (terminal) options.progress = [](const std::string& text) { fmt::print(stderr, "\r\033[K{}", text); };
  const CampaignResult result = crash_campaign(database, folder.path().string(), options);
  if (terminal) fmt::print(stderr, "\r\033[K");
  fmt::print(
      "{}: {} kills, {} of them between a commit and the journal's trim, {} stops of the database\n"
      "  {} writes acknowledged, {} refused, {} unanswered when the server died ({} of those were kept)\n"
      "  {} lost, doubled or out of order\n",
      database.name(), result.kills, result.kills_before_trim, result.stops, result.acknowledged,
      result.refused, result.unanswered, result.kept_unanswered, result.violations.size());
  for (const std::string& violation : result.violations) fmt::print("    {}\n", violation);
  return result.violations.empty();
}

}  // namespace
}  // namespace forebay::test

int main(int argc, char** argv) {
  using namespace forebay::test;
  CampaignOptions options{.kills = 200, .stops_every = 10};
  std::string on;
  CLI::App app("Kills a server under its writers and counts what was lost");
  app.add_option("--kills", options.kills, "on each database");
  app.add_option("--seed", options.seed);
  app.add_option("--on", on, "sqlite or postgres; both by default")
      ->check(CLI::IsMember({"sqlite", "postgres"}));
  app.add_option("--acks", options.acks, "most acknowledged writes between two kills");
  app.add_option("--durability", options.durability, "fsync, os, or none (which loses writes)");
  app.add_flag("--without-ledger", options.without_ledger, "Break Forebay on purpose: writes count twice");
  CLI11_PARSE(app, argc, argv);
  try {
    bool good = true;
    if (on != "postgres") good = run(*real_sqlite(), options) && good;
    if (on != "sqlite") good = run(*real_postgres(), options) && good;
    return good ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "crash_bench: {}\n", error.what());
    return 2;
  }
}
