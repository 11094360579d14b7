#include "cli/demo_subcommand.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>

#include "cli/demo.h"

namespace forebay::cli {

void add_demo(CLI::App& program, Action& chosen) {
  auto options = std::make_shared<DemoOptions>();
  CLI::App* command = program.add_subcommand("demo", "Serve this machine's package catalogue and measure it");
  command->footer(
      "Imports the catalogue into SQLite, puts a load on a server in front of it, prints what that cost the "
      "database, and goes on serving until Ctrl-C.");
  command->add_flag("--once", options->once, "End after the account; status 1 if a claim in it did not hold");
  command->add_flag("--small", options->small, "Use the small catalogue that the program carries");
  command->add_option("--port", options->port, "Redis protocol; 0: any free one")->capture_default_str();
  command->add_option("--http-port", options->http_port, "Metrics and health; 0: any free one")
      ->capture_default_str();
  command->add_option("--clients", options->clients, "Connections of the mixed load")
      ->check(CLI::Range(1U, 1000U))
      ->capture_default_str();
  command
      ->add_option_function<unsigned>(
          "--seconds", [options](unsigned seconds) { options->seconds = std::chrono::seconds(seconds); },
          "How long the mixed load runs")
      ->check(CLI::Range(1U, 3600U))
      ->default_str(std::to_string(options->seconds.count()));
  command->add_option("--data", options->data, "Keep the database and the configuration in this folder");
  command->callback([options, &chosen] { chosen = [options] { return run_demo(*options); }; });
}

}  // namespace forebay::cli
