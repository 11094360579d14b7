#pragma once

// What the subcommands that speak to a running server have in common.

#include <functional>
#include <string>
#include <vector>

#include "cli/command_line.h"
#include "cli/resp_client.h"

namespace forebay::cli {

struct RemoteOptions {
  std::string server = "127.0.0.1:6380";  // host:port of its Redis front
  std::string password;
  unsigned timeout = 60;  // seconds that connecting or one command may take
};

// Declares --server, --password (also FOREBAY_PASSWORD) and --timeout.
void add_remote_options(CLI::App& command, RemoteOptions& options);

// Connects and says the password, if there is one.
Result<RespClient> connect(const RemoteOptions& options);

// One command; a reply that is an error comes as an Error (kRefused), too.
Result<resp::Reply> ask(RespClient& client, const std::vector<std::string>& arguments);

}  // namespace forebay::cli
