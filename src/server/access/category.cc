#include "server/access/category.h"

#include <algorithm>
#include <string>

#include "server/resp/commands/command.h"
#include "server/resp/commands/registry.h"

namespace forebay::server::access {
namespace {

struct Named {
  std::string_view name;
  Categories categories;
};

constexpr Categories kAdministration = kAdministers | kDangerous;

// What the group of a command says.
constexpr Named kGroups[] = {
    {"generic", kKeyspace},
    {"string", kStrings},
    {"bitmap", kBitmaps},
    {"hyperloglog", kHyperloglogs},
    {"geo", kGeo},
    {"stream", kStreams},
    {"hash", kHashes},
    {"list", kLists},
    {"set", kSets},
    {"sorted-set", kSortedSets},
    {"pubsub", kPubsub},
    {"connection", kConnections},
    {"transactions", kTransactions},
    {"scripting", kScripting},
};

// Commands of which neither their flags nor their group say all: these are all of their categories.
constexpr Named kExceptions[] = {
    {"cluster", kIsSlow},
    {"command", kConnections | kIsSlow},
    {"dbsize", kKeyspace | kReads | kIsFast},
    {"eval_ro", kScripting | kIsSlow},
    {"evalsha_ro", kScripting | kIsSlow},
    {"flushall", kKeyspace | kWrites | kIsSlow | kDangerous},
    {"flushdb", kKeyspace | kWrites | kIsSlow | kDangerous},
    {"info", kIsSlow | kDangerous},
    {"keys", kKeyspace | kReads | kIsSlow | kDangerous},
    {"lastsave", kIsFast | kAdministration},
    {"lolwut", kReads | kIsFast},
    {"role", kIsFast | kAdministration},
    {"sort", kWrites | kSets | kSortedSets | kLists | kIsSlow | kDangerous},
    {"sort_ro", kReads | kSets | kSortedSets | kLists | kIsSlow | kDangerous},
    {"swapdb", kKeyspace | kWrites | kIsFast | kDangerous},
    {"wait", kConnections | kIsSlow},
};

// Subcommands that differ from what base_of() says of their container's.
constexpr Named kSubcommandExceptions[] = {
    {"acl|cat", kIsSlow},
    {"acl|genpass", kIsSlow},
    {"acl|whoami", kIsSlow},
    {"client|kill", kConnections | kIsSlow | kAdministration},
    {"client|list", kConnections | kIsSlow | kAdministration},
    {"client|no-evict", kConnections | kIsSlow | kAdministration},
    {"client|pause", kConnections | kIsSlow | kAdministration},
    {"client|unblock", kConnections | kIsSlow | kAdministration},
    {"client|unpause", kConnections | kIsSlow | kAdministration},
    {"memory|usage", kReads | kIsSlow},
    {"pubsub|help", kIsSlow},
    {"forebay|explain", kReads | kIsSlow},
    {"forebay|flushed", kReads | kIsSlow},
    {"forebay|read", kReads | kIsSlow},
    {"forebay|once", kWrites | kIsSlow},
    {"forebay|remove", kWrites | kIsSlow},
    {"forebay|tag", kWrites | kIsSlow},
    {"forebay|write", kWrites | kIsSlow},
    {"forebay|stats", kIsSlow | kDangerous},
};

template <std::size_t N>
const Named* find(const Named (&names)[N], std::string_view name) {
  const auto* const found = std::ranges::find(names, name, &Named::name);
  return found == std::end(names) ? nullptr : found;
}

Categories of_group(std::string_view group) {
  const Named* const found = find(kGroups, group);
  return found == nullptr ? 0 : found->categories;
}

// Of a container's subcommands unless they are exceptions: a new one of a command that administers is for
// administrators until somebody says otherwise.
Categories base_of(const Command& container) {
  if (container.name == "forebay") return kAdministration;
  if (container.name == "command") return kConnections;
  if (container.name == "memory") return 0;
  Categories categories = container.name == "object" ? kKeyspace : of_group(container.group);
  if ((container.flags & kWrite) != 0) categories |= kWrites;
  if ((container.flags & kReadonly) != 0) categories |= kReads;
  if ((container.flags & kAdmin) != 0) categories |= kAdministration;
  return categories;
}

// HELP tells nothing that is not in the documentation.
Categories of_help(const Command& container) {
  return base_of(container) & ~(kWrites | kReads | kAdministration);
}

}  // namespace

std::optional<Categories> find_category(std::string_view name) {
  for (std::size_t bit = 0; bit < kCategoryNames.size(); ++bit) {
    if (equals_ignoring_case(name, kCategoryNames[bit])) return Categories{1} << bit;
  }
  return std::nullopt;
}

Categories categories_of(const Command& command) {
  if (const Named* const exception = find(kExceptions, command.name)) return exception->categories;
  if (command.subcommands != nullptr) return kIsSlow;
  Categories categories = of_group(command.group);
  if ((command.flags & kWrite) != 0) categories |= kWrites;
  if ((command.flags & kReadonly) != 0) categories |= kReads;
  if ((command.flags & kAdmin) != 0) categories |= kAdministration;
  if ((command.flags & kBlocking) != 0) categories |= kBlocks;
  return categories | ((command.flags & kFast) != 0 ? kIsFast : kIsSlow);
}

Categories categories_of(const Command& container, std::string_view subcommand) {
  const std::string name = std::string(container.name).append("|").append(subcommand);
  if (const Named* const exception = find(kSubcommandExceptions, name)) return exception->categories;
  if (subcommand == "help") return of_help(container) | kIsSlow;
  return base_of(container) | kIsSlow;
}

}  // namespace forebay::server::access
