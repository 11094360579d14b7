// XINFO.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/database_key.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/streams.h"
#include "server/resp/commands/subcommand.h"

namespace forebay::server {
namespace {

constexpr std::int64_t kUnknown = -1;

void write_number(resp::Writer& reply, std::string_view name, std::int64_t number) {
  reply.bulk(name);
  reply.integer(number);
}

void write_known(resp::Writer& reply, std::string_view name, std::optional<std::int64_t> number) {
  reply.bulk(name);
  if (number) {
    reply.integer(*number);
  } else {
    reply.null();
  }
}

std::optional<std::int64_t> read_by(const StreamGroup& group) {
  return group.read == kUnknown ? std::nullopt : std::optional(group.read);
}

void write_id(resp::Writer& reply, std::string_view name, const StreamId& id) {
  reply.bulk(name);
  server::write_id(reply, id);
}

// How many entries the group has still to read; nothing: that can't be told. Below 0 where who made the group has said
// that it had read more than there were.
std::optional<std::int64_t> lag_of(const Stream& stream, const StreamGroup& group) {
  const auto added = static_cast<std::int64_t>(stream.head().added);
  if (added == 0) return 0;
  if (group.read != kUnknown && !may_have_gaps(stream, group.last)) return added - group.read;
  const std::int64_t read = entries_up_to(stream, group.last);
  return read == kUnknown ? std::nullopt : std::optional(added - read);
}

// What both forms of XINFO STREAM begin with.
void write_head(resp::Writer& reply, const Stream& stream) {
  // Redis's tree has a node of a hundred entries; a client may want to see that there are some.
  constexpr std::uint32_t kEntriesPerNode = 100;
  const std::int64_t nodes = (std::int64_t{stream.size()} + kEntriesPerNode - 1) / kEntriesPerNode;
  write_number(reply, "length", stream.size());
  write_number(reply, "radix-tree-keys", nodes);
  write_number(reply, "radix-tree-nodes", nodes + 1);
  write_id(reply, "last-generated-id", stream.head().last);
  write_id(reply, "max-deleted-entry-id", stream.head().last_deleted);
  write_number(reply, "entries-added", static_cast<std::int64_t>(stream.head().added));
  write_id(reply, "recorded-first-entry-id", stream.first());
}

void write_edge(resp::Writer& reply, std::string_view name, const Stream& stream, bool last) {
  reply.bulk(name);
  if (stream.size() == 0) return reply.null();
  stream.visit(last ? stream.size() - 1 : 0, false, [&](const StreamEntry& entry) {
    write_entry(reply, entry);
    return false;
  });
}

void write_short(resp::Writer& reply, Collection& all, const Stream& stream) {
  reply.map(10);
  write_head(reply, stream);
  write_number(reply, "groups", StreamGroups(all).size());
  write_edge(reply, "first-entry", stream, false);
  write_edge(reply, "last-entry", stream, true);
}

std::size_t at_most(std::size_t size, std::size_t count) {
  return count == 0 ? size : std::min(size, count);
}

void write_consumer(resp::Writer& reply, StreamReaders& readers, const StreamConsumer& consumer,
                    std::size_t count) {
  reply.map(5);
  reply.bulk("name");
  reply.bulk(consumer.name);
  write_number(reply, "seen-time", consumer.seen_ms);
  write_number(reply, "active-time", consumer.active_ms);
  write_number(reply, "pel-count", consumer.pending);
  reply.bulk("pending");
  std::size_t left = at_most(consumer.pending, count);
  reply.array(left);
  if (left == 0) return;
  readers.visit_of(consumer, {}, [&](const StreamId& id) {
    const auto delivery = readers.pending(id);
    reply.array(3);
    server::write_id(reply, id);
    reply.integer(delivery->at_ms);
    reply.integer(static_cast<std::int64_t>(delivery->count));
    return --left != 0;
  });
}

void write_group(resp::Writer& reply, const Stream& stream, StreamReaders& readers, std::size_t count) {
  const StreamGroup& group = readers.group();
  reply.map(7);
  reply.bulk("name");
  reply.bulk(group.name);
  write_id(reply, "last-delivered-id", group.last);
  write_known(reply, "entries-read", read_by(group));
  write_known(reply, "lag", lag_of(stream, group));
  write_number(reply, "pel-count", group.pending);
  reply.bulk("pending");
  std::size_t left = at_most(group.pending, count);
  reply.array(left);
  if (left != 0) {
    readers.visit({}, [&](const StreamId& id, const memory::Delivery& delivery) {
      reply.array(4);
      server::write_id(reply, id);
      reply.bulk(readers.by_number(delivery.consumer).name);
      reply.integer(delivery.at_ms);
      reply.integer(static_cast<std::int64_t>(delivery.count));
      return --left != 0;
    });
  }
  reply.bulk("consumers");
  reply.array(group.consumers);
  readers.visit_consumers(
      [&](const StreamConsumer& consumer) { write_consumer(reply, readers, consumer, count); });
}

// `count`: of entries and of what is pending; 0: all.
void write_full(resp::Writer& reply, Collection& all, const Stream& stream, std::size_t count) {
  reply.map(9);
  write_head(reply, stream);
  reply.bulk("entries");
  write_entries(reply, stream, {}, StreamId::most(), count);
  const StreamGroups groups(all);
  reply.bulk("groups");
  reply.array(groups.size());
  groups.visit([&](const StreamGroup& group) {
    StreamReaders readers(all, group);
    write_group(reply, stream, readers, count);
  });
}

// Shows the stream at args[2], or answers that there is none.
void show(Context& context, FunctionRef<void(Collection&, const Stream&)> show) {
  if (refuse_other_than_plain(context, context.args[2])) return;
  if (see_stream(context, context.args[2], show) == Seen::kNothing) context.reply.error(kNoSuchKey);
}

// What follows XINFO STREAM's key: 0 entries of all, or so many. Nothing: an error has been answered.
std::optional<std::size_t> parse_full(Context& context) {
  const auto args = context.args;
  constexpr std::size_t kUsual = 10;
  const bool has_count = args.size() == 6 && equals_ignoring_case(args[4], "count");
  if (!equals_ignoring_case(args[3], "full") || (args.size() != 4 && !has_count)) {
    context.reply.error(fmt::format(
        "ERR unknown subcommand or wrong number of arguments for '{}'. Try XINFO HELP.", args[1]));
    return std::nullopt;
  }
  if (!has_count) return kUsual;
  const auto count = parse_integer(args[5]);
  if (count) return *count < 0 ? kUsual : static_cast<std::size_t>(*count);
  context.reply.error(kNotAnInteger);
  return std::nullopt;
}

void stream(Context& context) {
  show(context, [&](Collection& all, const Stream& stream) {
    if (context.args.size() == 3) return write_short(context.reply, all, stream);
    if (const auto count = parse_full(context)) write_full(context.reply, all, stream, *count);
  });
}

void groups(Context& context) {
  show(context, [&](Collection& all, const Stream& stream) {
    resp::Writer& reply = context.reply;
    const StreamGroups groups(all);
    reply.array(groups.size());
    groups.visit([&](const StreamGroup& group) {
      reply.map(6);
      reply.bulk("name");
      reply.bulk(group.name);
      write_number(reply, "consumers", group.consumers);
      write_number(reply, "pending", group.pending);
      write_id(reply, "last-delivered-id", group.last);
      write_known(reply, "entries-read", read_by(group));
      write_known(reply, "lag", lag_of(stream, group));
    });
  });
}

void consumers(Context& context) {
  show(context, [&](Collection& all, const Stream&) {
    resp::Writer& reply = context.reply;
    auto group = StreamGroups(all).find(context.args[3]);
    if (!group) {
      return reply.error(fmt::format("NOGROUP No such consumer group '{}' for key name '{}'", context.args[3],
                                     without_database(context.args[2])));
    }
    const StreamReaders readers(all, std::move(*group));
    const std::int64_t now_ms = wall_ms(context);
    std::vector<StreamConsumer> found;
    readers.visit_consumers([&](const StreamConsumer& consumer) { found.push_back(consumer); });
    reply.array(found.size());
    for (const StreamConsumer& consumer : found) {
      reply.map(4);
      reply.bulk("name");
      reply.bulk(consumer.name);
      write_number(reply, "pending", consumer.pending);
      write_number(reply, "idle", std::max<std::int64_t>(now_ms - consumer.seen_ms, 0));
      write_number(
          reply, "inactive",
          consumer.active_ms == kUnknown ? kUnknown : std::max<std::int64_t>(now_ms - consumer.active_ms, 0));
    }
  });
}

constexpr std::array kSubcommands{
    Subcommand{"consumers", 4, "CONSUMERS <key> <group>: the consumers of a group", consumers},
    Subcommand{"groups", 3, "GROUPS <key>: the groups of a stream", groups},
    Subcommand{"stream", -3, "STREAM <key> [FULL [COUNT <count>]]: what there is of a stream", stream},
};

}  // namespace

void xinfo(Context& context) {
  run_subcommand(context, "xinfo", kSubcommands);
}

std::span<const Subcommand> xinfo_subcommands() {
  return kSubcommands;
}

}  // namespace forebay::server
