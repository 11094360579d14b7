#include "cli/warm.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/configuration.h"
#include "cli/remote.h"

namespace forebay::cli {
namespace {

constexpr std::size_t kKeysAtOnce = 1000;  // of one FOREBAY WARM

struct Options {
  RemoteOptions remote;
  std::string space;
  std::vector<std::string> keys;
};

// Keys from the command line, or else one a line from standard input, so that a list of any length streams
// through.
class Keys {
 public:
  explicit Keys(std::vector<std::string> given) : given_(std::move(given)), from_input_(given_.empty()) {}

  std::vector<std::string> take(std::size_t most) {
    std::vector<std::string> keys;
    if (!from_input_) {
      const auto end = given_.begin() + static_cast<std::ptrdiff_t>(std::min(most, given_.size()));
      keys.assign(std::move_iterator(given_.begin()), std::move_iterator(end));
      given_.erase(given_.begin(), end);
      return keys;
    }
    std::string line;
    while (keys.size() < most && std::getline(std::cin, line)) {
      if (!line.empty()) keys.push_back(std::move(line));
    }
    return keys;
  }

 private:
  std::vector<std::string> given_;
  bool from_input_;
};

int warm(Options options) {
  auto client = connect(options.remote);
  if (!client) {
    print_failure(client.error());
    return kFailed;
  }
  Keys keys(std::move(options.keys));
  std::size_t asked = 0;
  std::int64_t loaded = 0;
  for (auto some = keys.take(kKeysAtOnce); !some.empty(); some = keys.take(kKeysAtOnce)) {
    std::vector<std::string> command{"FOREBAY", "WARM", options.space};
    asked += some.size();
    std::ranges::move(some, std::back_inserter(command));
    const auto reply = ask(*client, command);
    if (!reply) {
      print_failure(reply.error());
      return kFailed;
    }
    loaded += reply->integer;
  }
  fmt::print("loaded {} of {} keys\n", loaded, asked);
  return kDone;
}

}  // namespace

void add_warm(CLI::App& program, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("warm", "Have a running server load keys that are not fresh");
  command->add_option("NAMESPACE", options->space, "The namespace that the keys belong to")->required();
  command->add_option("KEY", options->keys, "Whole keys; without any: one a line from standard input");
  add_remote_options(*command, options->remote);
  command->callback([options, &chosen] { chosen = [options] { return warm(*options); }; });
}

}  // namespace forebay::cli
