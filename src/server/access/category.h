#pragma once

// The categories of commands that access rules name (`+@read`), as Redis 7.2 has them.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace forebay::server {

struct Command;

namespace access {

// A set of categories, one bit each.
using Categories = std::uint32_t;

inline constexpr Categories kKeyspace = 1U << 0;
inline constexpr Categories kReads = 1U << 1;
inline constexpr Categories kWrites = 1U << 2;
inline constexpr Categories kSets = 1U << 3;
inline constexpr Categories kSortedSets = 1U << 4;
inline constexpr Categories kLists = 1U << 5;
inline constexpr Categories kHashes = 1U << 6;
inline constexpr Categories kStrings = 1U << 7;
inline constexpr Categories kBitmaps = 1U << 8;
inline constexpr Categories kHyperloglogs = 1U << 9;
inline constexpr Categories kGeo = 1U << 10;
inline constexpr Categories kStreams = 1U << 11;
inline constexpr Categories kPubsub = 1U << 12;
inline constexpr Categories kAdministers = 1U << 13;
inline constexpr Categories kIsFast = 1U << 14;
inline constexpr Categories kIsSlow = 1U << 15;
inline constexpr Categories kBlocks = 1U << 16;
inline constexpr Categories kDangerous = 1U << 17;
inline constexpr Categories kConnections = 1U << 18;
inline constexpr Categories kTransactions = 1U << 19;
inline constexpr Categories kScripting = 1U << 20;

// By bit, in the order in which ACL CAT tells them.
inline constexpr std::array<std::string_view, 21> kCategoryNames{
    "keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
    "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
    "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting"};

// The one bit; none: there is no such category. `name` without the @, in any case.
std::optional<Categories> find_category(std::string_view name);

Categories categories_of(const Command& command);
// Of a subcommand, whose name is in lower case.
Categories categories_of(const Command& container, std::string_view subcommand);

}  // namespace access
}  // namespace forebay::server
