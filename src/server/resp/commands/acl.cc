// ACL: there is one user.

#include <array>

#include "server/resp/commands/standalone.h"
#include "server/resp/commands/subcommand.h"

namespace forebay::server {
namespace {

constexpr std::string_view kOnly = "default";

void whoami(Context& context) {
  context.reply.bulk(kOnly);
}

void users(Context& context) {
  context.reply.array(1);
  context.reply.bulk(kOnly);
}

constexpr std::array kSubcommands{
    Subcommand{"users", 2, "USERS: default, who is the only one", users},
    Subcommand{"whoami", 2, "WHOAMI: default", whoami},
};

}  // namespace

void acl(Context& context) {
  run_subcommand(context, "acl", kSubcommands);
}

}  // namespace forebay::server
