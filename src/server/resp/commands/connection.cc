// Commands that are about the connection itself.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "base/decimal.h"
#include "server/access/denial_log.h"
#include "server/access/users.h"
#include "server/admission.h"
#include "server/log.h"
#include "server/resp/commands/databases.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/subcommand.h"
#include "server/resp/commands/versions.h"
#include "server/resp/session.h"
#include "server/server.h"

namespace forebay::server {
namespace {

void ping(Context& context) {
  if (context.args.size() > 2) return reply_wrong_arity(context.reply, "ping");
  if (context.session.subscribed() && context.session.protocol() == resp::Protocol::kResp2) {
    context.reply.array(2);
    context.reply.bulk(std::string_view("pong"));
    return context.reply.bulk(context.args.size() == 2 ? context.args[1] : std::string_view());
  }
  if (context.args.size() == 2) {
    context.reply.bulk(context.args[1]);
  } else {
    context.reply.simple("PONG");
  }
}

void echo(Context& context) {
  context.reply.bulk(context.args[1]);
}

void quit(Context& context) {
  context.reply.ok();
  context.session.control().close_after_replies();
}

void reset(Context& context) {
  const access::UserRef user = context.server.users().default_user();
  context.session.reset(user, user->open());
  context.reply.set_protocol(resp::Protocol::kResp2);
  context.reply.simple("RESET");
}

// The answer to a wrong password is held back, on this connection only, so that guessing is slow.
constexpr std::string_view kWrongPassword = "WRONGPASS invalid username-password pair or user is disabled.";

void refuse_password(Context& context, std::string_view user, std::string_view address) {
  context.server.denial_log().add(access::DenialLog::Reason::kAuth, access::DenialLog::Where::kToplevel, user,
                                  user, context.session.describe(context.now),
                                  context.layer.clock().to_wall_ms(context.now));
  const Duration delay = context.server.auth_throttle().on_failure(address, context.now);
  log_refused_password("resp", context.session.origin().address);
  auto slot = context.defer();
  context.session.control().run_after(delay, [slot = std::move(slot)] {
    slot->complete([](resp::Writer& reply) { reply.error(kWrongPassword); });
  });
}

// Calls `then` with where to answer once the client has logged in: at once, or later where somebody at its
// address has given wrong passwords lately. A wrong password is answered here.
template <class Then>
void authenticate(Context& context, std::string_view user, std::string_view password, Then then) {
  const access::UserRef right = context.server.users().log_in(user, password);
  const std::string address = address_group(context.session.origin().host);
  if (right == nullptr) return refuse_password(context, user, address);
  Session& session = context.session;
  // As in Redis, a user without a password accepts any.
  const Duration delay =
      right->needs_no_password() ? Duration(0) : context.server.auth_throttle().delay(address, context.now);
  if (delay == Duration(0)) {
    session.set_authenticated(true);
    session.become(right);
    return then(context.reply);
  }
  auto slot = context.defer();
  // The reply is written only while the connection, and so its session, is there. The user may have gone meanwhile.
  auto answer = [&session, &users = context.server.users(), name = std::string(user),
                 &throttle = context.server.auth_throttle(), address,
                 then = std::move(then)](resp::Writer& reply) mutable {
    const access::UserRef now = users.find(name);
    if (now == nullptr || !now->on()) return reply.error(kWrongPassword);
    throttle.on_success(address);
    session.set_authenticated(true);
    session.become(now);
    then(reply);
  };
  session.control().run_after(delay, [slot = std::move(slot), answer = std::move(answer)]() mutable {
    slot->complete(std::move(answer));
  });
}

void auth(Context& context) {
  if (context.args.size() > 3) return context.reply.error("ERR syntax error");
  if (context.args.size() == 2 && context.server.users().default_user()->needs_no_password()) {
    return context.reply.error(
        "ERR AUTH <password> called without any password configured for the default user. Are you sure your "
        "configuration is correct?");
  }
  const bool named = context.args.size() == 3;
  authenticate(context, named ? context.args[1] : "default", context.args.back(),
               [](resp::Writer& reply) { reply.ok(); });
}

// What HELLO does once the client may.
void greet(Session& session, resp::Writer& reply, resp::Protocol protocol,
           const std::optional<std::string>& name) {
  if (name) session.set_name(*name);
  session.set_protocol(protocol);
  reply.set_protocol(protocol);
  reply.map(7);
  reply.bulk("server");
  reply.bulk("redis");
  reply.bulk("version");
  reply.bulk(kRedisVersion);
  reply.bulk("proto");
  reply.integer(static_cast<int>(reply.protocol()));
  reply.bulk("id");
  reply.integer(static_cast<std::int64_t>(session.id()));
  reply.bulk("mode");
  reply.bulk("standalone");
  reply.bulk("role");
  reply.bulk("master");
  reply.bulk("modules");
  reply.array(0);
}

void hello(Context& context) {
  const auto args = context.args;
  auto protocol = context.session.protocol();
  if (args.size() > 1) {
    const auto version = canonical_integer_of(args[1]);
    if (!version) return context.reply.error("ERR Protocol version is not an integer or out of range");
    if (*version != 2 && *version != 3) return context.reply.error("NOPROTO unsupported protocol version");
    protocol = *version == 3 ? resp::Protocol::kResp3 : resp::Protocol::kResp2;
  }
  std::size_t auth_at = 0;
  std::size_t name_at = 0;
  for (std::size_t i = 2; i < args.size(); ++i) {
    if (equals_ignoring_case(args[i], "auth") && i + 2 < args.size()) {
      auth_at = i;
      i += 2;
    } else if (equals_ignoring_case(args[i], "setname") && i + 1 < args.size()) {
      name_at = ++i;
      if (!valid_client_name(args[name_at])) return context.reply.error(kBadClientName);
    } else {
      return context.reply.error(
          fmt::format("ERR Syntax error in HELLO option '{}'", args[i].substr(0, 128)));
    }
  }
  std::optional<std::string> name;
  if (name_at != 0) name = args[name_at];
  const auto then = [&session = context.session, protocol, name = std::move(name)](resp::Writer& reply) {
    greet(session, reply, protocol, name);
  };
  if (auth_at != 0) return authenticate(context, args[auth_at + 1], args[auth_at + 2], then);
  if (!context.session.authenticated()) {
    return context.reply.error(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH "
        "<user> "
        "<pass> option can be used to authenticate the client and select the RESP protocol version at the "
        "same time");
  }
  then(context.reply);
}

constexpr std::uint32_t kAlways = kFast | kNoAuth | kDenyMulti;

constexpr std::array kCommands{
    Command{"auth", -2, kAlways, 0, 0, 0, auth, "Authenticates the connection.", "1.0.0", "connection"},
    Command{"echo", 2, kFast | kConcurrent, 0, 0, 0, echo, "Returns the given string.", "1.0.0",
            "connection"},
    Command{"hello", -1, kAlways, 0, 0, 0, hello, "Handshakes with the Redis server.", "6.0.0", "connection"},
    Command{"ping", -1, kFast | kConcurrent | kWhileSubscribed, 0, 0, 0, ping,
            "Returns the server's liveliness response.", "1.0.0", "connection"},
    Command{"quit", -1, kFast | kNoAuth | kWhileSubscribed, 0, 0, 0, quit, "Closes the connection.", "1.0.0",
            "connection"},
    Command{"reset", 1, kFast | kNoAuth | kWhileSubscribed, 0, 0, 0, reset, "Resets the connection.", "6.2.0",
            "connection"},
    Command{"select", 2, kFast, 0, 0, 0, select, "Changes the selected database.", "1.0.0", "connection"},
    Command{"swapdb", 3, kWrite | kFast | kDenyMulti, 0, 0, 0, swapdb, "Swaps two databases.", "4.0.0",
            "server"},
};

}  // namespace

bool valid_client_name(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= '!' && c <= '~'; });
}

Family connection_commands() {
  return kCommands;
}

}  // namespace forebay::server
