// SLOWLOG: the commands that took longest.

#include <array>
#include <string>

#include "server/resp/commands/arguments.h"
#include "server/resp/commands/subcommand.h"
#include "server/resp/commands/watching.h"
#include "server/server.h"
#include "server/watch/slow_log.h"

namespace forebay::server {
namespace {

void slowlog_get(Context& context) {
  std::int64_t most = 10;
  if (context.args.size() > 3) return reply_wrong_arity(context.reply, "slowlog|get");
  if (context.args.size() == 3) {
    const auto count = parse_integer(context.args[2]);
    if (!count || *count < -1) return context.reply.error("ERR count should be greater than or equal to -1");
    most = *count;
  }
  SlowLog& log = context.server.slow_log();
  const auto entries = log.newest(most < 0 ? log.size() : static_cast<std::size_t>(most));
  context.reply.array(entries.size());
  for (const SlowLog::Entry& entry : entries) {
    context.reply.array(6);
    context.reply.integer(static_cast<std::int64_t>(entry.id));
    context.reply.integer(entry.wall_seconds);
    context.reply.integer(entry.took.count());
    context.reply.array(entry.args.size());
    for (const std::string& argument : entry.args) context.reply.bulk(std::string_view(argument));
    context.reply.bulk(std::string_view(entry.address));
    context.reply.bulk(std::string_view(entry.name));
  }
}

void slowlog_len(Context& context) {
  context.reply.integer(static_cast<std::int64_t>(context.server.slow_log().size()));
}

void slowlog_reset(Context& context) {
  context.server.slow_log().reset();
  context.reply.ok();
}

constexpr std::array kSubcommands{
    Subcommand{"get", -2, "GET [<count>]: the slowest commands lately, newest first; -1: all", slowlog_get},
    Subcommand{"len", 2, "LEN: how many there are", slowlog_len},
    Subcommand{"reset", 2, "RESET: forgets them", slowlog_reset},
};

}  // namespace

void slowlog(Context& context) {
  run_subcommand(context, "slowlog", kSubcommands);
}

std::span<const Subcommand> slowlog_subcommands() {
  return kSubcommands;
}

}  // namespace forebay::server
