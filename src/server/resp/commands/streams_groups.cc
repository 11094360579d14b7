// XGROUP and XACK.

#include <fmt/format.h>

#include <array>

#include "base/database_key.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/streams.h"
#include "server/resp/commands/subcommand.h"

namespace forebay::server {
namespace {

constexpr std::string_view kNeedsKey =
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the "
    "MKSTREAM "
    "option to create an empty stream automatically.";

struct GroupOptions {
  bool makes_stream = false;
  std::int64_t read = -1;
};

// XGROUP CREATE's and SETID's, from args[5] on. Nothing: an error has been answered.
std::optional<GroupOptions> parse_group_options(Context& context, bool creates) {
  GroupOptions options;
  const auto refuse = [&](std::string_view error) {
    context.reply.error(error);
    return std::nullopt;
  };
  for (std::size_t at = 5; at < context.args.size(); ++at) {
    const std::string_view word = context.args[at];
    if (creates && equals_ignoring_case(word, "mkstream")) {
      options.makes_stream = true;
    } else if (equals_ignoring_case(word, "entriesread") && at + 1 < context.args.size()) {
      const auto read = parse_integer(context.args[++at]);
      if (!read) return refuse(kNotAnInteger);
      if (*read < -1) return refuse("ERR value for ENTRIESREAD must be positive or -1");
      options.read = *read;
    } else {
      return refuse(fmt::format(
          "ERR unknown subcommand or wrong number of arguments for '{}'. Try XGROUP HELP.", context.args[1]));
    }
  }
  return options;
}

// What an edit does that adds records, and one that needs no room: it can be done where memory is full.
enum class Adds : std::uint8_t { kNothing, kRecords };

// Edits the stream at args[2] that must be there, unless it may be made. `change` says what it answers.
using Answer = std::move_only_function<void(resp::Writer&)>;
void edit_groups(Context& context, Missing missing, Adds adds,
                 FunctionRef<Answer(Collection&, Stream&)> change) {
  if (refuse_other_than_plain(context, context.args[2])) return;
  Answer answer;
  Growth growth;
  if (adds == Adds::kRecords) {
    growth = kFewRecords;
    growth.bytes += bytes_of_arguments(context, 2);
  }
  const bool done = edit_stream(context, context.args[2], missing, growth,
                                [&](Collection& all, Stream& stream) { answer = change(all, stream); });
  if (!done) return;
  if (!answer) return context.reply.error(kNeedsKey);
  answer(context.reply);
}

Answer integer(std::int64_t number) {
  return [number](resp::Writer& reply) { reply.integer(number); };
}
Answer error(std::string text) {
  return [text = std::move(text)](resp::Writer& reply) { reply.error(text); };
}
Answer no_group(const Context& context) {
  return error(fmt::format("NOGROUP No such consumer group '{}' for key name '{}'", context.args[3],
                           without_database(context.args[2])));
}

// The id at args[4], or the stream's last one.
std::optional<StreamId> position(const Context& context, const Stream& stream) {
  return context.args[4] == "$" ? stream.head().last : parse_stream_id(context.args[4]);
}

void create(Context& context) {
  const auto options = parse_group_options(context, true);
  if (!options || refuse_other_than_plain(context, context.args[2])) return;
  // Nothing is made where the id is none.
  if (context.args[4] != "$" && !parse_stream_id(context.args[4])) {
    bool there = options->makes_stream;
    if (see_stream(context, context.args[2], [&](Collection&, const Stream&) { there = true; }) ==
        Seen::kRefused)
      return;
    return context.reply.error(there ? kBadStreamId : kNeedsKey);
  }
  const Missing missing = options->makes_stream ? Missing::kIsMade : Missing::kStays;
  edit_groups(context, missing, Adds::kRecords, [&](Collection& all, Stream& stream) -> Answer {
    StreamGroups groups(all);
    if (groups.find(context.args[3])) return error("BUSYGROUP Consumer Group name already exists");
    groups.create(stream, context.args[3], *position(context, stream), options->read);
    return [](resp::Writer& reply) { reply.ok(); };
  });
}

void setid(Context& context) {
  const auto options = parse_group_options(context, false);
  if (!options) return;
  edit_groups(context, Missing::kStays, Adds::kNothing, [&](Collection& all, Stream& stream) -> Answer {
    StreamGroups groups(all);
    auto group = groups.find(context.args[3]);
    if (!group) return no_group(context);
    const auto id = position(context, stream);
    if (!id) return error(std::string(kBadStreamId));
    groups.move(std::move(*group), *id, options->read);
    return [](resp::Writer& reply) { reply.ok(); };
  });
}

void destroy(Context& context) {
  edit_groups(context, Missing::kStays, Adds::kNothing, [&](Collection& all, Stream&) -> Answer {
    StreamGroups groups(all);
    const auto group = groups.find(context.args[3]);
    if (group) groups.erase(*group);
    return integer(group ? 1 : 0);
  });
}

void createconsumer(Context& context) {
  edit_groups(context, Missing::kStays, Adds::kRecords, [&](Collection& all, Stream&) -> Answer {
    auto group = StreamGroups(all).find(context.args[3]);
    if (!group) return no_group(context);
    StreamReaders readers(all, std::move(*group));
    if (readers.find(context.args[4]) != nullptr) return integer(0);
    readers.create(context.args[4], wall_ms(context));
    readers.save();
    return integer(1);
  });
}

void delconsumer(Context& context) {
  edit_groups(context, Missing::kStays, Adds::kNothing, [&](Collection& all, Stream&) -> Answer {
    auto group = StreamGroups(all).find(context.args[3]);
    if (!group) return no_group(context);
    StreamReaders readers(all, std::move(*group));
    const StreamConsumer* const consumer = readers.find(context.args[4]);
    if (consumer == nullptr) return integer(0);
    const std::int64_t pending = consumer->pending;
    readers.erase(*consumer);
    readers.save();
    return integer(pending);
  });
}

constexpr std::array kSubcommands{
    Subcommand{"create", -5, "CREATE <key> <group> <id|$> [MKSTREAM] [ENTRIESREAD <n>]: makes a group",
               create},
    Subcommand{"createconsumer", 5, "CREATECONSUMER <key> <group> <consumer>: makes a consumer",
               createconsumer},
    Subcommand{"delconsumer", 5, "DELCONSUMER <key> <group> <consumer>: removes one", delconsumer},
    Subcommand{"destroy", 4, "DESTROY <key> <group>: removes a group", destroy},
    Subcommand{"setid", -5, "SETID <key> <group> <id|$> [ENTRIESREAD <n>]: moves a group", setid},
};

}  // namespace

void xgroup(Context& context) {
  run_subcommand(context, "xgroup", kSubcommands);
}

void xack(Context& context) {
  if (refuse_other_than_plain(context, context.args[1])) return;
  std::int64_t acknowledged = 0;
  bool invalid = false;
  const bool done =
      edit_stream(context, context.args[1], Missing::kStays, Growth{}, [&](Collection& all, const Stream&) {
        auto group = StreamGroups(all).find(context.args[2]);
        if (!group) return;
        std::vector<StreamId> ids;
        for (const std::string_view text : context.args.subspan(3)) {
          const auto id = parse_stream_id(text);
          invalid = invalid || !id;
          if (id) ids.push_back(*id);
        }
        if (invalid) return;
        StreamReaders readers(all, std::move(*group));
        for (const StreamId& id : ids) acknowledged += readers.acknowledge(id) ? 1 : 0;
        if (acknowledged != 0) readers.save();
      });
  if (!done) return;
  if (invalid) return context.reply.error(kBadStreamId);
  context.reply.integer(acknowledged);
}

std::span<const Subcommand> xgroup_subcommands() {
  return kSubcommands;
}

}  // namespace forebay::server
