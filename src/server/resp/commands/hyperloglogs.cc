// HyperLogLogs, which are strings (base/hyperloglog.h).

#include <algorithm>
#include <optional>
#include <string>

#include "base/hyperloglog.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/registry.h"

namespace forebay::server {
namespace {

constexpr std::uint32_t kRead = kReadonly | kConcurrent;
constexpr std::string_view kNotOne = "WRONGTYPE Key is not a valid HyperLogLog string value.";
constexpr std::string_view kCorrupt = "INVALIDOBJ Corrupted HLL object detected";

// What a key has, or why that is none.
struct Found {
  std::optional<HyperLogLog> all;
  std::string_view error;
};

Found read(const EntryView& entry) {
  if (is_collection(entry)) return {{}, kWrongType};
  const std::string_view bytes = payload(entry);
  if (!HyperLogLog::is_one(bytes)) return {{}, kNotOne};
  Found found{HyperLogLog::read(bytes), {}};
  if (!found.all) found.error = kCorrupt;
  return found;
}

// Puts `change(old)` in the place of what the key has, and keeps its times. False: an error has been answered.
bool edit(Context& context, FunctionRef<bool(HyperLogLog&, bool is_new)> change) {
  const std::string_view key = context.args[1];
  const Stamp fresh = context.layer.stamp_for(key, context.now);
  std::string bytes;  // outlives update(), which copies from it
  std::string_view error;
  const PutOutcome outcome = context.layer.update(key, context.now, [&](const EntryView* entry) {
    Found found = entry == nullptr ? Found{HyperLogLog(), {}} : read(*entry);
    error = found.error;
    if (!found.all || !change(*found.all, entry == nullptr)) return Change::keep();
    bytes = found.all->bytes();
    Stamp stamp = entry == nullptr ? fresh : entry->stamp();
    stamp.edited = true;
    return Change::replace(bytes, stamp);
  });
  if (!error.empty()) context.reply.error(error);
  return error.empty() && stored_or_error(context, outcome);
}

// The union of what the keys have, those that have nothing left out. Nothing: an error has been answered.
std::optional<HyperLogLog> unite(Context& context, std::span<const std::string_view> keys) {
  HyperLogLog all;
  std::string_view error;
  for (const std::string_view key : keys) {
    find_entry(context, key, [&](const EntryView& entry) {
      const Found found = read(entry);
      error = found.error;
      if (found.all) all.merge(*found.all);
    });
    if (error.empty()) continue;
    context.reply.error(error);
    return std::nullopt;
  }
  return all;
}

void pfadd(Context& context) {
  if (refuse_bound(context, context.args[1])) return;
  bool changed = false;
  const bool stored = edit(context, [&](HyperLogLog& all, bool is_new) {
    changed = is_new;
    for (const std::string_view text : context.args.subspan(2)) changed = all.add(text) || changed;
    return changed;
  });
  if (stored) context.reply.integer(changed ? 1 : 0);
}

// Unlike Redis's, which notes the estimate in the value, this only reads.
void pfcount(Context& context) {
  const auto keys = keys_from(context, 1);
  if (refuse_bound(context, keys)) return;
  const auto guard = hold_keys(context, keys);
  std::optional<std::uint64_t> estimate;
  if (keys.size() == 1) {
    find_entry(context, keys[0], [&](const EntryView& entry) {
      if (is_collection(entry) || !HyperLogLog::is_one(payload(entry))) return;
      estimate = HyperLogLog::last_estimate(payload(entry));
    });
  }
  if (!estimate) {
    const auto all = unite(context, keys);
    if (!all) return;
    estimate = all->estimate();
  }
  context.reply.integer(static_cast<std::int64_t>(*estimate));
}

void pfmerge(Context& context) {
  const auto keys = keys_from(context, 1);
  if (refuse_bound(context, keys)) return;
  const auto guard = hold_keys(context, keys);
  const auto all = unite(context, keys);
  if (!all) return;
  const bool stored = edit(context, [&](HyperLogLog& destination, bool) {
    destination.merge(*all);
    return true;
  });
  if (stored) context.reply.ok();
}

constexpr Command kCommands[] = {
    {"pfadd", -2, kWrite | kDenyOom | kFast, 1, 1, 1, pfadd,
     "Adds elements to a HyperLogLog key. Creates the key if it doesn't exist.", "2.8.9", "hyperloglog"},
    {"pfcount", -2, kRead, 1, -1, 1, pfcount,
     "Returns the approximated cardinality of the set(s) observed by the HyperLogLog key(s).", "2.8.9",
     "hyperloglog"},
    {"pfmerge", -2, kWrite | kDenyOom, 1, -1, 1, pfmerge,
     "Merges one or more HyperLogLog values into a single key.", "2.8.9", "hyperloglog"},
};

}  // namespace

Family hyperloglog_commands() {
  return kCommands;
}

}  // namespace forebay::server
