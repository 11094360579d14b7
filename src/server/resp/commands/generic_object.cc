#include <algorithm>
#include <chrono>
#include <string>

#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/generic.h"
#include "server/resp/commands/subcommand.h"
#include "server/resp/commands/value_types.h"

namespace forebay::server {
namespace {

// Answers from the key's entry; null if there is none. An update that keeps the entry, not a peek: hits are
// reported to a shard some at a time, and an update sees all of them.
template <class Answer>
void from_entry(Context& context, Answer answer) {
  context.layer.update(context.args[2], context.now, [&](const EntryView* entry) {
    if (entry == nullptr || entry->stamp().negative) {
      context.reply.null();
    } else {
      answer(*entry);
    }
    return Change::keep();
  });
}

void object_encoding(Context& context) {
  from_entry(context, [&](const EntryView& entry) { context.reply.bulk(encoding_name(entry)); });
}

void object_refcount(Context& context) {
  from_entry(context, [&](const EntryView&) { context.reply.integer(1); });
}

void object_idletime(Context& context) {
  from_entry(context, [&](const EntryView& entry) {
    const auto idle = std::chrono::duration_cast<std::chrono::seconds>(context.now - entry.accessed());
    context.reply.integer(std::max<std::int64_t>(idle.count(), 0));
  });
}

void object_freq(Context& context) {
  bool found = false;
  from_entry(context, [&](const EntryView&) { found = true; });
  if (!found) return;
  if (const auto frequency = context.layer.frequency(context.args[2]))
    return context.reply.integer(static_cast<std::int64_t>(*frequency));
  context.reply.error(
      "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when "
      "switching between policies at runtime LRU and LFU data will take some time to adjust.");
}

constexpr Subcommand kSubcommands[] = {
    {"encoding", 3, "ENCODING <key>: how the value would be held: int, embstr or raw.", object_encoding},
    {"freq", 3,
     "FREQ <key>: how often it was used lately, up to 127; an error unless the policy counts that.",
     object_freq},
    {"idletime", 3, "IDLETIME <key>: seconds since the last access, about.", object_idletime},
    {"refcount", 3, "REFCOUNT <key>: 1.", object_refcount},
};

}  // namespace

void object(Context& context) {
  run_subcommand(context, "object", kSubcommands);
}

std::span<const Subcommand> object_subcommands() {
  return kSubcommands;
}

}  // namespace forebay::server
