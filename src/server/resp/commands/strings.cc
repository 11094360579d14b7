#include "server/resp/commands/strings.h"

namespace forebay::server {

namespace {

constexpr std::uint32_t kRead = kReadonly | kConcurrent;

constexpr Command kCommands[] = {
    {"get", 2, kRead | kFast, 1, 1, 1, get, "Returns the string value of a key.", "1.0.0", "string"},
    {"set", -3, kWrite | kDenyOom | kOnce | kSteady, 1, 1, 1, set,
     "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.", "1.0.0",
     "string"},
    {"setnx", 3, kWrite | kDenyOom | kFast, 1, 1, 1, setnx,
     "Sets the string value of a key only when the key doesn't exist.", "1.0.0", "string"},
    {"setex", 4, kWrite | kDenyOom | kOnce | kSteady, 1, 1, 1, setex,
     "Sets the string value and expiration time of a key. Creates the key if it doesn't exist.", "2.0.0",
     "string"},
    {"psetex", 4, kWrite | kDenyOom | kOnce | kSteady, 1, 1, 1, psetex,
     "Sets both string value and expiration time in milliseconds of a key. Creates the key if it doesn't "
     "exist.",
     "2.6.0", "string"},
    {"getset", 3, kWrite | kDenyOom | kFast, 1, 1, 1, getset,
     "Returns the previous string value of a key after setting it to a new value.", "1.0.0", "string"},
    {"getex", -2, kWrite | kFast, 1, 1, 1, getex,
     "Returns the string value of a key after setting its expiration time.", "6.2.0", "string"},
    {"getdel", 2, kWrite | kFast, 1, 1, 1, getdel,
     "Returns the string value of a key after deleting the key.", "6.2.0", "string"},
    {"mget", -2, kRead | kFast, 1, -1, 1, mget, "Atomically returns the string values of one or more keys.",
     "1.0.0", "string"},
    {"mset", -3, kWrite | kDenyOom | kSteady, 1, -1, 2, mset,
     "Atomically creates or modifies the string values of one or more keys.", "1.0.1", "string"},
    {"msetnx", -3, kWrite | kDenyOom, 1, -1, 2, msetnx,
     "Atomically modifies the string values of one or more keys only when all keys don't exist.", "1.0.1",
     "string"},
    {"append", 3, kWrite | kDenyOom | kFast, 1, 1, 1, append,
     "Appends a string to the value of a key. Creates the key if it doesn't exist.", "2.0.0", "string"},
    {"strlen", 2, kRead | kFast, 1, 1, 1, strlen_command, "Returns the length of a string value.", "2.2.0",
     "string"},
    {"getrange", 4, kRead, 1, 1, 1, getrange, "Returns a substring of the string stored at a key.", "2.4.0",
     "string"},
    {"substr", 4, kRead, 1, 1, 1, getrange, "Returns a substring from a string value.", "1.0.0", "string"},
    {"setrange", 4, kWrite | kDenyOom, 1, 1, 1, setrange,
     "Overwrites a part of a string value with another by an offset. Creates the key if it doesn't exist.",
     "2.2.0", "string"},
    {"getbit", 3, kRead | kFast, 1, 1, 1, getbit, "Returns a bit value by offset.", "2.2.0", "bitmap"},
    {"setbit", 4, kWrite | kDenyOom, 1, 1, 1, setbit,
     "Sets or clears the bit at offset of the string value. Creates the key if it doesn't exist.", "2.2.0",
     "bitmap"},
    {"lcs", -3, kReadonly, 1, 2, 1, lcs, "Finds the longest common substring.", "7.0.0", "string"},
};

}  // namespace

Family string_commands() {
  return kCommands;
}

}  // namespace forebay::server
