#include "server/resp/commands/watching.h"

#include "server/resp/commands/subcommand.h"
#include "server/resp/session.h"
#include "server/server.h"
#include "server/watch/monitors.h"

namespace forebay::server {
namespace {

void monitor(Context& context) {
  context.session.watch(context.server.monitors().add(context.session.control().line_sink()));
  context.reply.ok();
}

constexpr Command kCommands[] = {
    {"latency", -2, kAdmin, 0, 0, 0, latency, "A container for latency diagnostics commands.", "2.8.13",
     "server", 0, nullptr, latency_subcommands},
    {"memory", -2, kReadonly, 2, 2, 1, memory, "A container for memory diagnostics commands.", "4.0.0",
     "server", 0, nullptr, memory_subcommands},
    {"monitor", 1, kAdmin | kDenyMulti, 0, 0, 0, monitor,
     "Listens for all requests received by the server in real time.", "1.0.0", "server"},
    {"slowlog", -2, kAdmin, 0, 0, 0, slowlog, "A container for slow log commands.", "2.2.12", "server", 0,
     nullptr, slowlog_subcommands},
};

}  // namespace

void show_command(const Context& context, const Command& command, std::string_view whose) {
  context.server.monitors().show(context.layer.clock().to_wall_ms(context.now), context.session.database(),
                                 whose, command, context.args);
}

Family watching_commands() {
  return kCommands;
}

}  // namespace forebay::server
