#pragma once

// What people look at a running server with: MONITOR, SLOWLOG, LATENCY, MEMORY.

#include <string_view>

#include "server/resp/commands/command.h"

namespace forebay::server {

// Shows the command, which is about to run for the client, to those who watch. `whose`: its address, or "lua".
void show_command(const Context& context, const Command& command, std::string_view whose);

void latency(Context& context);
void memory(Context& context);
void slowlog(Context& context);

}  // namespace forebay::server
