#include "server/resp/commands/blocking.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/session.h"
#include "server/server.h"
#include "server/tracking/key_feed.h"

namespace forebay::server {

std::optional<Duration> parse_timeout(Context& context, std::string_view seconds) {
  const auto refuse = [&](std::string_view error) {
    context.reply.error(error);
    return std::nullopt;
  };
  const auto number = parse_float(seconds);
  if (!number) return refuse("ERR timeout is not a float or out of range");
  const long double milliseconds = std::ceil(*number * 1000);
  if (milliseconds < 0) return refuse("ERR timeout is negative");
  if (milliseconds > static_cast<long double>(std::numeric_limits<std::int64_t>::max()))
    return refuse("ERR timeout is out of range");
  // Beyond a hundred years nobody can tell it from for ever, and a Duration has an end.
  constexpr std::chrono::milliseconds kForEver = std::chrono::years(100);
  if (milliseconds > static_cast<long double>(kForEver.count())) return Duration::zero();
  return std::chrono::milliseconds(static_cast<std::int64_t>(milliseconds));
}

Waiter::Tried refused(std::string_view error) {
  return {Waiter::Tried::Outcome::kServed,
          [text = std::string(error)](resp::Writer& reply) { reply.error(text); }};
}

Waiter::Tried mistyped(Occasion occasion) {
  return occasion == Occasion::kWoken ? Waiter::Tried{Waiter::Tried::Outcome::kNotMine} : refused(kWrongType);
}

void try_or_wait(Context& context, std::span<const std::string_view> keys, Duration timeout, Try attempt,
                 void (*nothing)(resp::Writer&)) {
  Waiters& waiters = context.server.key_feed().waiters();
  for (const std::string_view key : keys) {
    const bool behind = !in_exec(context) && waiters.waits_for(key);
    Waiter::Tried tried = attempt(key, context.now, behind ? Occasion::kBehind : Occasion::kFirst);
    if (tried.outcome == Waiter::Tried::Outcome::kServed) return tried.reply(context.reply);
  }
  if (in_exec(context)) return nothing(context.reply);
  Session& session = context.session;
  auto waiter = std::make_shared<Waiter>();
  waiter->client = session.id();
  waiter->command = find_command(context.args[0]);
  waiter->args.assign(context.args.begin(), context.args.end());
  for (const std::string_view key : keys) {
    if (std::ranges::find(waiter->keys, key) == waiter->keys.end()) waiter->keys.emplace_back(key);
  }
  waiter->slot = context.defer();
  waiter->attempt = [attempt = std::move(attempt)](std::string_view key, Instant now) mutable {
    return attempt(key, now, Occasion::kWoken);
  };
  // What it returns runs on the client's loop, while there is a client.
  waiter->finish = [&session](ReplySlot::Fill write) -> ReplySlot::Fill {
    return [&session, write = std::move(write)](resp::Writer& reply) mutable {
      session.control().cancel_timer();
      session.waited();
      write(reply);
    };
  };
  session.wait(waiter);
  if (timeout != Duration::zero()) {
    session.control().set_timer(timeout, [&waiters, waiting = std::weak_ptr(waiter)] {
      if (const auto late = waiting.lock()) waiters.end(late, Unserved::kTimeout);
    });
  }
  waiters.join(waiter);
}

}  // namespace forebay::server
