#pragma once

// Handlers of the server family that have a file of their own.

#include "server/resp/commands/command.h"

namespace forebay::server {

void command_command(Context& context);  // command_info.cc
void config_command(Context& context);   // config.cc
void info_command(Context& context);     // info.cc

}  // namespace forebay::server
