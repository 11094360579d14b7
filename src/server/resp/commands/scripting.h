#pragma once

#include <span>
#include <string_view>

#include "server/resp/commands/command.h"

namespace forebay::server {

// Whether the command runs a script, or needs what scripts run in.
bool is_script(const Command& command);

// Whether the command has to wait for the script that runs: it might wait for the script's shards otherwise, or
// see half of what the script does.
bool waits_for_script(Context& context, const Command& command, std::span<const std::string_view> args);

inline constexpr std::string_view kBusyScript =
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";

}  // namespace forebay::server
