#include "server/resp/commands/subcommand.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string>

#include "base/glob.h"
#include "server/resp/commands/registry.h"

namespace forebay::server {
namespace {

std::string upper(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return std::toupper(c); });
  return result;
}

void reply_help(Context& context, std::string_view container, std::span<const Subcommand> subcommands) {
  context.reply.array(subcommands.size() + 1);
  context.reply.simple(fmt::format("{} <subcommand> [<arg> ...]. Subcommands are:", upper(container)));
  for (const Subcommand& subcommand : subcommands) context.reply.simple(subcommand.usage);
}

}  // namespace

bool arity_fits(int arity, std::size_t arguments) {
  return arity >= 0 ? arguments == static_cast<std::size_t>(arity)
                    : arguments >= static_cast<std::size_t>(-arity);
}

bool name_matches(std::string_view pattern, std::string_view name) {
  std::string lower(pattern.substr(0, Glob::kMaxLength + 1));
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  const Result<Glob> glob = Glob::compile(lower);
  return glob && glob->matches(name);
}

void reply_wrong_arity(resp::Writer& reply, std::string_view name) {
  reply.error(fmt::format("ERR wrong number of arguments for '{}' command", name));
}

void run_subcommand(Context& context, std::string_view container, std::span<const Subcommand> subcommands) {
  if (context.args.size() < 2) return reply_wrong_arity(context.reply, container);
  const std::string_view name = context.args[1];
  for (const Subcommand& subcommand : subcommands) {
    if (!equals_ignoring_case(name, subcommand.name)) continue;
    if (!arity_fits(subcommand.arity, context.args.size())) {
      return reply_wrong_arity(context.reply, fmt::format("{}|{}", container, subcommand.name));
    }
    return subcommand.handler(context);
  }
  if (equals_ignoring_case(name, "help") && context.args.size() == 2) {
    return reply_help(context, container, subcommands);
  }
  context.reply.error(
      fmt::format("ERR unknown subcommand '{}'. Try {} HELP.", name.substr(0, 128), upper(container)));
}

}  // namespace forebay::server
