#include "server/resp/commands/sorted_sets.h"

#include "server/resp/commands/access.h"
#include "server/resp/commands/value_types.h"

namespace forebay::server {
namespace {

constexpr std::uint32_t kRead = kReadonly | kConcurrent;

// The members of a table, or a sorted set of a plain key.
template <Handler table_of, Handler plain_of>
void by_key(Context& context) {
  if (scored_table(context, context.args[1]) != nullptr) return table_of(context);
  if (refuse_other_than_plain(context, context.args[1]) || refuse_op_id(context)) return;
  plain_of(context);
}

constexpr Command kCommands[] = {
    {"zadd", -4, kWrite | kDenyOom | kFast | kOnce, 1, 1, 1, by_key<table::zadd, zadd>,
     "Adds one or more members to a sorted set, or updates their scores. Creates the key if it doesn't "
     "exist.",
     "1.2.0", "sorted-set"},
    {"zincrby", 4, kWrite | kDenyOom | kFast | kOnce, 1, 1, 1, by_key<table::zincrby, zincrby>,
     "Increments the score of a member in a sorted set.", "1.2.0", "sorted-set"},
    {"zrem", -3, kWrite | kFast | kOnce, 1, 1, 1, by_key<table::zrem, zrem>,
     "Removes one or more members from a sorted set. Deletes the sorted set if all members were removed.",
     "1.2.0", "sorted-set"},
    {"zscore", 3, kRead | kFast, 1, 1, 1, by_key<table::zscore, zscore>,
     "Returns the score of a member in a sorted set.", "1.2.0", "sorted-set"},
    {"zmscore", -3, kRead | kFast, 1, 1, 1, by_key<table::zmscore, zmscore>,
     "Returns the score of one or more members in a sorted set.", "6.2.0", "sorted-set"},
    {"zcard", 2, kRead | kFast, 1, 1, 1, zcard, "Returns the number of members in a sorted set.", "1.2.0",
     "sorted-set"},
    {"zcount", 4, kRead | kFast, 1, 1, 1, zcount,
     "Returns the count of members in a sorted set that have scores within a range.", "2.0.0", "sorted-set"},
    {"zlexcount", 4, kRead | kFast, 1, 1, 1, zlexcount,
     "Returns the number of members in a sorted set within a lexicographical range.", "2.8.9", "sorted-set"},
    {"zrank", -3, kRead | kFast, 1, 1, 1, zrank,
     "Returns the index of a member in a sorted set ordered by ascending scores.", "2.0.0", "sorted-set"},
    {"zrevrank", -3, kRead | kFast, 1, 1, 1, zrevrank,
     "Returns the index of a member in a sorted set ordered by descending scores.", "2.0.0", "sorted-set"},
    {"zrange", -4, kRead, 1, 1, 1, zrange, "Returns members in a sorted set within a range of indexes.",
     "1.2.0", "sorted-set"},
    {"zrevrange", -4, kRead, 1, 1, 1, zrevrange,
     "Returns members in a sorted set within a range of indexes in reverse order.", "1.2.0", "sorted-set"},
    {"zrangebyscore", -4, kRead, 1, 1, 1, zrangebyscore,
     "Returns members in a sorted set within a range of scores.", "1.0.5", "sorted-set"},
    {"zrevrangebyscore", -4, kRead, 1, 1, 1, zrevrangebyscore,
     "Returns members in a sorted set within a range of scores in reverse order.", "2.2.0", "sorted-set"},
    {"zrangebylex", -4, kRead, 1, 1, 1, zrangebylex,
     "Returns members in a sorted set within a lexicographical range.", "2.8.9", "sorted-set"},
    {"zrevrangebylex", -4, kRead, 1, 1, 1, zrevrangebylex,
     "Returns members in a sorted set within a lexicographical range in reverse order.", "2.8.9",
     "sorted-set"},
    {"zrangestore", -5, kWrite | kDenyOom, 1, 2, 1, zrangestore,
     "Stores a range of members from sorted set in a key.", "6.2.0", "sorted-set"},
    {"zremrangebyrank", 4, kWrite, 1, 1, 1, zremrangebyrank,
     "Removes members in a sorted set within a range of indexes.", "2.0.0", "sorted-set"},
    {"zremrangebyscore", 4, kWrite, 1, 1, 1, zremrangebyscore,
     "Removes members in a sorted set within a range of scores.", "1.2.0", "sorted-set"},
    {"zremrangebylex", 4, kWrite, 1, 1, 1, zremrangebylex,
     "Removes members in a sorted set within a lexicographical range.", "2.8.9", "sorted-set"},
    {"zpopmin", -2, kWrite | kFast, 1, 1, 1, zpopmin,
     "Returns the lowest-scoring members from a sorted set after removing them.", "5.0.0", "sorted-set"},
    {"zpopmax", -2, kWrite | kFast, 1, 1, 1, zpopmax,
     "Returns the highest-scoring members from a sorted set after removing them.", "5.0.0", "sorted-set"},
    {"zmpop", -4, kWrite, 0, 0, 0, zmpop,
     "Returns the highest- or lowest-scoring members from one or more sorted sets after removing them.",
     "7.0.0", "sorted-set", 1},
    {"zrandmember", -2, kReadonly, 1, 1, 1, zrandmember,
     "Returns one or more random members from a sorted set.", "6.2.0", "sorted-set"},
    {"zscan", -3, kRead, 1, 1, 1, zscan, "Iterates over members and scores of a sorted set.", "2.8.0",
     "sorted-set"},
    {"zunion", -3, kReadonly, 0, 0, 0, zunion, "Returns the union of multiple sorted sets.", "6.2.0",
     "sorted-set", 1},
    {"zinter", -3, kReadonly, 0, 0, 0, zinter, "Returns the intersect of multiple sorted sets.", "6.2.0",
     "sorted-set", 1},
    {"zdiff", -3, kReadonly, 0, 0, 0, zdiff, "Returns the difference between multiple sorted sets.", "6.2.0",
     "sorted-set", 1},
    {"zunionstore", -4, kWrite | kDenyOom, 1, 1, 1, zunionstore,
     "Stores the union of multiple sorted sets in a key.", "2.0.0", "sorted-set", 2},
    {"zinterstore", -4, kWrite | kDenyOom, 1, 1, 1, zinterstore,
     "Stores the intersect of multiple sorted sets in a key.", "2.0.0", "sorted-set", 2},
    {"zdiffstore", -4, kWrite | kDenyOom, 1, 1, 1, zdiffstore,
     "Stores the difference of multiple sorted sets in a key.", "6.2.0", "sorted-set", 2},
    {"zintercard", -3, kReadonly, 0, 0, 0, zintercard,
     "Returns the number of members of the intersect of multiple sorted sets.", "7.0.0", "sorted-set", 1},
};

}  // namespace

Family sorted_set_commands() {
  return kCommands;
}

}  // namespace forebay::server
