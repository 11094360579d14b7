#pragma once

// SELECT and its relatives, and what other commands ask of the client's database.

#include <cstddef>
#include <optional>
#include <string_view>

#include "server/resp/commands/command.h"

namespace forebay::server {

inline constexpr std::string_view kNoSuchDatabase = "ERR DB index is out of range";

// A database that there is; nothing: the text names none.
std::optional<unsigned> parse_database(const Context& context, std::string_view text);

// Where the keys of the client's database are (server/databases.h).
unsigned place_of(const Context& context);

// Entries of the database whose keys are there. O(shards).
std::size_t entries_at(Context& context, unsigned place);

void select(Context& context);
void swapdb(Context& context);
void dbsize(Context& context);
void flushdb(Context& context);

}  // namespace forebay::server
