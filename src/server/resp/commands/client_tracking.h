#pragma once

#include "server/resp/commands/command.h"

namespace forebay::server {

// Subcommands of CLIENT.
void client_tracking(Context& context);
void client_caching(Context& context);
void client_trackinginfo(Context& context);
void client_getredir(Context& context);

// Before a command of a client that tracks keys runs: notes the keys that it is about to read, if the client
// wants that.
void note_reads(Context& context, const Command& command);

}  // namespace forebay::server
