// Commands about the server as a whole.

#include "server/resp/commands/server.h"

#include <array>
#include <string>

#include "server/resp/commands/subcommand.h"

namespace forebay::server {
namespace {

void time_command(Context& context) {
  const std::int64_t now_ms = context.layer.clock().to_wall_ms(context.now);
  context.reply.array(2);
  context.reply.bulk(std::to_string(now_ms / 1000));
  context.reply.bulk(std::to_string(now_ms % 1000 * 1000));
}

// Whoever may connect may not end the service for everyone else.
void shutdown_command(Context& context) {
  context.reply.error(
      "ERR SHUTDOWN is not available to clients: send the process SIGTERM, it drains and ends");
}

constexpr std::array kCommands{
    Command{"command", -1, kConcurrent, 0, 0, 0, command_command,
            "Returns detailed information about all commands.", "2.8.13", "server", 0, nullptr,
            command_subcommands},
    Command{"config", -2, kAdmin, 0, 0, 0, config_command, "A container for server configuration commands.",
            "2.0.0", "server", 0, nullptr, config_subcommands},
    Command{"info", -1, 0, 0, 0, 0, info_command, "Returns information and statistics about the server.",
            "1.0.0", "server"},
    Command{"shutdown", -1, kAdmin | kDenyMulti, 0, 0, 0, shutdown_command,
            "Refused: the server ends on SIGTERM.", "1.0.0", "server"},
    Command{"time", 1, kFast, 0, 0, 0, time_command, "Returns the server time.", "2.6.0", "server"},
};

}  // namespace

Family server_commands() {
  return kCommands;
}

}  // namespace forebay::server
