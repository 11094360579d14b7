// ACL: who may log in, and what they may do (server/access/).

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "server/access/denial_log.h"
#include "server/access/password.h"
#include "server/access/permission.h"
#include "server/access/users.h"
#include "server/clients.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/standalone.h"
#include "server/resp/commands/subcommand.h"
#include "server/resp/session.h"
#include "server/server.h"

namespace forebay::server {
namespace {

using access::DenialLog;
using access::Selector;
using access::User;
using access::UserRef;

constexpr std::string_view kNoFile =
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL "
    "SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in "
    "order "
    "to store users in the Redis configuration.";

void whoami(Context& context) {
  context.reply.bulk(std::string_view(context.session.user()->name()));
}

void users(Context& context) {
  const std::vector<UserRef> all = context.server.users().all();
  context.reply.array(all.size());
  for (const UserRef& user : all) context.reply.bulk(std::string_view(user->name()));
}

void list(Context& context) {
  const std::vector<UserRef> all = context.server.users().all();
  context.reply.array(all.size());
  for (const UserRef& user : all) context.reply.bulk(user->describe());
}

void reply_selector(resp::Writer& reply, const Selector& selector) {
  reply.bulk(std::string_view("commands"));
  reply.bulk(selector.commands());
  reply.bulk(std::string_view("keys"));
  reply.bulk(selector.keys());
  reply.bulk(std::string_view("channels"));
  reply.bulk(selector.channels());
}

void getuser(Context& context) {
  const UserRef user = context.server.users().find(context.args[2]);
  resp::Writer& reply = context.reply;
  if (user == nullptr) return reply.null();
  constexpr std::size_t kFields = 6;
  constexpr std::size_t kFieldsOfSelector = 3;
  reply.map(kFields);
  reply.bulk(std::string_view("flags"));
  const std::vector<std::string_view> flags = user->flags();
  reply.set(flags.size());
  for (const std::string_view flag : flags) reply.bulk(flag);
  reply.bulk(std::string_view("passwords"));
  reply.array(user->passwords().size());
  for (const std::string& hash : user->passwords()) reply.bulk(std::string_view(hash));
  reply_selector(reply, user->root());
  reply.bulk(std::string_view("selectors"));
  const std::span<const Selector> more = std::span(user->selectors()).subspan(1);
  reply.array(more.size());
  for (const Selector& selector : more) {
    reply.map(kFieldsOfSelector);
    reply_selector(reply, selector);
  }
}

// Clients on other loops look at their user before their next command; this one has to now.
void setuser(Context& context) {
  const std::string_view name = context.args[2];
  if (name.find_first_of(std::string_view(" \t\n\v\f\r\0", 7)) != std::string_view::npos)
    return context.reply.error("ERR Usernames can't contain spaces or null characters");
  if (const auto wrong = context.server.users().change(name, context.args.subspan(3)))
    return context.reply.error("ERR " + wrong->text);
  if (context.session.user()->name() == name) {
    if (UserRef user = context.server.users().find(name)) context.session.become(std::move(user));
  }
  context.server.clients().look_at_users(name);
  context.reply.ok();
}

void deluser(Context& context) {
  const auto names = context.args.subspan(2);
  if (std::ranges::find(names, access::kDefaultUser) != names.end())
    return context.reply.error("ERR The 'default' user cannot be removed");
  std::int64_t removed = 0;
  for (const std::string_view name : names) {
    if (!context.server.users().remove(name)) continue;
    ++removed;
    if (context.session.user()->name() == name) context.session.control().close_after_replies();
    context.server.clients().kill_if([&](const Session& session) {
      return session.id() != context.session.id() && session.user_name() == name;
    });
  }
  context.reply.integer(removed);
}

void cat(Context& context) {
  if (context.args.size() > 3) return reply_wrong_arity(context.reply, "acl|cat");
  if (context.args.size() == 2) {
    context.reply.array(access::kCategoryNames.size());
    for (const std::string_view name : access::kCategoryNames) context.reply.bulk(name);
    return;
  }
  const auto category = access::find_category(context.args[2]);
  if (!category)
    return context.reply.error(fmt::format("ERR Unknown category '{}'", context.args[2].substr(0, 128)));
  std::vector<std::string_view> names;
  for (const access::Verb& verb : access::Catalogue::instance().verbs()) {
    if ((verb.categories & *category) != 0) names.emplace_back(verb.name);
  }
  context.reply.array(names.size());
  for (const std::string_view name : names) context.reply.bulk(name);
}

void genpass(Context& context) {
  constexpr std::int64_t kUsual = 256;
  constexpr std::int64_t kMost = 4096;
  if (context.args.size() > 3) return reply_wrong_arity(context.reply, "acl|genpass");
  std::int64_t bits = kUsual;
  if (context.args.size() == 3) {
    const auto given = parse_integer(context.args[2]);
    if (!given) return context.reply.error(kNotAnInteger);
    bits = *given;
  }
  if (bits <= 0 || bits > kMost) {
    return context.reply.error(
        "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up "
        "to "
        "4096");
  }
  const Result<std::string> secret = access::random_secret(static_cast<std::size_t>(bits));
  if (!secret) return context.reply.error("ERR " + secret.error().message);
  context.reply.bulk(std::string_view(*secret));
}

// Also where it is a subcommand that says how many arguments there are.
bool request_fits(const Command& command, std::span<const std::string_view> args) {
  if (command.subcommands != nullptr && args.size() > 1) {
    for (const Subcommand& subcommand : command.subcommands()) {
      if (equals_ignoring_case(args[1], subcommand.name)) return arity_fits(subcommand.arity, args.size());
    }
  }
  return arity_fits(command.arity, args.size());
}

void dryrun(Context& context) {
  const UserRef user = context.server.users().find(context.args[2]);
  if (user == nullptr)
    return context.reply.error(fmt::format("ERR User '{}' not found", context.args[2].substr(0, 128)));
  const auto request = context.args.subspan(3);
  const Command* const command = find_command(request[0]);
  const bool known = command != nullptr && access::Catalogue::instance().verb_of(*command, request);
  if (!known)
    return context.reply.error(fmt::format("ERR Command '{}' not found", request[0].substr(0, 128)));
  if (!request_fits(*command, request)) {
    const auto number = access::Catalogue::instance().verb_of(*command, request);
    return reply_wrong_arity(context.reply, access::Catalogue::instance()[*number].name);
  }
  const auto denial = access::check(*user, *command, request);
  if (!denial) return context.reply.ok();
  context.reply.bulk(access::text_of(*user, *denial, access::Tell::kObject));
}

void reply_denial(resp::Writer& reply, const DenialLog::Entry& entry, std::int64_t now_ms) {
  constexpr std::size_t kFields = 10;
  constexpr double kMillisecondsPerSecond = 1000.0;
  const auto text = [&](std::string_view name, std::string_view value) {
    reply.bulk(name);
    reply.bulk(value);
  };
  const auto number = [&](std::string_view name, std::int64_t value) {
    reply.bulk(name);
    reply.integer(value);
  };
  reply.map(kFields);
  number("count", static_cast<std::int64_t>(entry.count));
  text("reason", name_of(entry.reason));
  text("context", name_of(entry.where));
  text("object", entry.object);
  text("username", entry.user);
  reply.bulk(std::string_view("age-seconds"));
  reply.real(static_cast<double>(now_ms - entry.updated_ms) / kMillisecondsPerSecond);
  text("client-info", entry.client);
  number("entry-id", static_cast<std::int64_t>(entry.id));
  number("timestamp-created", entry.created_ms);
  number("timestamp-last-updated", entry.updated_ms);
}

void log(Context& context) {
  constexpr std::size_t kUsual = 10;
  if (context.args.size() > 3) return reply_wrong_arity(context.reply, "acl|log");
  DenialLog& denials = context.server.denial_log();
  std::size_t most = kUsual;
  if (context.args.size() == 3) {
    if (equals_ignoring_case(context.args[2], "reset")) {
      denials.reset();
      return context.reply.ok();
    }
    const auto count = parse_integer(context.args[2]);
    if (!count) return context.reply.error(kNotAnInteger);
    most = static_cast<std::size_t>(std::max<std::int64_t>(0, *count));
  }
  const std::int64_t now_ms = context.layer.clock().to_wall_ms(context.now);
  const std::vector<DenialLog::Entry> entries = denials.newest(most);
  context.reply.array(entries.size());
  for (const DenialLog::Entry& entry : entries) reply_denial(context.reply, entry, now_ms);
}

void no_file(Context& context) {
  context.reply.error(kNoFile);
}

constexpr std::array kSubcommands{
    Subcommand{"cat", -2, "CAT [<category>]: the categories of commands, or the commands of one", cat},
    Subcommand{"deluser", -3, "DELUSER <name> [<name> ...]: removes users and closes their connections",
               deluser},
    Subcommand{"dryrun", -4, "DRYRUN <name> <command> [<arg> ...]: whether the user may execute that",
               dryrun},
    Subcommand{"genpass", -2, "GENPASS [<bits>]: a new password that nobody guesses", genpass},
    Subcommand{"getuser", 3, "GETUSER <name>: what a user may do", getuser},
    Subcommand{"list", 2, "LIST: all users with their rules", list},
    Subcommand{"load", 2, "LOAD: refused: users are in the configuration, read again on SIGHUP", no_file},
    Subcommand{"log", -2, "LOG [<count> | RESET]: what users were refused lately", log},
    Subcommand{"save", 2, "SAVE: refused, as LOAD", no_file},
    Subcommand{"setuser", -3, "SETUSER <name> [<rule> ...]: makes or changes a user", setuser},
    Subcommand{"users", 2, "USERS: the names of all users", users},
    Subcommand{"whoami", 2, "WHOAMI: the connection's user", whoami},
};

}  // namespace

void acl(Context& context) {
  run_subcommand(context, "acl", kSubcommands);
}

std::span<const Subcommand> acl_subcommands() {
  return kSubcommands;
}

}  // namespace forebay::server
