#include "cli/audit.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/configuration.h"
#include "cli/remote.h"

namespace forebay::cli {
namespace {

struct Options {
  RemoteOptions remote;
  std::string file;
  std::string space;
  std::size_t sample = 1000;
};

std::int64_t number_of(const resp::Reply& reply, std::string_view name) {
  for (std::size_t i = 0; i + 1 < reply.children.size(); i += 2) {
    if (reply.children[i].text == name) return reply.children[i + 1].integer;
  }
  return 0;
}

int audit(Options options) {
  if (!options.file.empty()) {
    const auto model = load_configuration(options.file);
    if (!model) {
      print_error(model.error().message);
      return kFailed;
    }
    options.remote.server = model->server.resp;
    if (options.remote.password.empty()) options.remote.password = model->server.password;
  }
  auto client = connect(options.remote);
  if (!client) {
    print_failure(client.error());
    return kFailed;
  }
  std::vector<std::string> command{"FOREBAY", "AUDIT", "SAMPLE", std::to_string(options.sample)};
  if (!options.space.empty()) command.insert(command.end(), {"NAMESPACE", options.space});
  const auto reply = ask(*client, command);
  if (!reply) {
    print_failure(reply.error());
    return kFailed;
  }
  for (const char* name : {"checked", "changed_meanwhile", "stale", "unknown", "violations"})
    fmt::print("{:<18} {}\n", name, number_of(*reply, name));
  const resp::Reply& keys = reply->children.back();
  for (const resp::Reply& key : keys.children) fmt::print("wrong: {}\n", key.text);
  return number_of(*reply, "violations") == 0 ? kDone : kFailed;
}

}  // namespace

void add_audit(CLI::App& program, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      program.add_subcommand("audit", "Have a running server compare cached copies with their sources");
  command->footer("Ends with 1 if a copy is wrong though every change up to then is known.");
  command->add_option("FILE", options->file, "The server's configuration, which says where it listens");
  command->add_option("--namespace", options->space, "Only this one");
  command->add_option("--sample", options->sample, "How many copies, chosen at random (1000)")
      ->check(CLI::Range(1, 100'000));
  add_remote_options(*command, options->remote);
  command->callback([options, &chosen] { chosen = [options] { return audit(*options); }; });
}

}  // namespace forebay::cli
