#include "server/resp/commands/generic.h"

#include "server/resp/commands/databases.h"
#include "server/resp/commands/subcommand.h"

namespace forebay::server {
namespace {

constexpr Command kCommands[] = {
    {"del", -2, kWrite, 1, -1, 1, del, "Deletes one or more keys.", "1.0.0", "generic"},
    {"unlink", -2, kWrite | kFast, 1, -1, 1, del, "Asynchronously deletes one or more keys.", "4.0.0",
     "generic"},
    {"exists", -2, kReadonly | kConcurrent | kFast, 1, -1, 1, exists,
     "Determines whether one or more keys exist.", "1.0.0", "generic"},
    {"touch", -2, kReadonly | kFast, 1, -1, 1, touch,
     "Returns the number of existing keys out of those specified after updating the time they were last "
     "accessed.",
     "3.2.1", "generic"},
    {"type", 2, kReadonly | kConcurrent | kFast, 1, 1, 1, type,
     "Determines the type of value stored at a key.", "1.0.0", "generic"},
    {"rename", 3, kWrite, 1, 2, 1, rename_key, "Renames a key and overwrites the destination.", "1.0.0",
     "generic"},
    {"renamenx", 3, kWrite | kFast, 1, 2, 1, renamenx,
     "Renames a key only when the target key name doesn't exist.", "1.0.0", "generic"},
    {"copy", -3, kWrite | kDenyOom, 1, 2, 1, copy, "Copies the value of a key to a new key.", "6.2.0",
     "generic"},
    {"move", 3, kWrite | kFast, 1, 1, 1, move, "Moves a key to another database.", "1.0.0", "generic"},
    {"keys", 2, kReadonly, 0, 0, 0, keys, "Returns all key names that match a pattern.", "1.0.0", "generic"},
    {"scan", -2, kReadonly, 0, 0, 0, scan, "Iterates over the key names in the database.", "2.8.0",
     "generic"},
    {"randomkey", 1, kReadonly, 0, 0, 0, randomkey, "Returns a random key name from the database.", "1.0.0",
     "generic"},
    {"dbsize", 1, kReadonly | kFast, 0, 0, 0, dbsize, "Returns the number of keys in the database.", "1.0.0",
     "server"},
    {"flushdb", -1, kWrite, 0, 0, 0, flushdb, "Remove all keys from the current database.", "1.0.0",
     "server"},
    {"flushall", -1, kWrite, 0, 0, 0, flushall, "Removes all keys from all databases.", "1.0.0", "server"},
    {"object", -2, kReadonly, 2, 2, 1, object, "A container for object introspection commands.", "2.2.3",
     "generic", 0, nullptr, object_subcommands},
};

}  // namespace

Family generic_commands() {
  return kCommands;
}

}  // namespace forebay::server
