#include "server/resp/commands/hashes.h"

#include "server/resp/commands/value_types.h"

namespace forebay::server {
namespace {

constexpr std::uint32_t kRead = kReadonly | kConcurrent;

constexpr Command kCommands[] = {
    {"hget", 3, kRead | kFast, 1, 1, 1, hget, "Returns the value of a field in a hash.", "2.0.0", "hash"},
    {"hmget", -3, kRead | kFast, 1, 1, 1, hmget, "Returns the values of the given fields of a hash.", "2.0.0",
     "hash"},
    {"hgetall", 2, kRead, 1, 1, 1, hgetall, "Returns all fields and values in a hash.", "2.0.0", "hash"},
    {"hkeys", 2, kRead, 1, 1, 1, hkeys, "Returns all fields in a hash.", "2.0.0", "hash"},
    {"hvals", 2, kRead, 1, 1, 1, hvals, "Returns all values in a hash.", "2.0.0", "hash"},
    {"hlen", 2, kRead | kFast, 1, 1, 1, hlen, "Returns the number of fields in a hash.", "2.0.0", "hash"},
    {"hexists", 3, kRead | kFast, 1, 1, 1, hexists, "Determines whether a field exists in a hash.", "2.0.0",
     "hash"},
    {"hstrlen", 3, kRead | kFast, 1, 1, 1, hstrlen, "Returns the length of the value of a field.", "3.2.0",
     "hash"},
    {"hscan", -3, kRead, 1, 1, 1, hscan, "Iterates over fields and values of a hash.", "2.8.0", "hash"},
    {"hset", -4, kWrite | kDenyOom | kFast | kOnce, 1, 1, 1, hset,
     "Creates or modifies the value of a field in a hash.", "2.0.0", "hash"},
    {"hmset", -4, kWrite | kDenyOom | kFast | kOnce, 1, 1, 1, hset, "Sets the values of multiple fields.",
     "2.0.0", "hash"},
    {"hdel", -3, kWrite | kFast | kOnce, 1, 1, 1, hdel,
     "Deletes one or more fields and their values from a hash.", "2.0.0", "hash"},
    {"hincrby", 4, kWrite | kDenyOom | kFast | kOnce, 1, 1, 1, hincrby,
     "Increments the integer value of a field in a hash by a number.", "2.0.0", "hash"},
    {"hincrbyfloat", 4, kWrite | kDenyOom | kFast | kOnce, 1, 1, 1, hincrbyfloat,
     "Increments the floating point value of a field by a number.", "2.6.0", "hash"},
};

}  // namespace

bool refuse_no_row(Context& context) {
  const NamespaceInfo& space = context.layer.route(context.args[1]);
  if (!space.bound) {
    context.reply.error(
        "ERR hashes as a data type are not available yet; hash commands work on the rows of a namespace with "
        "a "
        "source");
    return true;
  }
  return refuse_wrong_type(context, WorksOn::kHashes, space.type);
}

Family hash_commands() {
  return kCommands;
}

}  // namespace forebay::server
