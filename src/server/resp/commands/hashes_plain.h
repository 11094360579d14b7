#pragma once

// The hash commands on plain keys. hashes_read.cc and hashes_write.cc do the same for the rows of bound keys, and
// call these where the key is none.

#include <limits>

#include "memory/collection/fields.h"
#include "server/resp/commands/collections.h"

namespace forebay::server::plain {

// Shows the fields of the hash args[1], or has them edited (collections.h). Those whose time has come are gone before.
Seen see_fields(Context& context, FunctionRef<void(const memory::Fields&)> show);
bool edit_fields(Context& context, Missing missing, Growth growth, FunctionRef<bool(memory::Fields&)> change);
// Drops fields of a hash whose time has come, at most so many. Returns how many.
std::size_t drop_ended_fields(Layer& layer, std::string_view key, Instant now,
                              std::size_t most = std::numeric_limits<std::size_t>::max());

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
