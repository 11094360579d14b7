// CLIENT TRACKING and what belongs to it: clients that keep what they read and are told when it changes.

#include "server/resp/commands/client_tracking.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/database_key.h"
#include "base/decimal.h"
#include "server/clients.h"
#include "server/resp/commands/command_keys.h"
#include "server/resp/commands/registry.h"
#include "server/resp/session.h"
#include "server/server.h"
#include "server/tracking/key_feed.h"
#include "server/tracking/tracking.h"

namespace forebay::server {
namespace {

using Mode = Tracking::Mode;

struct Request {
  bool on = false;
  bool opt_in = false;
  bool opt_out = false;
  bool broadcast = false;
  Tracking::Options options;
};

// Empty: it was understood; else what is wrong.
std::string parse_option(Context& context, std::size_t& at, Request& request) {
  const auto args = context.args;
  const std::string_view option = args[at];
  const bool more = at + 1 < args.size();
  if (equals_ignoring_case(option, "redirect") && more) {
    if (request.options.redirect != 0) return "ERR A client can only redirect to a single other client";
    const auto id = canonical_integer_of(args[++at]);
    if (!id) return "ERR value is not an integer or out of range";
    request.options.redirect = static_cast<std::uint64_t>(*id);
    if (*id < 1 || !context.server.clients().contains(request.options.redirect))
      return "ERR The client ID you want redirect to does not exist";
  } else if (equals_ignoring_case(option, "bcast")) {
    request.broadcast = true;
  } else if (equals_ignoring_case(option, "optin")) {
    request.opt_in = true;
  } else if (equals_ignoring_case(option, "optout")) {
    request.opt_out = true;
  } else if (equals_ignoring_case(option, "noloop")) {
    request.options.no_loop = true;
  } else if (equals_ignoring_case(option, "prefix") && more) {
    request.options.prefixes.emplace_back(args[++at]);
  } else {
    return "ERR syntax error";
  }
  return {};
}

bool overlap(std::string_view a, std::string_view b) {
  return a.starts_with(b) || b.starts_with(a);
}

std::string overlapping(const std::vector<std::string>& prefixes, const Tracking* present) {
  constexpr std::string_view kRule = "Prefixes for a single client must not overlap.";
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    if (present != nullptr) {
      for (const std::string& other : present->options().prefixes) {
        if (prefixes[i] != other && overlap(prefixes[i], other))
          return fmt::format("ERR Prefix '{}' overlaps with an existing prefix '{}'. {}", prefixes[i], other,
                             kRule);
      }
    }
    for (std::size_t j = i + 1; j < prefixes.size(); ++j) {
      if (overlap(prefixes[i], prefixes[j]))
        return fmt::format("ERR Prefix '{}' overlaps with another provided prefix '{}'. {}", prefixes[i],
                           prefixes[j], kRule);
    }
  }
  return {};
}

// Empty: it may be done.
std::string wrong_with(const Request& request, const Tracking* present) {
  if (!request.options.prefixes.empty() && !request.broadcast)
    return "ERR PREFIX option requires BCAST mode to be enabled";
  if (present != nullptr && request.broadcast != (present->options().mode == Mode::kBroadcast)) {
    return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then "
           "re-enabling it with a different mode.";
  }
  if (request.broadcast && (request.opt_in || request.opt_out))
    return "ERR OPTIN and OPTOUT are not compatible with BCAST";
  if (request.opt_in && request.opt_out) return "ERR You can't use both OPTIN and OPTOUT";
  if (present != nullptr && ((request.opt_in && present->options().mode == Mode::kOptOut) ||
                             (request.opt_out && present->options().mode == Mode::kOptIn))) {
    return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then "
           "re-enabling it with a different mode.";
  }
  return request.broadcast ? overlapping(request.options.prefixes, present) : std::string();
}

Mode mode_of(const Request& request) {
  if (request.broadcast) return Mode::kBroadcast;
  if (request.opt_in) return Mode::kOptIn;
  return request.opt_out ? Mode::kOptOut : Mode::kReads;
}

}  // namespace

