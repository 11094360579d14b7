// PUBSUB: who is subscribed to what.

#include <fmt/format.h>

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/glob.h"
#include "server/pubsub/broker.h"
#include "server/resp/commands/pubsub.h"
#include "server/resp/commands/subcommand.h"
#include "server/server.h"

namespace forebay::server {
namespace {

void reply_channels(Context& context, Topic topic) {
  if (context.args.size() > 3) {
    return context.reply.error(
        fmt::format("ERR unknown subcommand or wrong number of arguments for '{}'. Try PUBSUB HELP.",
                    context.args[1].substr(0, 128)));
  }
  std::optional<Glob> glob;
  if (context.args.size() == 3) {
    Result<Glob> compiled = Glob::compile(context.args[2]);
    if (!compiled) return context.reply.error("ERR " + compiled.error().message);
    glob = std::move(*compiled);
  }
  std::vector<std::string> names;
  context.server.broker().for_each(topic, [&](std::string_view name) {
    if (!glob || glob->matches(name)) names.emplace_back(name);
  });
  context.reply.array(names.size());
  for (const std::string& name : names) context.reply.bulk(std::string_view(name));
}

void reply_counts(Context& context, Topic topic) {
  const auto names = context.args.subspan(2);
  context.reply.array(2 * names.size());
  for (const std::string_view name : names) {
    context.reply.bulk(name);
    context.reply.integer(static_cast<std::int64_t>(context.server.broker().clients(topic, name)));
  }
}

void channels(Context& context) {
  reply_channels(context, Topic::kChannel);
}
void shardchannels(Context& context) {
  reply_channels(context, Topic::kShard);
}
void numsub(Context& context) {
  reply_counts(context, Topic::kChannel);
}
void shardnumsub(Context& context) {
  reply_counts(context, Topic::kShard);
}
void numpat(Context& context) {
  context.reply.integer(static_cast<std::int64_t>(context.server.broker().size(Topic::kPattern)));
}

constexpr std::array kSubcommands{
    Subcommand{"channels", -2, "CHANNELS [<pattern>]: channels that somebody is subscribed to", channels},
    Subcommand{"numpat", 2, "NUMPAT: how many patterns somebody is subscribed to", numpat},
    Subcommand{"numsub", -2, "NUMSUB [<channel> ...]: how many clients are subscribed to each", numsub},
    Subcommand{"shardchannels", -2,
               "SHARDCHANNELS [<pattern>]: shard channels that somebody is subscribed to", shardchannels},
    Subcommand{"shardnumsub", -2, "SHARDNUMSUB [<channel> ...]: how many clients are subscribed to each",
               shardnumsub},
};

}  // namespace

void pubsub_command(Context& context) {
  run_subcommand(context, "pubsub", kSubcommands);
}

std::span<const Subcommand> pubsub_subcommands() {
  return kSubcommands;
}

}  // namespace forebay::server
