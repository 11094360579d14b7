#pragma once

// Containers of which a server that is alone has little to say.

#include "server/resp/commands/command.h"

namespace forebay::server {

void acl(Context& context);
void module(Context& context);

}  // namespace forebay::server