void client_tracking(Context& context) {
  Request request;
  for (std::size_t at = 3; at < context.args.size(); ++at) {
    const std::string wrong = parse_option(context, at, request);
    if (!wrong.empty()) return context.reply.error(wrong);
  }
  Session& session = context.session;
  if (equals_ignoring_case(context.args[2], "off")) {
    session.track(nullptr);
    return context.reply.ok();
  }
  if (!equals_ignoring_case(context.args[2], "on")) return context.reply.error("ERR syntax error");
  const std::string wrong = wrong_with(request, session.tracking());
  if (!wrong.empty()) return context.reply.error(wrong);
  request.options.mode = mode_of(request);
  // Without a prefix every key begins with it.
  if (request.broadcast && request.options.prefixes.empty() &&
      (session.tracking() == nullptr || session.tracking()->options().prefixes.empty())) {
    request.options.prefixes.emplace_back();
  }
  if (session.tracking() == nullptr) {
    KeyFeed& feed = context.server.key_feed();
    session.track(std::make_unique<Tracking>(feed.tracking(), session.control().tracked(), feed.listen()));
  }
  session.tracking()->set(std::move(request.options));
  session.show_tracking();
  context.reply.ok();
}

void client_caching(Context& context) {
  Tracking* const tracking = context.session.tracking();
  const Mode mode = tracking == nullptr ? Mode::kReads : tracking->options().mode;
  if (mode != Mode::kOptIn && mode != Mode::kOptOut) {
    return context.reply.error(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode "
        "enabled");
  }
  const bool yes = equals_ignoring_case(context.args[2], "yes");
  if (!yes && !equals_ignoring_case(context.args[2], "no")) return context.reply.error("ERR syntax error");
  if (yes && mode != Mode::kOptIn) {
    return context.reply.error(
        "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.");
  }
  if (!yes && mode != Mode::kOptOut) {
    return context.reply.error(
        "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.");
  }
  tracking->set_caching(true);
  context.reply.ok();
}

void client_trackinginfo(Context& context) {
  const Tracking* const tracking = context.session.tracking();
  std::vector<std::string_view> flags;
  if (tracking == nullptr) {
    flags.emplace_back("off");
  } else {
    flags.emplace_back("on");
    const Mode mode = tracking->options().mode;
    if (mode == Mode::kBroadcast) flags.emplace_back("bcast");
    if (mode == Mode::kOptIn) flags.emplace_back("optin");
    if (mode == Mode::kOptIn && tracking->caching()) flags.emplace_back("caching-yes");
    if (mode == Mode::kOptOut) flags.emplace_back("optout");
    if (mode == Mode::kOptOut && tracking->caching()) flags.emplace_back("caching-no");
    if (tracking->options().no_loop) flags.emplace_back("noloop");
    if (tracking->broken()) flags.emplace_back("broken_redirect");
  }
  resp::Writer& reply = context.reply;
  reply.map(3);
  reply.bulk(std::string_view("flags"));
  reply.set(flags.size());
  for (const std::string_view flag : flags) reply.bulk(flag);
  reply.bulk(std::string_view("redirect"));
  reply.integer(tracking == nullptr ? -1 : static_cast<std::int64_t>(tracking->options().redirect));
  reply.bulk(std::string_view("prefixes"));
  std::vector<std::string> prefixes;
  if (tracking != nullptr) prefixes = tracking->options().prefixes;
  reply.array(prefixes.size());
  for (const std::string& prefix : prefixes) reply.bulk(std::string_view(prefix));
}

void client_getredir(Context& context) {
  const Tracking* const tracking = context.session.tracking();
  context.reply.integer(tracking == nullptr ? -1 : static_cast<std::int64_t>(tracking->options().redirect));
}

void note_reads(Context& context, const Command& command) {
  Tracking* const tracking = context.session.tracking();
  if (tracking == nullptr || (command.flags & kReadonly) == 0 || !tracking->notes_reads()) return;
  for (const std::string_view key : keys_of(command, context.args)) {
    const NamespaceInfo& space = context.layer.route(key);
    tracking->note(space, without_database(key));
    if (!space.bound || space.type != EntryType::kCollection) continue;
    // Of a table's scores the members are entries, too, and a change may be told of one of them only.
    const NamespaceInfo& members = context.layer.route(zset_entry(key, "m"));
    if (members.zset) tracking->note(members, without_database(key));
  }
}

}  // namespace forebay::server
