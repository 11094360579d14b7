#include "server/resp/commands/hashes.h"

#include "server/resp/commands/access.h"
#include "server/resp/commands/hashes_plain.h"
#include "server/resp/commands/value_types.h"

namespace forebay::server {
namespace {

constexpr std::uint32_t kRead = kReadonly | kConcurrent;

// A row of a bound key, or a hash of a plain one.
template <Handler row, Handler hash>
void by_key(Context& context) {
  if (is_bound(context, context.args[1])) return row(context);
  if (!refuse_op_id(context)) hash(context);
}

void refuse_row(Context& context) {
  refuse_bound(context, context.args[1]);
}

constexpr Command kCommands[] = {
    {"hget", 3, kRead | kFast, 1, 1, 1, by_key<hget, plain::hget>, "Returns the value of a field in a hash.",
     "2.0.0", "hash"},
    {"hmget", -3, kRead | kFast, 1, 1, 1, by_key<hmget, plain::hmget>,
     "Returns the values of the given fields of a hash.", "2.0.0", "hash"},
    {"hgetall", 2, kRead, 1, 1, 1, by_key<hgetall, plain::hgetall>,
     "Returns all fields and values in a hash.", "2.0.0", "hash"},
    {"hkeys", 2, kRead, 1, 1, 1, by_key<hkeys, plain::hkeys>, "Returns all fields in a hash.", "2.0.0",
     "hash"},
    {"hvals", 2, kRead, 1, 1, 1, by_key<hvals, plain::hvals>, "Returns all values in a hash.", "2.0.0",
     "hash"},
    {"hlen", 2, kRead | kFast, 1, 1, 1, by_key<hlen, plain::hlen>, "Returns the number of fields in a hash.",
     "2.0.0", "hash"},
    {"hexists", 3, kRead | kFast, 1, 1, 1, by_key<hexists, plain::hexists>,
     "Determines whether a field exists in a hash.", "2.0.0", "hash"},
    {"hstrlen", 3, kRead | kFast, 1, 1, 1, by_key<hstrlen, plain::hstrlen>,
     "Returns the length of the value of a field.", "3.2.0", "hash"},
    {"hscan", -3, kRead, 1, 1, 1, by_key<hscan, plain::hscan>, "Iterates over fields and values of a hash.",
     "2.8.0", "hash"},
    {"hrandfield", -2, kReadonly, 1, 1, 1, by_key<hrandfield, plain::hrandfield>,
     "Returns one or more random fields from a hash.", "6.2.0", "hash"},
    {"hsetnx", 4, kWrite | kDenyOom | kFast, 1, 1, 1, by_key<refuse_row, plain::hsetnx>,
     "Sets the value of a field in a hash only when the field doesn't exist.", "2.0.0", "hash"},
    {"hset", -4, kWrite | kDenyOom | kFast | kOnce, 1, 1, 1, hset,
     "Creates or modifies the value of a field in a hash.", "2.0.0", "hash"},
    {"hmset", -4, kWrite | kDenyOom | kFast | kOnce, 1, 1, 1, hset, "Sets the values of multiple fields.",
     "2.0.0", "hash"},
    {"hdel", -3, kWrite | kFast | kOnce, 1, 1, 1, by_key<hdel, plain::hdel>,
     "Deletes one or more fields and their values from a hash.", "2.0.0", "hash"},
    {"hincrby", 4, kWrite | kDenyOom | kFast | kOnce, 1, 1, 1, by_key<hincrby, plain::hincrby>,
     "Increments the integer value of a field in a hash by a number.", "2.0.0", "hash"},
    {"hincrbyfloat", 4, kWrite | kDenyOom | kFast | kOnce, 1, 1, 1, by_key<hincrbyfloat, plain::hincrbyfloat>,
     "Increments the floating point value of a field by a number.", "2.6.0", "hash"},
};

}  // namespace

bool refuse_no_row(Context& context) {
  const NamespaceInfo& space = context.layer.route(context.args[1]);
  return refuse_wrong_type(context, WorksOn::kHashes, space.type);
}

Family hash_commands() {
  return kCommands;
}

}  // namespace forebay::server
