#pragma once

#include "server/resp/commands/command.h"

namespace forebay::server {

void incr(Context& context);
void decr(Context& context);
void incrby(Context& context);
void decrby(Context& context);
void incrbyfloat(Context& context);

}  // namespace forebay::server
