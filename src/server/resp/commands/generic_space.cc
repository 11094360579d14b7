#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "base/database_key.h"
#include "base/glob.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/databases.h"
#include "server/resp/commands/generic.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/value_types.h"
#include "server/server.h"

namespace forebay::server {
namespace {

// Entries of one step over the table: what a shard's lock and, in KEYS, the loop thread's patience allow.
constexpr std::size_t kStep = 1'000;
// SCAN's COUNT is a hint; beyond this a client may have to ask again.
constexpr std::size_t kMostPerScan = 2'000;
// Entries that KEYS walks on the event loop itself, and the most that it walks in a transaction, which can't
// wait for the slow lane.
constexpr std::size_t kMostAtOnce = 1'000;
constexpr std::size_t kMostInExec = 100'000;

struct ScanOptions {
  std::size_t count = 10;
  std::optional<Glob> match;
  std::optional<std::string> type;
};

std::optional<std::uint64_t> parse_cursor(std::string_view text) {
  std::uint64_t cursor = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cursor);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return cursor;
}

std::optional<Glob> parse_glob(Context& context, std::string_view pattern) {
  auto glob = Glob::compile(pattern);
  if (glob) return std::move(*glob);
  context.reply.error(error_text(glob.error()));
  return std::nullopt;
}

std::optional<ScanOptions> parse_scan_options(Context& context) {
  ScanOptions options;
  for (std::size_t at = 2; at < context.args.size(); at += 2) {
    const std::string_view word = context.args[at];
    if (at + 1 == context.args.size()) {
      context.reply.error(kSyntaxError);
      return std::nullopt;
    }
    const std::string_view value = context.args[at + 1];
    if (equals_ignoring_case(word, "count")) {
      const auto count = parse_integer(value);
      if (!count || *count < 1) {
        context.reply.error(count ? kSyntaxError : kNotAnInteger);
        return std::nullopt;
      }
      options.count = static_cast<std::size_t>(std::min<std::int64_t>(*count, kMostPerScan));
    } else if (equals_ignoring_case(word, "match")) {
      options.match = parse_glob(context, value);
      if (!options.match) return std::nullopt;
    } else if (equals_ignoring_case(word, "type")) {
      options.type = std::string(value);
    } else {
      context.reply.error(kSyntaxError);
      return std::nullopt;
    }
  }
  return options;
}

// What the visitor of a table walk finds: it runs under a shard's lock, so it only copies names.
void write_keys(resp::Writer& reply, const std::vector<std::string>& names) {
  reply.array(names.size());
  for (const std::string& name : names) reply.bulk(name);
}

// The answer of KEYS.
struct Found {
  std::size_t count = 0;
  std::string encoded;     // bulk strings
  bool too_large = false;  // more than `most` bytes of names
};

Found find_names(Layer& layer, unsigned place, const Glob& glob, Instant now, std::size_t most) {
  std::vector<std::string> names;
  std::size_t bytes = 0;
  std::uint64_t cursor = 0;
  do {
    cursor = layer.scan(cursor, kStep, now, [&](const EntryView& entry) {
      if (entry.stamp().negative || database_of(entry.key()) != place) return;
      const std::string_view name = without_database(entry.key());
      if (!glob.matches(name)) return;
      bytes += name.size();
      names.emplace_back(name);
    });
  } while (cursor != 0 && bytes <= most);
  Found found;
  found.too_large = bytes > most;
  if (found.too_large) return found;
  // A table that is being resized may show an entry twice, which SCAN's clients expect and those of KEYS
  // don't.
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  found.count = names.size();
  resp::Writer writer(found.encoded);
  for (const std::string& name : names) writer.bulk(name);
  return found;
}

std::optional<std::string> first_name(Layer& layer, unsigned place, Instant now) {
  std::optional<std::string> name;
  std::uint64_t cursor = 0;
  do {
    cursor = layer.scan(cursor, kStep, now, [&](const EntryView& entry) {
      if (!entry.stamp().negative && database_of(entry.key()) == place)
        name = std::string(without_database(entry.key()));
    });
  } while (cursor != 0 && !name);
  return name;
}

void write_name(resp::Writer& reply, const std::optional<std::string>& name) {
  name ? reply.bulk(*name) : reply.null();
}

void write_found(resp::Writer& reply, Found found) {
  if (found.too_large) {
    return reply.error("ERR the keys come to more than server.max_output_buffer: use SCAN");
  }
  reply.array_of(found.count, std::move(found.encoded));
}

}  // namespace

