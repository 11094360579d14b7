// Messages between clients: channels, patterns of channels, and shard channels, which here differ from others
// by their names' space only.

#include "server/resp/commands/pubsub.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <vector>

#include "base/glob.h"
#include "server/pubsub/broker.h"
#include "server/pubsub/subscriptions.h"
#include "server/resp/commands/subcommand.h"
#include "server/resp/session.h"
#include "server/server.h"

namespace forebay::server {
namespace {

// Shard channels are counted apart.
std::size_t counted(const Subscriptions& subscriptions, Topic topic) {
  if (topic == Topic::kShard) return subscriptions.count(Topic::kShard);
  return subscriptions.count(Topic::kChannel) + subscriptions.count(Topic::kPattern);
}

void reply_changed(Context& context, Topic topic, std::string_view verb,
                   std::optional<std::string_view> name) {
  context.reply.push(3);
  context.reply.bulk(verb);
  if (name) {
    context.reply.bulk(*name);
  } else {
    context.reply.null();
  }
  context.reply.integer(static_cast<std::int64_t>(counted(context.session.subscriptions(), topic)));
}

void subscribe_to(Context& context, Topic topic, std::string_view verb) {
  const auto names = context.args.subspan(1);
  for (const std::string_view name : names) {
    if (topic == Topic::kPattern && name.size() > Glob::kMaxLength)
      return context.reply.error(fmt::format("ERR a pattern has at most {} bytes", Glob::kMaxLength));
  }
  for (const std::string_view name : names) {
    context.session.subscriptions().add(topic, name);
    reply_changed(context, topic, verb, name);
  }
}

// Without names: from all of the kind.
void unsubscribe_from(Context& context, Topic topic, std::string_view verb) {
  Subscriptions& subscriptions = context.session.subscriptions();
  const auto leave = [&](std::string_view name) {
    subscriptions.remove(topic, name);
    reply_changed(context, topic, verb, name);
  };
  if (context.args.size() > 1) {
    for (const std::string_view name : context.args.subspan(1)) leave(name);
    return;
  }
  const std::vector<std::string> all = subscriptions.names(topic);
  for (const std::string& name : all) leave(name);
  if (all.empty()) reply_changed(context, topic, verb, std::nullopt);
}

void subscribe(Context& context) {
  subscribe_to(context, Topic::kChannel, "subscribe");
}
void unsubscribe(Context& context) {
  unsubscribe_from(context, Topic::kChannel, "unsubscribe");
}
void psubscribe(Context& context) {
  subscribe_to(context, Topic::kPattern, "psubscribe");
}
void punsubscribe(Context& context) {
  unsubscribe_from(context, Topic::kPattern, "punsubscribe");
}
void ssubscribe(Context& context) {
  subscribe_to(context, Topic::kShard, "ssubscribe");
}
void sunsubscribe(Context& context) {
  unsubscribe_from(context, Topic::kShard, "sunsubscribe");
}

// A publisher that is faster than its subscribers' loops waits for them, or their mailboxes would grow without
// a bound. Inside EXEC nothing can wait.
void publish_to(Context& context, Topic topic) {
  const Broker::Published published =
      context.server.broker().publish(topic, context.args[1], context.args[2]);
  const auto receivers = static_cast<std::int64_t>(published.receivers);
  if (published.behind == nullptr || !context.defer) return context.reply.integer(receivers);
  published.behind->post([slot = context.defer(), receivers] {
    slot->complete([receivers](resp::Writer& reply) { reply.integer(receivers); });
  });
}

void publish(Context& context) {
  publish_to(context, Topic::kChannel);
}
void spublish(Context& context) {
  publish_to(context, Topic::kShard);
}

constexpr Command kCommands[] = {
    {"subscribe", -2, kPushes, 0, 0, 0, subscribe, "Listens for messages published to channels.", "2.0.0",
     "pubsub"},
    {"unsubscribe", -1, kPushes, 0, 0, 0, unsubscribe, "Stops listening to messages posted to channels.",
     "2.0.0", "pubsub"},
    {"psubscribe", -2, kPushes, 0, 0, 0, psubscribe,
     "Listens for messages published to channels that match one or more patterns.", "2.0.0", "pubsub"},
    {"punsubscribe", -1, kPushes, 0, 0, 0, punsubscribe,
     "Stops listening to messages published to channels that match one or more patterns.", "2.0.0", "pubsub"},
    {"ssubscribe", -2, kPushes, 0, 0, 0, ssubscribe, "Listens for messages published to shard channels.",
     "7.0.0", "pubsub"},
    {"sunsubscribe", -1, kPushes, 0, 0, 0, sunsubscribe,
     "Stops listening to messages posted to shard channels.", "7.0.0", "pubsub"},
    {"publish", 3, kFast, 0, 0, 0, publish, "Posts a message to a channel.", "2.0.0", "pubsub"},
    {"spublish", 3, kFast, 0, 0, 0, spublish, "Posts a message to a shard channel.", "7.0.0", "pubsub"},
    {"pubsub", -2, 0, 0, 0, 0, pubsub_command, "A container for Pub/Sub commands.", "2.8.0", "pubsub", 0,
     nullptr, pubsub_subcommands},
};

}  // namespace

Family pubsub_commands() {
  return kCommands;
}

}  // namespace forebay::server
