// CLIENT: what clients say of themselves, and who is connected.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/decimal.h"
#include "server/access/users.h"
#include "server/clients.h"
#include "server/pause.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/client_tracking.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/subcommand.h"
#include "server/resp/commands/versions.h"
#include "server/resp/session.h"
#include "server/server.h"
#include "server/tracking/key_feed.h"

namespace forebay::server {
namespace {

// The types of client that CLIENT LIST and KILL know. There are no others than kNormal and kPubsub here.
enum class TypeFilter : std::uint8_t { kUnknown, kNormal, kPubsub, kOther };

TypeFilter parse_type(std::string_view text) {
  if (equals_ignoring_case(text, "normal")) return TypeFilter::kNormal;
  if (equals_ignoring_case(text, "pubsub")) return TypeFilter::kPubsub;
  for (const std::string_view other : {"master", "replica", "slave"}) {
    if (equals_ignoring_case(text, other)) return TypeFilter::kOther;
  }
  return TypeFilter::kUnknown;
}

bool is_of_type(const Session& session, TypeFilter type) {
  return type == (session.subscribed() ? TypeFilter::kPubsub : TypeFilter::kNormal);
}

void reply_unknown_type(Context& context, std::string_view type) {
  context.reply.error(fmt::format("ERR Unknown client type '{}'", type.substr(0, 128)));
}

// on | off; false: an error was written.
bool parse_switch(Context& context, bool& value) {
  const bool on = equals_ignoring_case(context.args[2], "on");
  if (!on && !equals_ignoring_case(context.args[2], "off")) {
    context.reply.error("ERR syntax error");
    return false;
  }
  value = on;
  return true;
}

void client_id(Context& context) {
  context.reply.integer(static_cast<std::int64_t>(context.session.id()));
}

void client_info(Context& context) {
  context.reply.verbatim(context.session.describe(context.now) + "\n");
}

void client_getname(Context& context) {
  const std::string name = context.session.name();
  if (name.empty()) {
    context.reply.null();
  } else {
    context.reply.bulk(name);
  }
}

void client_setname(Context& context) {
  if (!valid_client_name(context.args[2])) return context.reply.error(kBadClientName);
  context.session.set_name(context.args[2]);
  context.reply.ok();
}

void client_setinfo(Context& context) {
  const std::string_view option = context.args[2];
  const bool is_name = equals_ignoring_case(option, "lib-name");
  if (!is_name && !equals_ignoring_case(option, "lib-ver")) {
    return context.reply.error(fmt::format("ERR Unrecognized option '{}'", option.substr(0, 128)));
  }
  if (!valid_client_name(context.args[3])) {
    return context.reply.error(
        fmt::format("ERR {} cannot contain spaces, newlines or special characters.", option));
  }
  if (is_name) {
    context.session.set_library(context.args[3]);
  } else {
    context.session.set_library_version(context.args[3]);
  }
  context.reply.ok();
}

void client_no_evict(Context& context) {
  bool value = false;
  if (!parse_switch(context, value)) return;
  context.session.set_no_evict(value);
  context.reply.ok();
}

void client_no_touch(Context& context) {
  bool value = false;
  if (!parse_switch(context, value)) return;
  context.session.set_no_touch(value);
  context.reply.ok();
}

// Off and skip are not answered themselves.
void client_reply(Context& context) {
  const std::string_view mode = context.args[2];
  if (equals_ignoring_case(mode, "on")) {
    context.session.set_reply_mode(ReplyMode::kOn);
    return context.reply.ok();
  }
  if (equals_ignoring_case(mode, "off")) return context.session.set_reply_mode(ReplyMode::kOff);
  if (!equals_ignoring_case(mode, "skip")) return context.reply.error("ERR syntax error");
  if (context.session.reply_mode() != ReplyMode::kOff) context.session.set_reply_mode(ReplyMode::kSkipNext);
}

void client_list(Context& context) {
  const auto args = context.args;
  std::optional<TypeFilter> type;
  std::vector<std::uint64_t> ids;
  if (args.size() == 4 && equals_ignoring_case(args[2], "type")) {
    type = parse_type(args[3]);
    if (type == TypeFilter::kUnknown) return reply_unknown_type(context, args[3]);
  } else if (args.size() > 3 && equals_ignoring_case(args[2], "id")) {
    for (const std::string_view text : args.subspan(3)) {
      const auto id = canonical_integer_of(text);
      if (!id) return context.reply.error("ERR Invalid client ID");
      ids.push_back(static_cast<std::uint64_t>(*id));
    }
  } else if (args.size() != 2) {
    return context.reply.error("ERR syntax error");
  }
  std::string text;
  std::sort(ids.begin(), ids.end());
  context.server.clients().for_each([&](const Session& session) {
    if (!ids.empty() && !std::binary_search(ids.begin(), ids.end(), session.id())) return;
    if (type && !is_of_type(session, *type)) return;
    text.append(session.describe(context.now)).push_back('\n');
  });
  context.reply.verbatim(text);
}

struct KillFilter {
  std::optional<std::uint64_t> id;
  std::string_view address;
  std::string_view local_address;
  std::optional<std::string_view> user;
  std::optional<TypeFilter> type;
  std::optional<std::int64_t> max_age_seconds;
  bool skip_me = true;

