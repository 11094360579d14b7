// MODULE: there are none.

#include <array>

#include "server/resp/commands/standalone.h"
#include "server/resp/commands/subcommand.h"

namespace forebay::server {
namespace {

void list(Context& context) {
  context.reply.array(0);
}

constexpr std::array kSubcommands{
    Subcommand{"list", 2, "LIST: none", list},
};

}  // namespace

void module(Context& context) {
  run_subcommand(context, "module", kSubcommands);
}

std::span<const Subcommand> module_subcommands() {
  return kSubcommands;
}

}  // namespace forebay::server
