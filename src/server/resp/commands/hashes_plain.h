#pragma once

// The hash commands on plain keys. hashes_read.cc and hashes_write.cc do the same for the rows of bound keys, and
// call these where the key is none.

#include "server/resp/commands/command.h"

namespace forebay::server::plain {

void hget(Context& context);
void hmget(Context& context);
void hgetall(Context& context);
void hkeys(Context& context);
void hvals(Context& context);
void hlen(Context& context);
void hexists(Context& context);
void hstrlen(Context& context);
void hscan(Context& context);
void hrandfield(Context& context);
void hset(Context& context);
void hsetnx(Context& context);
void hdel(Context& context);
void hincrby(Context& context);
void hincrbyfloat(Context& context);

}  // namespace forebay::server::plain
