#pragma once

#include "server/resp/commands/command.h"

namespace forebay::server {

void pubsub_command(Context& context);

}  // namespace forebay::server
