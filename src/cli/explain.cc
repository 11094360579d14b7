#include "cli/explain.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "cli/configuration.h"
#include "cli/remote.h"

namespace forebay::cli {
namespace {

struct Options {
  RemoteOptions remote;
  std::vector<std::string> keys;
};

void print_facts(const resp::Reply& reply) {
  std::size_t width = 0;
  for (std::size_t i = 0; i + 1 < reply.children.size(); i += 2)
    width = std::max(width, reply.children[i].text.size());
  for (std::size_t i = 0; i + 1 < reply.children.size(); i += 2) {
    fmt::print("{:<{}}  {}\n", reply.children[i].text, width,
               reply.children[i + 1].text.empty() ? "-" : reply.children[i + 1].text);
  }
}

int explain(const Options& options) {
  auto client = connect(options.remote);
  if (!client) {
    print_failure(client.error());
    return kFailed;
  }
  for (std::size_t i = 0; i < options.keys.size(); ++i) {
    const auto reply = ask(*client, {"FOREBAY", "EXPLAIN", options.keys[i]});
    if (!reply) {
      print_failure(reply.error());
      return kFailed;
    }
    if (i > 0) fmt::print("\n");
    print_facts(*reply);
  }
  return kDone;
}

}  // namespace

void add_explain(CLI::App& program, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("explain", "Print what a running server knows of keys");
  command->add_option("KEY", options->keys, "Whole keys")->required();
  add_remote_options(*command, options->remote);
  command->callback([options, &chosen] { chosen = [options] { return explain(*options); }; });
}

}  // namespace forebay::cli
