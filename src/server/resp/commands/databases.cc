#include "server/resp/commands/databases.h"

#include "layer/databases.h"
#include "server/databases.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/generic.h"
#include "server/resp/commands/registry.h"
#include "server/resp/session.h"
#include "server/server.h"
#include "server/tracking/key_feed.h"

namespace forebay::server {
namespace {

// Entries of all databases that FLUSHDB walks on the event loop itself.
constexpr std::size_t kMostAtOnce = 1'000;
constexpr std::size_t kMostInExec = 100'000;

// Whether any other database has a key, so that not everything may go.
bool others_have_keys(Context& context, unsigned place) {
  return entries_at(context, place) != context.layer.size();
}

}  // namespace

std::optional<unsigned> parse_database(const Context& context, std::string_view text) {
  const auto number = parse_integer(text);
  if (!number || *number < 0 || *number >= context.server.databases().count()) return std::nullopt;
  return static_cast<unsigned>(*number);
}

unsigned place_of(const Context& context) {
  return context.server.databases().place_of(context.session.database());
}

std::size_t entries_at(Context& context, unsigned place) {
  return layer::entries_of_databases(context.layer).at(place).entries;
}

void select(Context& context) {
  if (!parse_integer(context.args[1])) return context.reply.error(kNotAnInteger);
  const auto database = parse_database(context, context.args[1]);
  if (!database) return context.reply.error(kNoSuchDatabase);
  context.session.select(*database);
  context.reply.ok();
}

void swapdb(Context& context) {
  if (!parse_integer(context.args[1])) return context.reply.error("ERR invalid first DB index");
  if (!parse_integer(context.args[2])) return context.reply.error("ERR invalid second DB index");
  const auto first = parse_database(context, context.args[1]);
  const auto second = parse_database(context, context.args[2]);
  if (!first || !second) return context.reply.error(kNoSuchDatabase);
  Databases& databases = context.server.databases();
  const bool bound = databases.place_of(*first) == 0 || databases.place_of(*second) == 0;
  if (*first != *second) {
    if (bound && layer::has_namespaces(context.layer)) {
      return context.reply.error(
          "ERR the keys of namespaces are in the database that was the first, which can't be swapped");
    }
    const Waiters& waiters = context.server.key_feed().waiters();
    if (waiters.waits_at(databases.place_of(*first)) || waiters.waits_at(databases.place_of(*second))) {
      return context.reply.error(
          "ERR clients wait for keys of these databases (BLPOP and its like), which can't be swapped "
          "meanwhile");
    }
    databases.swap(*first, *second);
    // What a client keeps of a key may be another database's now.
    context.server.key_feed().tracking()->cleared();
  }
  context.reply.ok();
}

void dbsize(Context& context) {
  context.reply.integer(static_cast<std::int64_t>(entries_at(context, place_of(context))));
}

void flushdb(Context& context) {
  if (!flush_options_fit(context)) return;
  const unsigned place = place_of(context);
  if (place == 0 && !others_have_keys(context, place)) {
    context.layer.purge_all();
    return context.reply.ok();
  }
  if (in_exec(context) && context.layer.size() > kMostInExec) {
    return context.reply.error(
        "ERR FLUSHDB of one of several large databases is not available in a transaction");
  }
  if (in_exec(context) || context.layer.size() <= kMostAtOnce) {
    layer::purge_database(context.layer, place);
    return context.reply.ok();
  }
  answer_slowly(context, [&layer = context.layer, place] {
    layer::purge_database(layer, place);
    return Prepared{[](resp::Writer& reply) { reply.ok(); }};
  });
}

}  // namespace forebay::server
