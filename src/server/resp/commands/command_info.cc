// COMMAND: what commands there are, for clients and their completion.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "server/access/category.h"
#include "server/resp/commands/command_keys.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/server.h"
#include "server/resp/commands/subcommand.h"

namespace forebay::server {
namespace {

struct FlagName {
  std::uint32_t flag;
  std::string_view name;  // in COMMAND INFO
};

constexpr std::array kFlagNames{
    FlagName{kWrite, "write"},        FlagName{kReadonly, "readonly"}, FlagName{kDenyOom, "denyoom"},
    FlagName{kAdmin, "admin"},        FlagName{kFast, "fast"},         FlagName{kNoAuth, "no_auth"},
    FlagName{kDenyMulti, "no_multi"}, FlagName{kBlocking, "blocking"},
};

bool is_eval(const Command& command) {
  return command.group == "scripting" && command.name != "script";
}

std::vector<std::string> categories_of(const Command& command) {
  std::vector<std::string> names;
  const access::Categories categories = access::categories_of(command);
  for (std::size_t bit = 0; bit < access::kCategoryNames.size(); ++bit) {
    if ((categories >> bit & 1U) != 0) names.push_back("@" + std::string(access::kCategoryNames[bit]));
  }
  return names;
}

// One specification: from the argument at `index` on keys are found as `type` says, with these numbers.
struct KeySpec {
  int index;
  std::string_view type;
  std::array<std::pair<std::string_view, int>, 3> numbers;
};

void reply_key_spec(resp::Writer& reply, const Command& command, const KeySpec& spec) {
  const auto text = [&](std::string_view name, std::string_view value) {
    reply.bulk(name);
    reply.bulk(value);
  };
  reply.map(3);
  reply.bulk(std::string_view("flags"));
  reply.set(2);
  reply.simple((command.flags & kWrite) != 0 ? "RW" : "RO");
  reply.simple("access");
  reply.bulk(std::string_view("begin_search"));
  reply.map(2);
  text("type", "index");
  reply.bulk(std::string_view("spec"));
  reply.map(1);
  reply.bulk(std::string_view("index"));
  reply.integer(spec.index);
  reply.bulk(std::string_view("find_keys"));
  reply.map(2);
  text("type", spec.type);
  reply.bulk(std::string_view("spec"));
  reply.map(spec.numbers.size());
  for (const auto& [name, number] : spec.numbers) {
    reply.bulk(name);
    reply.integer(number);
  }
}

// Keys that only a look at the request tells are left out, as Redis leaves them ("movablekeys" says so).
void reply_key_specs(resp::Writer& reply, const Command& command) {
  std::vector<KeySpec> specs;
  if (command.first_key > 0) {
    const int last = command.last_key < 0 ? command.last_key : command.last_key - command.first_key;
    specs.push_back(
        {command.first_key, "range", {{{"lastkey", last}, {"keystep", command.key_step}, {"limit", 0}}}});
  }
  const int counted = is_eval(command) ? 2 : static_cast<int>(command.keys_counted_at);
  if (counted > 0)
    specs.push_back({counted, "keynum", {{{"keynumidx", 0}, {"firstkey", 1}, {"keystep", 1}}}});
  reply.array(specs.size());
  for (const KeySpec& spec : specs) reply_key_spec(reply, command, spec);
}

void reply_command(resp::Writer& reply, const Command& command) {
  reply.array(10);
  reply.bulk(command.name);
  reply.integer(command.arity);
  std::vector<std::string_view> flags;
  for (const FlagName& flag : kFlagNames) {
    if ((command.flags & flag.flag) != 0) flags.push_back(flag.name);
  }
  if (command.keys_counted_at > 0 || command.more_keys != nullptr || is_eval(command))
    flags.emplace_back("movablekeys");
  reply.set(flags.size());
  for (const std::string_view flag : flags) reply.simple(flag);
  reply.integer(command.first_key);
  reply.integer(command.last_key);
  reply.integer(command.key_step);
  const std::vector<std::string> categories = categories_of(command);
  reply.set(categories.size());
  for (const std::string& category : categories) reply.simple(category);
  reply.array(0);  // tips
  reply_key_specs(reply, command);
  reply.array(0);  // subcommands
}

void reply_docs(resp::Writer& reply, const Command& command) {
  reply.bulk(command.name);
  reply.map(3);
  reply.bulk("summary");
  reply.bulk(command.summary);
  reply.bulk("since");
  reply.bulk(command.since);
  reply.bulk("group");
  reply.bulk(command.group);
}

void all(Context& context) {
  const auto commands = all_commands();
  context.reply.array(commands.size());
  for (const Command* command : commands) reply_command(context.reply, *command);
}

void count(Context& context) {
  context.reply.integer(static_cast<std::int64_t>(all_commands().size()));
}

void info(Context& context) {
  if (context.args.size() == 2) return all(context);
  context.reply.array(context.args.size() - 2);
  for (const std::string_view name : context.args.subspan(2)) {
    if (const Command* command = find_command(name)) {
      reply_command(context.reply, *command);
    } else {
      context.reply.null_array();
    }
  }
}

void docs(Context& context) {
  std::vector<const Command*> chosen;
  if (context.args.size() == 2) {
    chosen.assign(all_commands().begin(), all_commands().end());
  } else {
    for (const std::string_view name : context.args.subspan(2)) {
      if (const Command* command = find_command(name)) chosen.push_back(command);
    }
  }
  context.reply.map(chosen.size());
  for (const Command* command : chosen) reply_docs(context.reply, *command);
}

void list(Context& context) {
  const auto args = context.args;
  std::vector<const Command*> chosen(all_commands().begin(), all_commands().end());
  if (args.size() == 5 && equals_ignoring_case(args[2], "filterby")) {
    if (equals_ignoring_case(args[3], "pattern")) {
      std::erase_if(chosen, [&](const Command* command) { return !name_matches(args[4], command->name); });
    } else if (equals_ignoring_case(args[3], "aclcat")) {
      const std::string category = "@" + std::string(args[4]);
      std::erase_if(chosen, [&](const Command* command) {
        const auto categories = categories_of(*command);
        return std::find(categories.begin(), categories.end(), category) == categories.end();
      });
    } else if (equals_ignoring_case(args[3], "module")) {
      chosen.clear();
    } else {
      return context.reply.error("ERR syntax error");
    }
  } else if (args.size() != 2) {
    return context.reply.error("ERR syntax error");
  }
  context.reply.array(chosen.size());
  for (const Command* command : chosen) context.reply.bulk(command->name);
}

void getkeys(Context& context) {
  const auto request = context.args.subspan(2);
  const Command* command = find_command(request[0]);
  if (command == nullptr) return context.reply.error("ERR Invalid command specified");
  if (!arity_fits(command->arity, request.size())) {
    return context.reply.error("ERR Invalid number of arguments specified for command");
  }
  std::vector<std::string_view> keys = keys_of(*command, request);
  if (is_eval(*command)) visit_counted_keys(request, 2, [&](std::size_t at) { keys.push_back(request[at]); });
  if (keys.empty()) return context.reply.error("ERR The command has no key arguments");
  context.reply.array(keys.size());
  for (const std::string_view key : keys) context.reply.bulk(key);
}

constexpr std::array kSubcommands{
    Subcommand{"count", 2, "COUNT: how many commands there are", count},
    Subcommand{"docs", -2, "DOCS [<name> ...]: what they do", docs},
    Subcommand{"getkeys", -3, "GETKEYS <command> [<arg> ...]: which arguments of it are keys", getkeys},
    Subcommand{"info", -2, "INFO [<name> ...]: their arity, flags and keys", info},
    Subcommand{"list", -2,
               "LIST [FILTERBY PATTERN <pattern> | ACLCAT <category> | MODULE <name>]: their names", list},
};

}  // namespace

void command_command(Context& context) {
  if (context.args.size() == 1) return all(context);
  run_subcommand(context, "command", kSubcommands);
}

std::span<const Subcommand> command_subcommands() {
  return kSubcommands;
}

}  // namespace forebay::server
