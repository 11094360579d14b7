// Sets of plain keys.

#include <algorithm>
#include <limits>

#include "memory/collection/fields.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/collections.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/set_operations.h"

namespace forebay::server {
namespace {

using memory::Fields;
constexpr std::uint32_t kRead = kReadonly | kConcurrent;

// Answers from the set args[1], as with_collection(). `render` gets its members, or null.
template <class R>
void with_set(Context& context, R render) {
  with_collection(context, context.args[1], CollectionKind::kSet,
                  [render = std::move(render)](resp::Writer& reply, Collection* all) mutable {
                    if (all == nullptr) return render(reply, static_cast<const Fields*>(nullptr));
                    const Fields fields(*all);
                    render(reply, &fields);
                  });
}

// Whether the key is a set that is read from a table: its namespace has no column of values.
bool is_of_table(Context& context, std::string_view key) {
  const NamespaceInfo& space = context.layer.route(key);
  return space.bound && space.type == EntryType::kCollection && space.value_column.empty();
}

// For commands that read one set.
bool refuse_other_than_set(Context& context, std::string_view key) {
  return !is_of_table(context, key) && refuse_other_than_plain(context, key);
}

// For all others.
bool refuse_not_plain(Context& context, std::string_view key) {
  if (!is_of_table(context, key)) return refuse_other_than_plain(context, key);
  context.reply.error("ERR " + std::string(command_name(context)) +
                      " is not available on keys of namespace '" + context.layer.route(key).name +
                      "', which are read from a table: write it there");
  return true;
}

bool refuse_not_plain(Context& context, std::span<const std::string_view> keys) {
  return std::ranges::any_of(keys, [&](std::string_view key) { return refuse_not_plain(context, key); });
}

bool edit(Context& context, std::string_view key, Missing missing, Growth growth,
          FunctionRef<bool(Fields&)> change) {
  return edit_collection(context, key, CollectionKind::kSet, missing, growth, [&](Collection& all) {
    Fields fields(all);
    return change(fields);
  });
}

void sadd(Context& context) {
  if (refuse_not_plain(context, context.args[1])) return;
  std::int64_t added = 0;
  const Growth growth{context.args.size() - 2, bytes_of_arguments(context, 2)};
  const bool done = edit(context, context.args[1], Missing::kIsMade, growth, [&](Fields& fields) {
    for (const std::string_view member : context.args.subspan(2)) added += fields.add(member) ? 1 : 0;
    return added != 0;
  });
  if (done) context.reply.integer(added);
}

void srem(Context& context) {
  if (refuse_not_plain(context, context.args[1])) return;
  std::int64_t erased = 0;
  const bool done = edit(context, context.args[1], Missing::kStays, {}, [&](Fields& fields) {
    for (const std::string_view member : context.args.subspan(2)) erased += fields.erase(member) ? 1 : 0;
    return erased != 0;
  });
  if (done) context.reply.integer(erased);
}

void smembers(Context& context) {
  if (refuse_other_than_set(context, context.args[1])) return;
  with_set(context, [](resp::Writer& reply, const Fields* members) {
    reply.set(members == nullptr ? 0 : members->size());
    if (members == nullptr) return;
    members->visit([&](Item member) {
      write_item(reply, member);
      return true;
    });
  });
}

void sismember(Context& context) {
  if (refuse_other_than_set(context, context.args[1])) return;
  with_set(context, [member = std::string(context.args[2])](resp::Writer& reply, const Fields* members) {
    reply.integer(members != nullptr && members->has(member) ? 1 : 0);
  });
}

void smismember(Context& context) {
  if (refuse_other_than_set(context, context.args[1])) return;
  const auto asked = context.args.subspan(2);
  with_set(context, [asked = std::vector<std::string>(asked.begin(), asked.end())](resp::Writer& reply,
                                                                                   const Fields* members) {
    reply.array(asked.size());
    for (const std::string& member : asked) reply.integer(members != nullptr && members->has(member) ? 1 : 0);
  });
}

void scard(Context& context) {
  if (refuse_other_than_set(context, context.args[1])) return;
  with_set(context, [](resp::Writer& reply, const Fields* members) {
    reply.integer(members == nullptr ? 0 : members->size());
  });
}

void spop(Context& context) {
  std::int64_t count = 1;
  const bool several = context.args.size() == 3;
  if (context.args.size() > 3) return context.reply.error(kSyntaxError);
  if (several) {
    const auto number = parse_integer(context.args[2]);
    if (!number || *number < 0) return context.reply.error("ERR value is out of range, must be positive");
    count = *number;
  }
  if (refuse_not_plain(context, context.args[1])) return;
  std::vector<std::string> popped;
  const bool done = edit(context, context.args[1], Missing::kStays, {}, [&](Fields& fields) {
    if (count >= fields.size()) {
      fields.visit([&](Item member) {
        popped.push_back(text_of(member));
        return true;
      });
    } else {
      draw(count, fields.size(),
           [&](std::uint32_t position) { popped.push_back(text_of(fields.at(position))); });
    }
    for (const std::string& member : popped) fields.erase(member);
    return !popped.empty();
  });
  if (!done) return;
  if (several) {
    context.reply.set(popped.size());
    for (const std::string& member : popped) context.reply.bulk(member);
  } else if (popped.empty()) {
    context.reply.null();
  } else {
    context.reply.bulk(popped[0]);
  }
}

void srandmember(Context& context) {
  if (refuse_other_than_set(context, context.args[1])) return;
  if (context.args.size() == 2) {
    return with_set(context, [](resp::Writer& reply, const Fields* members) {
      if (members == nullptr) return reply.null();
      write_item(reply, members->at(draw_one(members->size())));
    });
  }
  if (context.args.size() > 3) return context.reply.error(kSyntaxError);
  const auto count = parse_integer(context.args[2]);
  if (!count) return context.reply.error(kNotAnInteger);
  if (*count < -kMostDrawn) return context.reply.error("ERR value is out of range");
  with_set(context, [count = *count](resp::Writer& reply, const Fields* members) {
    if (members == nullptr) return reply.array(0);
    reply.array(
        static_cast<std::size_t>(count < 0 ? -count : std::min<std::int64_t>(count, members->size())));
    draw(count, members->size(), [&](std::uint32_t position) { write_item(reply, members->at(position)); });
  });
}

void smove(Context& context) {
  const std::string_view pair[] = {context.args[1], context.args[2]};
  const std::string_view member = context.args[3];
  if (refuse_not_plain(context, pair[0]) || refuse_not_plain(context, pair[1])) return;
  const auto guard = hold_keys(context, pair);
  bool has = false;
  const auto look = [&](Collection& all) { has = Fields(all).has(member); };
  const Seen from = see_collection(context, pair[0], CollectionKind::kSet, look);
  if (from == Seen::kRefused) return;
  if (from == Seen::kNothing) return context.reply.integer(0);
  if (!collect(context, pair[1], CollectionKind::kSet, [](Collection&) {})) return;
  if (!has || pair[0] == pair[1]) return context.reply.integer(has ? 1 : 0);
  // First where it goes: if there is no room for it, it stays where it is.
  const bool added = edit(context, pair[1], Missing::kIsMade, {1, member.size()},
                          [&](Fields& fields) { return fields.add(member); });
  if (!added) return;
  edit(context, pair[0], Missing::kStays, {}, [&](Fields& fields) { return fields.erase(member); });
  context.reply.integer(1);
}

template <SetOperation operation>
void combine(Context& context) {
  const auto keys = keys_from(context, 1);
  if (refuse_not_plain(context, keys)) return;
  const auto guard = hold_keys(context, keys);
  const auto members = combine_sets(context, operation, keys);
  if (!members) return;
  context.reply.set(members->size());
  for (const std::string& member : *members) context.reply.bulk(member);
}

template <SetOperation operation>
void combine_and_store(Context& context) {
  const auto keys = keys_from(context, 1);
  if (refuse_not_plain(context, keys)) return;
  const auto guard = hold_keys(context, keys);
  const auto members = combine_sets(context, operation, std::span(keys).subspan(1));
  if (!members) return;
  Growth growth{members->size(), 0};
  for (const std::string& member : *members) growth.bytes += member.size();
  const bool stored = store_collection(context, keys[0], CollectionKind::kSet, growth, [&](Collection& all) {
    Fields fields(all);
    for (const std::string& member : *members) fields.add(member);
  });
  if (stored) context.reply.integer(static_cast<std::int64_t>(members->size()));
}

void sintercard(Context& context) {
  const auto keys = numbered_keys(context, 1, "ERR Number of keys can't be greater than number of args");
  if (!keys) return;
  std::size_t most = std::numeric_limits<std::size_t>::max();
  for (std::size_t at = 2 + keys->size(); at < context.args.size(); at += 2) {
    if (!equals_ignoring_case(context.args[at], "limit") || at + 1 == context.args.size())
      return context.reply.error(kSyntaxError);
    const auto limit = parse_integer(context.args[at + 1]);
    if (!limit || *limit < 0) return context.reply.error("ERR LIMIT can't be negative");
    most = *limit == 0 ? std::numeric_limits<std::size_t>::max() : static_cast<std::size_t>(*limit);
  }
  if (refuse_not_plain(context, *keys)) return;
  const auto guard = hold_keys(context, *keys);
  const auto members = combine_sets(context, SetOperation::kIntersection, *keys, most);
  if (members) context.reply.integer(static_cast<std::int64_t>(members->size()));
}

void sscan(Context& context) {
  auto scan = parse_collection_scan(context);
  if (!scan || refuse_other_than_set(context, context.args[1])) return;
  with_set(context, [scan = std::move(*scan)](resp::Writer& reply, const Fields* members) {
    std::vector<std::string> shown;
    const auto show = [&](Item member) {
      std::string text = text_of(member);
      if (!scan.match || scan.match->matches(text)) shown.push_back(std::move(text));
    };
    const std::uint64_t next = members == nullptr ? 0 : members->scan(scan.cursor, scan.count, show);
    write_scan(reply, next, shown);
  });
}

constexpr Command kCommands[] = {
    {"sadd", -3, kWrite | kDenyOom | kFast, 1, 1, 1, sadd,
     "Adds one or more members to a set. Creates the key if it doesn't exist.", "1.0.0", "set"},
    {"srem", -3, kWrite | kFast, 1, 1, 1, srem,
     "Removes one or more members from a set. Deletes the set if the last member was removed.", "1.0.0",
     "set"},
    {"smembers", 2, kRead, 1, 1, 1, smembers, "Returns all members of a set.", "1.0.0", "set"},
    {"sismember", 3, kRead | kFast, 1, 1, 1, sismember, "Determines whether a member belongs to a set.",
     "1.0.0", "set"},
    {"smismember", -3, kRead | kFast, 1, 1, 1, smismember,
     "Determines whether multiple members belong to a set.", "6.2.0", "set"},
    {"scard", 2, kRead | kFast, 1, 1, 1, scard, "Returns the number of members in a set.", "1.0.0", "set"},
    {"spop", -2, kWrite | kFast, 1, 1, 1, spop,
     "Returns one or more random members from a set after removing them. Deletes the set if the last member "
     "was "
     "popped.",
     "1.0.0", "set"},
    {"srandmember", -2, kReadonly, 1, 1, 1, srandmember, "Get one or multiple random members from a set.",
     "1.0.0", "set"},
    {"smove", 4, kWrite | kFast, 1, 2, 1, smove, "Moves a member from one set to another.", "1.0.0", "set"},
    {"sinter", -2, kReadonly, 1, -1, 1, combine<SetOperation::kIntersection>,
     "Returns the intersect of multiple sets.", "1.0.0", "set"},
    {"sunion", -2, kReadonly, 1, -1, 1, combine<SetOperation::kUnion>, "Returns the union of multiple sets.",
     "1.0.0", "set"},
    {"sdiff", -2, kReadonly, 1, -1, 1, combine<SetOperation::kDifference>,
     "Returns the difference of multiple sets.", "1.0.0", "set"},
    {"sinterstore", -3, kWrite | kDenyOom, 1, -1, 1, combine_and_store<SetOperation::kIntersection>,
     "Stores the intersect of multiple sets in a key.", "1.0.0", "set"},
    {"sunionstore", -3, kWrite | kDenyOom, 1, -1, 1, combine_and_store<SetOperation::kUnion>,
     "Stores the union of multiple sets in a key.", "1.0.0", "set"},
    {"sdiffstore", -3, kWrite | kDenyOom, 1, -1, 1, combine_and_store<SetOperation::kDifference>,
     "Stores the difference of multiple sets in a key.", "1.0.0", "set"},
    {"sintercard", -3, kReadonly, 0, 0, 0, sintercard,
     "Returns the number of members of the intersect of multiple sets.", "7.0.0", "set", 1},
    {"sscan", -3, kRead, 1, 1, 1, sscan, "Iterates over members of a set.", "2.8.0", "set"},
};

}  // namespace

Family set_commands() {
  return kCommands;
}

}  // namespace forebay::server
