#include "server/access/permission.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "base/database_key.h"
#include "server/resp/commands/command_keys.h"
#include "server/resp/commands/registry.h"
#include "server/resp/session.h"
#include "server/server.h"

namespace forebay::server::access {
namespace {

DenialLog::Reason reason_of(Refused what) {
  if (what == Refused::kKey) return DenialLog::Reason::kKey;
  return what == Refused::kChannel ? DenialLog::Reason::kChannel : DenialLog::Reason::kCommand;
}

// FOREBAY ONCE executes the command behind its operation's id, which is not itself.
constexpr std::size_t kOnceCommand = 3;
bool is_once(const Command& command, std::span<const std::string_view> args) {
  return command.name == "forebay" && args.size() > kOnceCommand && equals_ignoring_case(args[1], "once");
}

std::optional<Denial> check_one(const User& user, const Command& command,
                                std::span<const std::string_view> args) {
  const Catalogue& catalogue = Catalogue::instance();
  const auto number = catalogue.verb_of(command, args);
  if (!number) return std::nullopt;  // there is no such subcommand, as its handler will say
  const Verb& verb = catalogue[*number];
  const Refusal refusal = user.check({command, verb, *number, args});
  if (refusal.what != Refused::kNothing) {
    const bool argument = refusal.what != Refused::kCommand;
    return Denial{refusal.what, verb.name, argument ? std::string(args[refusal.at]) : verb.name};
  }
  return std::nullopt;
}

// The keys' names as their client knows them.
std::vector<std::string_view> without_databases(const Command& command,
                                                std::span<const std::string_view> args) {
  std::vector<std::string_view> plain(args.begin(), args.end());
  visit_keys(command, args, [&](std::size_t at) { plain[at] = without_database(plain[at]); });
  return plain;
}

}  // namespace

std::optional<Denial> check(const User& user, const Command& command,
                            std::span<const std::string_view> args) {
  std::optional<Denial> denial = check_one(user, command, args);
  if (denial || !is_once(command, args)) return denial;
  const auto inner = args.subspan(kOnceCommand);
  const Command* const once = find_command(inner[0]);
  return once == nullptr ? std::nullopt : check_one(user, *once, inner);
}

std::string text_of(const User& user, const Denial& denial, Tell tell) {
  switch (denial.what) {
    case Refused::kKey:
      if (tell == Tell::kReason) return "No permissions to access a key";
      return fmt::format("User {} has no permissions to access the '{}' key", user.name(), denial.object);
    case Refused::kChannel:
      if (tell == Tell::kReason) return "No permissions to access a channel";
      return fmt::format("User {} has no permissions to access the '{}' channel", user.name(), denial.object);
    case Refused::kCommand:
    case Refused::kNothing:
      break;
  }
  return fmt::format("User {} has no permissions to run the '{}' command", user.name(), denial.verb);
}

std::string text_of_change(const Denial& denial) {
  std::string_view reason = "no permission to execute the command or subcommand";
  if (denial.what == Refused::kKey) reason = "no permission to touch the specified keys";
  if (denial.what == Refused::kChannel)
    reason = "no permission to access one of the channels used as argument to the command";
  return fmt::format(
      "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This "
      "command is no longer allowed for the following reason: {}",
      reason);
}

std::optional<Denial> check_client(Context& context, const Command& command,
                                   std::span<const std::string_view> args, DenialLog::Where where) {
  const Session& session = context.session;
  std::optional<Denial> denial = check(*session.user(), command, args);
  if (denial) {
    context.server.denial_log().add(reason_of(denial->what), where, denial->object, session.user()->name(),
                                    session.describe(context.now),
                                    context.layer.clock().to_wall_ms(context.now));
  }
  return denial;
}

std::optional<Denial> check_queued(Context& context, const Command& command,
                                   std::span<const std::string_view> args) {
  return check_client(context, command, without_databases(command, args), DenialLog::Where::kMulti);
}

bool may_read_all_keys(Context& context, const Command& command) {
  const std::vector<std::string_view> args = without_databases(command, context.args);
  const Catalogue& catalogue = Catalogue::instance();
  const auto number = catalogue.verb_of(command, args);
  return number && context.session.user()->allows_with_all_keys({command, catalogue[*number], *number, args});
}

}  // namespace forebay::server::access