void keys(Context& context) {
  auto glob = parse_glob(context, context.args[1]);
  if (!glob) return;
  const std::size_t entries = context.layer.size();
  const unsigned place = place_of(context);
  if (in_exec(context) && entries > kMostInExec) {
    return context.reply.error("ERR KEYS of so many keys is not available in a transaction: use SCAN");
  }
  const std::size_t most = context.server.limits().max_output_buffer.load(std::memory_order_relaxed);
  if (in_exec(context) || entries <= kMostAtOnce) {
    return write_found(context.reply, find_names(context.layer, place, *glob, context.now, most));
  }
  answer_slowly(context, [&layer = context.layer, place, glob = std::move(*glob), now = context.now, most] {
    Found found = find_names(layer, place, glob, now, most);
    const std::size_t bytes = found.encoded.size();
    return Prepared{
        [found = std::move(found)](resp::Writer& reply) mutable { write_found(reply, std::move(found)); },
        bytes};
  });
}

void scan(Context& context) {
  const auto cursor = parse_cursor(context.args[1]);
  if (!cursor) return context.reply.error("ERR invalid cursor");
  const auto options = parse_scan_options(context);
  if (!options) return;
  std::vector<std::string> names;
  const unsigned place = place_of(context);
  // Among many keys of other databases a client would ask very often for its few.
  constexpr std::size_t kMostPassedOver = 10'000;
  std::uint64_t next = *cursor;
  std::size_t own = 0;
  std::size_t passed_over = 0;
  do {
    next = context.layer.scan(next, options->count, context.now, [&](const EntryView& entry) {
      if (database_of(entry.key()) != place) {
        ++passed_over;
        return;
      }
      ++own;
      if (entry.stamp().negative) return;
      const std::string_view name = without_database(entry.key());
      if (options->match && !options->match->matches(name)) return;
      if (options->type && !equals_ignoring_case(*options->type, type_name(entry))) return;
      names.emplace_back(name);
    });
  } while (next != 0 && own == 0 && passed_over > 0 && passed_over < kMostPassedOver);
  context.reply.array(2);
  context.reply.bulk(std::to_string(next));
  write_keys(context.reply, names);
}

void randomkey(Context& context) {
  constexpr int kTries = 100;  // remembered absences are no keys, nor are those of other databases
  const unsigned place = place_of(context);
  std::optional<std::string> name;
  const auto take = [&](const EntryView& entry) {
    if (!entry.stamp().negative && database_of(entry.key()) == place)
      name = std::string(without_database(entry.key()));
  };
  for (int tries = 0; tries < kTries && !name; ++tries) {
    if (!context.layer.random_entry(context.now, take)) break;
  }
  if (name) return context.reply.bulk(*name);
  // Perhaps one of a few among many of other databases.
  if (entries_at(context, place) == 0 || entries_at(context, place) == context.layer.size())
    return context.reply.null();
  if (in_exec(context)) return write_name(context.reply, first_name(context.layer, place, context.now));
  answer_slowly(context, [&layer = context.layer, place, now = context.now] {
    return Prepared{[name = first_name(layer, place, now)](resp::Writer& reply) { write_name(reply, name); }};
  });
}

bool flush_options_fit(Context& context) {
  const bool fit = context.args.size() == 1 ||
                   (context.args.size() == 2 && (equals_ignoring_case(context.args[1], "async") ||
                                                 equals_ignoring_case(context.args[1], "sync")));
  if (!fit) context.reply.error(kSyntaxError);
  return fit;
}

void flushall(Context& context) {
  if (!flush_options_fit(context)) return;
  context.layer.purge_all();
  context.reply.ok();
}

}  // namespace forebay::server