  bool matches(const Session& session, Instant now) const {
    const Session::Origin& origin = session.origin();
    return (!id || *id == origin.id) && (address.empty() || address == origin.address) &&
           (local_address.empty() || local_address == origin.local_address) &&
           (!type || is_of_type(session, *type)) && (!user || *user == session.user_name()) &&
           (!max_age_seconds || now - origin.connected_at >= std::chrono::seconds(*max_age_seconds));
  }
};

// False: an error was written.
bool parse_kill(Context& context, KillFilter& filter) {
  const auto args = context.args;
  const auto fail = [&context](std::string_view text) {
    context.reply.error(text);
    return false;
  };
  if (args.size() % 2 != 0) return fail("ERR syntax error");
  for (std::size_t i = 2; i < args.size(); i += 2) {
    const std::string_view option = args[i];
    const std::string_view value = args[i + 1];
    if (equals_ignoring_case(option, "id")) {
      const auto id = canonical_integer_of(value);
      if (!id || *id < 1) return fail("ERR client-id should be greater than 0");
      filter.id = static_cast<std::uint64_t>(*id);
    } else if (equals_ignoring_case(option, "type")) {
      filter.type = parse_type(value);
      if (filter.type == TypeFilter::kUnknown) {
        reply_unknown_type(context, value);
        return false;
      }
    } else if (equals_ignoring_case(option, "addr")) {
      filter.address = value;
    } else if (equals_ignoring_case(option, "laddr")) {
      filter.local_address = value;
    } else if (equals_ignoring_case(option, "user")) {
      if (context.server.users().find(value) == nullptr)
        return fail(fmt::format("ERR No such user '{}'", value.substr(0, 128)));
      filter.user = value;
    } else if (equals_ignoring_case(option, "maxage")) {
      const auto age = canonical_integer_of(value);
      // A thousand years; more would overflow a Duration.
      if (!age || *age < 1 || *age > 4'000'000'000)
        return fail("ERR maxage is not an integer or out of range");
      filter.max_age_seconds = *age;
    } else if (equals_ignoring_case(option, "skipme")) {
      const bool yes = equals_ignoring_case(value, "yes");
      if (!yes && !equals_ignoring_case(value, "no")) return fail("ERR syntax error");
      filter.skip_me = yes;
    } else {
      return fail("ERR syntax error");
    }
  }
  return true;
}

void client_kill(Context& context) {
  KillFilter filter;
  const bool old_form = context.args.size() == 3;
  if (old_form) {
    filter.address = context.args[2];
    filter.skip_me = false;
  } else if (!parse_kill(context, filter)) {
    return;
  }
  bool self = false;
  const std::size_t killed = context.server.clients().kill_if([&](const Session& session) {
    if (!filter.matches(session, context.now)) return false;
    if (session.id() != context.session.id()) return true;
    self = !filter.skip_me;  // it closes after this command's answer instead
    return false;
  });
  const std::size_t total = killed + (self ? 1 : 0);
  if (!old_form) {
    context.reply.integer(static_cast<std::int64_t>(total));
  } else if (total > 0) {
    context.reply.ok();
  } else {
    context.reply.error("ERR No such client");
  }
  if (self) context.session.control().close_after_replies();
}

void client_unblock(Context& context) {
  const bool with_error = context.args.size() == 4 && equals_ignoring_case(context.args[3], "error");
  if (context.args.size() > 4) {
    return context.reply.error(
        "ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP.");
  }
  if (context.args.size() == 4 && !with_error && !equals_ignoring_case(context.args[3], "timeout"))
    return context.reply.error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
  const auto id = parse_integer(context.args[2]);
  if (!id) return context.reply.error(kNotAnInteger);
  const auto why = with_error ? Unserved::kUnblocked : Unserved::kTimeout;
  const bool waited = context.server.key_feed().waiters().end(static_cast<std::uint64_t>(*id), why);
  context.reply.integer(waited ? 1 : 0);
}

void client_pause(Context& context) {
  const auto timeout = parse_integer(context.args[2]);
  if (!timeout) return context.reply.error("ERR timeout is not an integer or out of range");
  if (*timeout < 0) return context.reply.error("ERR timeout is negative");
  auto what = Pause::Of::kAll;
  if (context.args.size() == 4) {
    if (equals_ignoring_case(context.args[3], "write")) {
      what = Pause::Of::kWrites;
    } else if (!equals_ignoring_case(context.args[3], "all")) {
      return context.reply.error("ERR CLIENT PAUSE mode must be WRITE or ALL");
    }
  } else if (context.args.size() > 4) {
    return reply_wrong_arity(context.reply, "client|pause");
  }
  constexpr std::int64_t kLongest = std::int64_t{1000} * 60 * 60 * 24 * 365;
  const std::chrono::milliseconds duration(std::min(*timeout, kLongest));
  context.server.pause().begin(what, saturating_add(context.now, duration));
  context.reply.ok();
}

void client_unpause(Context& context) {
  context.server.pause().end();
  context.reply.ok();
}

constexpr std::array kSubcommands{
    Subcommand{"caching", 3, "CACHING yes|no: whether what the next command reads is tracked (OPTIN, OPTOUT)",
               client_caching},
    Subcommand{"getredir", 2, "GETREDIR: which client is told instead of this one; 0: none, -1: no tracking",
               client_getredir},
    Subcommand{"getname", 2, "GETNAME: the connection's name", client_getname},
    Subcommand{"id", 2, "ID: the connection's number", client_id},
    Subcommand{"info", 2, "INFO: what is known of this connection", client_info},
    Subcommand{"kill", -3,
               "KILL <ip:port> | [ID <id>] [TYPE <type>] [ADDR <ip:port>] [LADDR <ip:port>] [USER <name>] "
               "[MAXAGE <seconds>] [SKIPME yes|no]: closes connections",
               client_kill},
    Subcommand{"list", -2, "LIST [TYPE <type> | ID <id>...]: what is known of all connections", client_list},
    Subcommand{"no-evict", 3, "NO-EVICT on|off: accepted; connections are never closed to free memory",
               client_no_evict},
    Subcommand{"no-touch", 3, "NO-TOUCH on|off: whether reads of this connection count as uses",
               client_no_touch},
    Subcommand{"pause", -3,
               "PAUSE <timeout-ms> [WRITE|ALL]: clients' commands, or their writes, wait for so long",
               client_pause},
    Subcommand{"reply", 3, "REPLY on|off|skip: which replies this connection gets", client_reply},
    Subcommand{"setinfo", 4, "SETINFO lib-name|lib-ver <value>: what library this connection uses",
               client_setinfo},
    Subcommand{"setname", 3, "SETNAME <name>: names the connection", client_setname},
    Subcommand{
        "tracking", -3,
        "TRACKING on|off [REDIRECT <id>] [BCAST] [PREFIX <prefix>]... [OPTIN] [OPTOUT] [NOLOOP]: whether "
        "this connection is told when keys that it has read change",
        client_tracking},
    Subcommand{"trackinginfo", 2, "TRACKINGINFO: how it tracks", client_trackinginfo},
    Subcommand{"unpause", 2, "UNPAUSE: they wait no more", client_unpause},
    Subcommand{"unblock", -3,
               "UNBLOCK <id> [TIMEOUT|ERROR]: a client that waits in BLPOP or its like waits no more",
               client_unblock},
};

void client(Context& context) {
  run_subcommand(context, "client", kSubcommands);
}

constexpr std::array kCommands{
    Command{"client", -2, 0, 0, 0, 0, client, "A container for client connection commands.", "2.4.0",
            "connection", 0, nullptr, client_subcommands},
};

}  // namespace

Family client_commands() {
  return kCommands;
}

std::span<const Subcommand> client_subcommands() {
  return kSubcommands;
}

}  // namespace forebay::server
