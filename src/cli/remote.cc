#include "cli/remote.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <string_view>

namespace forebay::cli {

void add_remote_options(CLI::App& command, RemoteOptions& options) {
  command.add_option("--server", options.server, "Where its Redis front listens, HOST:PORT")
      ->capture_default_str();
  command.add_option("--password", options.password, "Its password")->envname("FOREBAY_PASSWORD");
  command.add_option("--timeout", options.timeout, "Seconds to wait for it")
      ->check(CLI::Range(1U, 86'400U))
      ->capture_default_str();
}

Result<RespClient> connect(const RemoteOptions& options) {
  auto client = RespClient::connect(std::string_view(options.server), std::chrono::seconds(options.timeout));
  if (!client || options.password.empty()) return client;
  if (auto reply = ask(*client, {"AUTH", options.password}); !reply) return reply.error();
  return client;
}

Result<resp::Reply> ask(RespClient& client, const std::vector<std::string>& arguments) {
  const std::vector<std::string_view> views(arguments.begin(), arguments.end());
  auto reply = client.call(views);
  if (reply && reply->is_error())
    return Error{ErrorCode::kRefused, fmt::format("the server says: {}", reply->text)};
  return reply;
}

}  // namespace forebay::cli
