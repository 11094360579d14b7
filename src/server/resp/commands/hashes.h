#pragma once

// Hash commands on bound keys: a row of a namespace with a source, seen as a hash of its columns. A column that
// is NULL is a field that does not exist; HDEL makes it NULL. Those on plain keys are in hashes_plain.h.

#include "server/resp/commands/command.h"

namespace forebay::server {

// hashes_read.cc
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
// HRANDFIELD's count and WITHVALUES, which it has been given. Nothing: an error has been answered.
struct DrawnFields {
  std::int64_t count = 0;
  bool values = false;
};
std::optional<DrawnFields> parse_drawn_fields(Context& context);

// hashes_write.cc
void hset(Context& context);
void hdel(Context& context);
void hincrby(Context& context);
void hincrbyfloat(Context& context);

// Answers an error unless the bound key (args[1]) stands for a row. True: answered.
bool refuse_no_row(Context& context);

}  // namespace forebay::server
