#include "server/resp/commands/forebay.h"

#include "server/resp/commands/subcommand.h"

namespace forebay::server {
namespace {

constexpr Subcommand kSubcommands[] = {
    {"audit", -2,
     "AUDIT [NAMESPACE <name>] [SAMPLE <count>]: compares cached copies with their sources, 100 at random.",
     forebay_audit},
    {"deadletters", -3,
     "DEADLETTERS LIST [SOURCE <name>] [AFTER <id>] [COUNT <n>] | SHOW <id> | RETRY <id> | EDIT <id> "
     "<operation> "
     "| DROP <id>: writes that the database refused.",
     forebay_deadletters},
    {"drain", -2,
     "DRAIN [NAMESPACE <name>] [<timeout-ms>]: sends what is pending to the databases; 1 once they have it.",
     forebay_drain},
    {"explain", 3, "EXPLAIN <key>: what is known of a key: where it is, how old, why it was missing.",
     forebay_explain},
    {"flushed", -3, "FLUSHED <key> [<timeout-ms>]: 1 once the database has what is pending for the key.",
     forebay_flushed},
    {"once", -4,
     "ONCE <op-id> <command> [<arg> ...]: one write of one key that is written behind; the same again is "
     "answered as it was the first time.",
     forebay_once},
    {"purge", -3, "PURGE ALL | NAMESPACE <name> | TAG <tag> | MATCH <pattern>: drops cached copies.",
     forebay_purge},
    {"read", -3,
     "READ <key> [LEVEL any|ryw|fresh] [TOKEN <token>]: the value, its age and where it came from.",
     forebay_read},
    {"remove", 3, "REMOVE <key>: deletes the row itself, under the namespace's write strategy.",
     forebay_remove},
    {"stats", -2, "STATS [<namespace>]: counters since the start or CONFIG RESETSTAT.", forebay_stats},
    {"tag", -3, "TAG <key> [<tag> ...]: the key's copy has these tags from now on; 0 if there is none.",
     forebay_tag},
    {"warm", -4, "WARM <namespace> <key> [<key> ...]: loads what is not fresh; answers how many were loaded.",
     forebay_warm},
    {"write", 4, "WRITE <key> <value>: writes as SET does; answers a token for READ ... LEVEL ryw.",
     forebay_write},
};

void forebay(Context& context) {
  run_subcommand(context, "forebay", kSubcommands);
}

constexpr Command kCommands[] = {
    {"forebay", -2, kWrite | kDenyMulti, 0, 0, 0, forebay, "What Redis has no command for: see FOREBAY HELP.",
     "7.2.0", "forebay", 0, nullptr, forebay_subcommands},
};

}  // namespace

Family forebay_commands() {
  return kCommands;
}

std::span<const Subcommand> forebay_subcommands() {
  return kSubcommands;
}

}  // namespace forebay::server
