#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "server/resp/commands/access.h"
#include "server/resp/commands/forebay.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/subcommand.h"

namespace forebay::server {
namespace {

constexpr std::size_t kLongestId = 128;

// Those of FOREBAY itself that make one write of one key.
constexpr Subcommand kSubcommands[] = {
    {"remove", 3, "", forebay_remove},
    {"write", 4, "", forebay_write},
};

// What runs the command in args, if an op-id may name what it writes; null: an error has been answered.
Handler handler_of(Context& context) {
  const std::string_view name = context.args[0];
  const Command* command = find_command(name);
  if (command == nullptr) {
    context.reply.error(fmt::format("ERR unknown command '{}'", name.substr(0, 128)));
    return nullptr;
  }
  std::string full(command->name);
  int arity = command->arity;
  Handler handler = (command->flags & kOnce) != 0 ? command->handler : nullptr;
  if (full == "forebay" && context.args.size() > 1) {
    const auto sub = std::ranges::find_if(kSubcommands, [&](const Subcommand& each) {
      return equals_ignoring_case(context.args[1], each.name);
    });
    const bool known = sub != std::end(kSubcommands);
    full.append("|").append(known ? sub->name : context.args[1].substr(0, 128));
    if (known) {
      arity = sub->arity;
      handler = sub->handler;
    }
  }
  if (handler == nullptr) {
    context.reply.error(fmt::format(
        "ERR FOREBAY ONCE does not take '{}': only commands that make one write of one key", full));
    return nullptr;
  }
  if (!arity_fits(arity, context.args.size())) {
    reply_wrong_arity(context.reply, full);
    return nullptr;
  }
  return handler;
}

}  // namespace

void forebay_once(Context& context) {
  const std::string_view id = context.args[2];
  if (id.empty() || id.size() > kLongestId)
    return context.reply.error(fmt::format("ERR an op-id has 1 to {} bytes", kLongestId));
  Context inner = context;
  inner.args = context.args.subspan(3);
  inner.op_id = id;
  if (const Handler run = handler_of(inner)) run(inner);
}

}  // namespace forebay::server
