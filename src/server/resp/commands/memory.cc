// MEMORY: what takes how much.

#include <fmt/format.h>

#include <array>
#include <string>

#include "server/client_memory.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/collections.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/subcommand.h"
#include "server/resp/commands/watching.h"
#include "server/server.h"

namespace forebay::server {
namespace {

// What an entry takes beside its key and value, about (docs/memory.md).
constexpr std::size_t kOverhead = 32;

void memory_usage(Context& context) {
  const bool samples = context.args.size() == 5 && equals_ignoring_case(context.args[3], "samples");
  if (context.args.size() != 3 && !samples) return context.reply.error(kSyntaxError);
  if (samples && parse_integer(context.args[4]).value_or(-1) < 0) return context.reply.error(kNotAnInteger);
  std::size_t bytes = 0;
  const bool found = context.layer.peek(context.args[2], context.now, [&](const EntryView& entry) {
    bytes = kOverhead + entry.key().size() + payload(entry).size();
    if (is_collection(entry)) bytes += Collection::node_bytes(entry.bytes());
  });
  if (!found) return context.reply.null();
  context.reply.integer(static_cast<std::int64_t>(bytes));
}

void memory_stats(Context& context) {
  const LayerStats stats = context.layer.stats();
  const auto number = [&](std::string_view name, std::size_t value) {
    context.reply.bulk(name);
    context.reply.integer(static_cast<std::int64_t>(value));
  };
  context.reply.map(5);
  number("total.allocated", stats.bytes);
  number("dataset.bytes", stats.bytes);
  number("clients.normal", context.server.client_memory().used());
  number("keys.count", stats.entries);
  number("maxmemory", stats.limit);
}

void memory_doctor(Context& context) {
  const LayerStats stats = context.layer.stats();
  if (stats.refused_full != 0) {
    return context.reply.verbatim(fmt::format(
        "{} writes have been refused as memory was full and nothing could be evicted: raise memory.limit, or "
        "choose a policy that evicts (CONFIG SET maxmemory-policy).",
        stats.refused_full));
  }
  context.reply.verbatim(
      "Nothing is wrong with the memory. `forebay what-if` tells what more of it would give.");
}

void memory_purge(Context& context) {
  context.reply.ok();
}

constexpr std::array kSubcommands{
    Subcommand{"doctor", 2, "DOCTOR: what is wrong with the memory", memory_doctor},
    Subcommand{"purge", 2, "PURGE: OK; free memory is given back by itself", memory_purge},
    Subcommand{"stats", 2, "STATS: what takes how much", memory_stats},
    Subcommand{"usage", -3, "USAGE <key> [SAMPLES <count>]: bytes that the key takes, about", memory_usage},
};

}  // namespace

void memory(Context& context) {
  run_subcommand(context, "memory", kSubcommands);
}

std::span<const Subcommand> memory_subcommands() {
  return kSubcommands;
}

}  // namespace forebay::server
