#include "cli/deadletters.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/configuration.h"
#include "cli/remote.h"

namespace forebay::cli {
namespace {

struct Options {
  RemoteOptions remote;
  std::string source;
  std::string after;
  unsigned count = 100;
  std::vector<std::string> ids;
  std::string edited;  // an id
  std::string operation;
};

// A member of a map that the server sent.
std::string_view member(const resp::Reply& map, std::string_view name) {
  for (std::size_t i = 0; i + 1 < map.children.size(); i += 2) {
    if (map.children[i].text == name) return map.children[i + 1].text;
  }
  return {};
}

int list(const Options& options, RespClient& client) {
  std::vector<std::string> command{"FOREBAY", "DEADLETTERS", "LIST", "COUNT", std::to_string(options.count)};
  if (!options.source.empty()) command.insert(command.end(), {"SOURCE", options.source});
  if (!options.after.empty()) command.insert(command.end(), {"AFTER", options.after});
  const auto reply = ask(client, command);
  if (!reply) {
    print_failure(reply.error());
    return kFailed;
  }
  for (const resp::Reply& letter : reply->children) {
    fmt::print("{}  {}  {}\n    {}\n", member(letter, "id"), member(letter, "at"), member(letter, "key"),
               member(letter, "error"));
  }
  if (reply->children.empty()) {
    fmt::print("no dead letters{}\n", options.after.empty() ? "" : " after that one");
  } else if (reply->children.size() == options.count) {
    fmt::print("there may be more: --after {}\n", member(reply->children.back(), "id"));
  }
  return kDone;
}

int show(const Options& options, RespClient& client) {
  for (const std::string& id : options.ids) {
    const auto reply = ask(client, {"FOREBAY", "DEADLETTERS", "SHOW", id});
    if (!reply) {
      print_failure(reply.error());
      return kFailed;
    }
    if (reply->kind == resp::ReplyKind::kNull) {
      print_failure({ErrorCode::kInvalidArgument, fmt::format("there is no dead letter {}", id)});
      return kFailed;
    }
    for (std::size_t i = 0; i + 1 < reply->children.size(); i += 2)
      fmt::print("{:<9}  {}\n", reply->children[i].text, reply->children[i + 1].text);
  }
  return kDone;
}

// RETRY and DROP of each, EDIT of one.
int change(const Options& options, RespClient& client, std::string_view verb, std::string_view done) {
  std::string operation = options.operation;
  if (operation == "-") operation.assign(std::istreambuf_iterator<char>(std::cin), {});
  const std::vector<std::string> ids = verb == "EDIT" ? std::vector{options.edited} : options.ids;
  for (const std::string& id : ids) {
    std::vector<std::string> command{"FOREBAY", "DEADLETTERS", std::string(verb), id};
    if (verb == "EDIT") command.push_back(operation);
    const auto reply = ask(client, command);
    if (!reply) {
      print_failure(reply.error());
      return kFailed;
    }
    if (reply->integer == 0) {
      print_failure({ErrorCode::kInvalidArgument, fmt::format("there is no dead letter {}", id)});
      return kFailed;
    }
    fmt::print("{} {}\n", done, id);
  }
  return kDone;
}

using Act = int (*)(const Options&, RespClient&);

int run(const Options& options, Act act) {
  auto client = connect(options.remote);
  if (client) return act(options, *client);
  print_failure(client.error());
  return kFailed;
}

}  // namespace

void add_deadletters(CLI::App& program, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* letters = program.add_subcommand(
      "deadletters", "The acknowledged writes that a running server's databases refused");
  letters->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, Act act) {
    CLI::App* command = letters->add_subcommand(name, what);
    add_remote_options(*command, options->remote);
    command->callback([options, &chosen, act] { chosen = [options, act] { return run(*options, act); }; });
    return command;
  };
  CLI::App* command = add("list", "List them, oldest first", list);
  command->add_option("--source", options->source, "Only those of one source");
  command->add_option("--after", options->after, "Only those after this one");
  command->add_option("--count", options->count, "How many at most")
      ->check(CLI::Range(1U, 10'000U))
      ->capture_default_str();

  command = add("show", "Print all that is known of some", show);
  command->add_option("ID", options->ids, "As `list` prints them")->required();

  command = add("retry", "Write them again", [](const Options& chosen_options, RespClient& client) {
    return change(chosen_options, client, "RETRY", "written again:");
  });
  command->footer("What the database refuses again stays a dead letter.");
  command->add_option("ID", options->ids, "As `list` prints them")->required();

  command = add("edit", "Change what one is to write", [](const Options& chosen_options, RespClient& client) {
    return change(chosen_options, client, "EDIT", "changed:");
  });
  command->footer("`show` prints what it is now. Nothing is written before a `retry`.");
  command->add_option("ID", options->edited, "As `list` prints it")->required();
  command->add_option("OPERATION", options->operation, "JSON; - reads it from standard input")->required();

  command = add("drop", "Forget them: they will never be written",
                [](const Options& chosen_options, RespClient& client) {
                  return change(chosen_options, client, "DROP", "dropped:");
                });
  command->add_option("ID", options->ids, "As `list` prints them")->required();
}

}  // namespace forebay::cli
