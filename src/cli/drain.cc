#include "cli/drain.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/configuration.h"
#include "cli/remote.h"

namespace forebay::cli {
namespace {

constexpr unsigned kMargin = 5;  // seconds that the server has to answer once its own time is over

struct Options {
  RemoteOptions remote;
  std::string space;
};

int drain(const Options& options) {
  RemoteOptions remote = options.remote;
  remote.timeout += kMargin;
  auto client = connect(remote);
  if (!client) {
    print_failure(client.error());
    return kFailed;
  }
  std::vector<std::string> command{"FOREBAY", "DRAIN"};
  if (!options.space.empty()) command.insert(command.end(), {"NAMESPACE", options.space});
  command.push_back(std::to_string(options.remote.timeout * 1000ULL));
  const auto reply = ask(*client, command);
  if (!reply) {
    print_failure(reply.error());
    return kFailed;
  }
  const std::string what = options.space.empty() ? "" : " of " + options.space;
  if (reply->integer == 1) {
    fmt::print("the databases have all writes{}\n", what);
    return kDone;
  }
  print_failure({ErrorCode::kTimeout, fmt::format("not all writes{} reached the databases within {} s: the "
                                                  "journal keeps the rest",
                                                  what, options.remote.timeout)});
  return kFailed;
}

}  // namespace

void add_drain(CLI::App& program, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      program.add_subcommand("drain", "Have a running server send what its journal holds to the databases");
  command->footer("For namespaces with write = \"behind\". New writes are taken meanwhile.");
  command->add_option("--namespace", options->space, "Only the writes of one namespace");
  add_remote_options(*command, options->remote);
  command->callback([options, &chosen] { chosen = [options] { return drain(*options); }; });
}

}  // namespace forebay::cli
