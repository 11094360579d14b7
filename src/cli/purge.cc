#include "cli/purge.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "cli/configuration.h"
#include "cli/remote.h"

namespace forebay::cli {
namespace {

struct Options {
  RemoteOptions remote;
  bool all = false;
  std::string space;
  std::string match;
  std::string tag;
  std::vector<std::string> keys;
};

int purge(const Options& options) {
  std::vector<std::string> command{"FOREBAY", "PURGE"};
  if (options.all) {
    command.emplace_back("ALL");
  } else if (!options.space.empty()) {
    command.insert(command.end(), {"NAMESPACE", options.space});
  } else if (!options.tag.empty()) {
    command.insert(command.end(), {"TAG", options.tag});
  } else if (!options.match.empty()) {
    command.insert(command.end(), {"MATCH", options.match});
  } else {
    command.assign({"DEL"});
    command.insert(command.end(), options.keys.begin(), options.keys.end());
  }
  auto client = connect(options.remote);
  if (!client) {
    print_failure(client.error());
    return kFailed;
  }
  const auto reply = ask(*client, command);
  if (!reply) {
    print_failure(reply.error());
    return kFailed;
  }
  if (reply->kind == resp::ReplyKind::kInteger) {
    fmt::print("dropped {} cached cop{}\n", reply->integer, reply->integer == 1 ? "y" : "ies");
  } else if (options.all) {
    fmt::print("dropped all cached copies\n");
  } else if (!options.tag.empty()) {
    fmt::print("dropped all cached copies with the tag {}\n", options.tag);
  } else {
    fmt::print("dropped all cached copies of {}\n", options.space);
  }
  return kDone;
}

}  // namespace

void add_purge(CLI::App& program, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("purge", "Have a running server drop cached copies");
  command->footer("No row of a database is deleted by this.");
  CLI::Option_group* what = command->add_option_group("What to drop", "exactly one of these");
  what->add_flag("--all", options->all, "Everything");
  what->add_option("--namespace", options->space, "All of one namespace");
  what->add_option("--tag", options->tag, "All that have a tag");
  what->add_option("--match", options->match, "Keys that a pattern matches, such as 'user:4*'");
  what->add_option("KEY", options->keys, "These keys");
  what->require_option(1);
  add_remote_options(*command, options->remote);
  command->callback([options, &chosen] { chosen = [options] { return purge(*options); }; });
}

}  // namespace forebay::cli
