// Lists of plain keys.

#include "server/resp/commands/lists.h"

#include <algorithm>
#include <limits>

#include "base/database_key.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/collections.h"
#include "server/resp/commands/registry.h"

namespace forebay::server {
namespace {

using memory::Sequence;
constexpr std::uint32_t kRead = kReadonly | kConcurrent;
constexpr std::string_view kOutOfRange = "ERR index out of range";

Seen see(Context& context, std::string_view key, FunctionRef<void(const Sequence&)> show) {
  return see_collection(context, key, CollectionKind::kList, [&](Collection& all) { show(Sequence(all)); });
}

bool edit(Context& context, std::string_view key, Missing missing, Growth growth,
          FunctionRef<bool(Sequence&)> change) {
  return edit_collection(context, key, CollectionKind::kList, missing, growth, [&](Collection& all) {
    Sequence list(all);
    return change(list);
  });
}

template <Side side, Missing missing>
void push(Context& context) {
  if (refuse_other_than_plain(context, context.args[1])) return;
  std::int64_t size = 0;
  const Growth growth{context.args.size() - 2, bytes_of_arguments(context, 2)};
  const bool done = edit(context, context.args[1], missing, growth, [&](Sequence& list) {
    for (const std::string_view element : context.args.subspan(2)) insert(list, side, element);
    size = list.size();
    return true;
  });
  if (done) context.reply.integer(size);
}

template <Side side>
void pop(Context& context) {
  if (context.args.size() > 3) {
    return context.reply.error("ERR wrong number of arguments for '" + std::string(command_name(context)) +
                               "' command");
  }
  const bool several = context.args.size() == 3;
  std::int64_t count = 1;
  if (several) {
    const auto number = parse_integer(context.args[2]);
    if (!number || *number < 0) return context.reply.error("ERR value is out of range, must be positive");
    count = *number;
  }
  if (refuse_other_than_plain(context, context.args[1])) return;
  bool there = false;
  std::vector<std::string> taken;
  const bool done = edit(context, context.args[1], Missing::kStays, {}, [&](Sequence& list) {
    there = true;
    taken = take(list, side, count);
    return !taken.empty();
  });
  if (!done) return;
  if (!there) return several ? context.reply.null_array() : context.reply.null();
  if (!several) return context.reply.bulk(taken[0]);
  context.reply.array(taken.size());
  for (const std::string& element : taken) context.reply.bulk(element);
}

void llen(Context& context) {
  if (refuse_other_than_plain(context, context.args[1])) return;
  std::int64_t size = 0;
  const Seen seen = see(context, context.args[1], [&](const Sequence& list) { size = list.size(); });
  if (seen != Seen::kRefused) context.reply.integer(size);
}

// [from, end) of a list of this size, from the positions that a client gave.
std::pair<std::uint32_t, std::uint32_t> positions(std::int64_t first, std::int64_t last, std::int64_t size) {
  const std::int64_t from = clamp_index(first, size);
  const std::int64_t end = std::clamp<std::int64_t>(last < 0 ? last + size : last, -1, size - 1) + 1;
  return {static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(std::max(from, end))};
}

void lrange(Context& context) {
  const auto first = parse_integer(context.args[2]);
  const auto last = parse_integer(context.args[3]);
  if (!first || !last) return context.reply.error(kNotAnInteger);
  if (refuse_other_than_plain(context, context.args[1])) return;
  const Seen seen = see(context, context.args[1], [&](const Sequence& list) {
    auto [from, end] = positions(*first, *last, list.size());
    context.reply.array(end - from);
    if (from == end) return;
    list.visit(from, false, [&, left = end - from](Item element) mutable {
      write_item(context.reply, element);
      return --left != 0;
    });
  });
  if (seen == Seen::kNothing) context.reply.array(0);
}

// Where an index points, or nothing.
std::optional<std::uint32_t> position_of(std::int64_t index, std::int64_t size) {
  if (index < 0) index += size;
  if (index < 0 || index >= size) return std::nullopt;
  return static_cast<std::uint32_t>(index);
}

void lindex(Context& context) {
  if (refuse_other_than_plain(context, context.args[1])) return;
  const auto index = parse_integer(context.args[2]);
  const Seen seen = see(context, context.args[1], [&](const Sequence& list) {
    if (!index) return context.reply.error(kNotAnInteger);
    const auto position = position_of(*index, list.size());
    if (!position) return context.reply.null();
    write_item(context.reply, list.at(*position));
  });
  if (seen == Seen::kNothing) context.reply.null();
}

void lset(Context& context) {
  if (refuse_other_than_plain(context, context.args[1])) return;
  const auto index = parse_integer(context.args[2]);
  bool there = false;
  bool within = false;
  const Growth growth{1, context.args[3].size()};
  const bool done = edit(context, context.args[1], Missing::kStays, growth, [&](Sequence& list) {
    there = true;
    const auto position = index ? position_of(*index, list.size()) : std::nullopt;
    within = position.has_value();
    if (within) list.set(*position, context.args[3]);
    return within;
  });
  if (!done) return;
  if (!there) return context.reply.error(kNoSuchKey);
  if (!index) return context.reply.error(kNotAnInteger);
  if (!within) return context.reply.error(kOutOfRange);
  context.reply.ok();
}

void linsert(Context& context) {
  const bool before = equals_ignoring_case(context.args[2], "before");
  if (!before && !equals_ignoring_case(context.args[2], "after")) return context.reply.error(kSyntaxError);
  if (refuse_other_than_plain(context, context.args[1])) return;
  std::int64_t size = 0;
  const Growth growth{1, context.args[4].size()};
  const bool done = edit(context, context.args[1], Missing::kStays, growth, [&](Sequence& list) {
    const memory::Packed pivot(context.args[3]);
    std::uint32_t position = 0;
    bool found = false;
    list.visit(0, false, [&](Item element) {
      found = element.is(pivot);
      if (!found) ++position;
      return !found;
    });
    size = -1;
    if (!found) return false;
    list.insert(before ? position : position + 1, context.args[4]);
    size = list.size();
    return true;
  });
  if (done) context.reply.integer(size);
}

void lrem(Context& context) {
  const auto count = parse_integer(context.args[2]);
  if (!count) return context.reply.error(kNotAnInteger);
  if (refuse_other_than_plain(context, context.args[1])) return;
  std::vector<std::uint32_t> found;  // positions
  const bool done = edit(context, context.args[1], Missing::kStays, {}, [&](Sequence& list) {
    const bool backwards = *count < 0;
    const auto most = *count == 0 ? std::numeric_limits<std::uint64_t>::max()
                                  : static_cast<std::uint64_t>(backwards ? -(*count + 1) : *count - 1) + 1;
    const memory::Packed wanted(context.args[3]);
    std::uint32_t position = backwards ? list.size() - 1 : 0;
    list.visit(position, backwards, [&](Item element) {
      if (element.is(wanted)) found.push_back(position);
      position = backwards ? position - 1 : position + 1;
      return found.size() < most;
    });
    std::ranges::sort(found, std::greater());
    for (const std::uint32_t one : found) list.erase(one, 1);
    return !found.empty();
  });
  if (done) context.reply.integer(static_cast<std::int64_t>(found.size()));
}

void ltrim(Context& context) {
  const auto first = parse_integer(context.args[2]);
  const auto last = parse_integer(context.args[3]);
  if (!first || !last) return context.reply.error(kNotAnInteger);
  if (refuse_other_than_plain(context, context.args[1])) return;
  const bool done = edit(context, context.args[1], Missing::kStays, {}, [&](Sequence& list) {
    const std::uint32_t size = list.size();
    auto [from, end] = positions(*first, *last, size);
    if (from == end) from = end = size;  // nothing stays
    list.erase(end, size - end);
    list.erase(0, from);
    return list.size() != size;
  });
  if (done) context.reply.ok();
}

struct PositionOptions {
  std::int64_t rank = 1;
  std::optional<std::int64_t> count;
  std::int64_t most = 0;  // elements that are compared; 0: all
};

std::optional<PositionOptions> parse_position_options(Context& context) {
  PositionOptions options;
  const auto refuse = [&](std::string_view error) {
    context.reply.error(error);
    return std::nullopt;
  };
  for (std::size_t at = 3; at < context.args.size(); at += 2) {
    const std::string_view word = context.args[at];
    if (at + 1 == context.args.size()) return refuse(kSyntaxError);
    const auto number = parse_integer(context.args[at + 1]);
    if (equals_ignoring_case(word, "rank")) {
      if (!number) return refuse(kNotAnInteger);
      if (*number == std::numeric_limits<std::int64_t>::min()) return refuse("ERR value is out of range");
      if (*number == 0) {
        return refuse(
            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use "
            "negative to "
            "start from the end of the list");
      }
      options.rank = *number;
    } else if (equals_ignoring_case(word, "count")) {
      if (!number || *number < 0) return refuse("ERR COUNT can't be negative");
      options.count = *number;
    } else if (equals_ignoring_case(word, "maxlen")) {
      if (!number || *number < 0) return refuse("ERR MAXLEN can't be negative");
      options.most = *number;
    } else {
      return refuse(kSyntaxError);
    }
  }
  return options;
}

void lpos(Context& context) {
  const auto options = parse_position_options(context);
  if (!options || refuse_other_than_plain(context, context.args[1])) return;
  std::vector<std::int64_t> found;
  const Seen seen = see(context, context.args[1], [&](const Sequence& list) {
    const bool backwards = options->rank < 0;
    const auto wanted = static_cast<std::uint64_t>(options->count.value_or(1));
    const memory::Packed text(context.args[2]);
    std::int64_t skip = (backwards ? -options->rank : options->rank) - 1;
    std::int64_t position = backwards ? list.size() - 1 : 0;
    std::int64_t left = options->most == 0 ? std::numeric_limits<std::int64_t>::max() : options->most;
    list.visit(static_cast<std::uint32_t>(position), backwards, [&](Item element) {
      if (element.is(text) && skip-- <= 0) found.push_back(position);
      position += backwards ? -1 : 1;
      return --left != 0 && (wanted == 0 || found.size() < wanted);
    });
  });
  if (seen == Seen::kRefused) return;
  if (options->count) {
    context.reply.array(found.size());
    for (const std::int64_t position : found) context.reply.integer(position);
  } else if (found.empty()) {
    context.reply.null();
  } else {
    context.reply.integer(found[0]);
  }
}

void move(Context& context, Side from, Side to) {
  const std::string_view pair[] = {context.args[1], context.args[2]};
  if (refuse_other_than_plain(context, pair)) return;
  const Moved moved = move_element(context.layer, context.now, pair, from, to, !in_exec(context));
  if (!moved.error.empty()) return context.reply.error(moved.error);
  if (!moved.element) return context.reply.null();
  context.reply.bulk(*moved.element);
}

void lmove(Context& context) {
  const auto from = parse_side(context, context.args[3]);
  if (!from) return;
  const auto to = parse_side(context, context.args[4]);
  if (to) move(context, *from, *to);
}

void rpoplpush(Context& context) {
  move(context, Side::kRight, Side::kLeft);
}

void lmpop(Context& context) {
  const auto keys = numbered_keys(context, 1, kSyntaxError);
  if (!keys) return;
  const std::size_t at = 2 + keys->size();
  if (at >= context.args.size()) return context.reply.error(kSyntaxError);
  const auto side = parse_side(context, context.args[at]);
  if (!side) return;
  const auto count = parse_pop_count(context, at + 1);
  if (!count || refuse_other_than_plain(context, *keys)) return;
  const auto guard = hold_keys(context, *keys);
  for (const std::string_view key : *keys) {
    std::vector<std::string> taken;
    const bool done = edit(context, key, Missing::kStays, {}, [&](Sequence& list) {
      taken = take(list, *side, *count);
      return !taken.empty();
    });
    if (!done) return;
    if (taken.empty()) continue;
    context.reply.array(2);
    context.reply.bulk(without_database(key));
    context.reply.array(taken.size());
    for (const std::string& element : taken) context.reply.bulk(element);
    return;
  }
  context.reply.null_array();
}

constexpr Command kCommands[] = {
    {"lpush", -3, kWrite | kDenyOom | kFast, 1, 1, 1, push<Side::kLeft, Missing::kIsMade>,
     "Prepends one or more elements to a list. Creates the key if it doesn't exist.", "1.0.0", "list"},
    {"rpush", -3, kWrite | kDenyOom | kFast, 1, 1, 1, push<Side::kRight, Missing::kIsMade>,
     "Appends one or more elements to a list. Creates the key if it doesn't exist.", "1.0.0", "list"},
    {"lpushx", -3, kWrite | kDenyOom | kFast, 1, 1, 1, push<Side::kLeft, Missing::kStays>,
     "Prepends one or more elements to a list only when the list exists.", "2.2.0", "list"},
    {"rpushx", -3, kWrite | kDenyOom | kFast, 1, 1, 1, push<Side::kRight, Missing::kStays>,
     "Appends an element to a list only when the list exists.", "2.2.0", "list"},
    {"lpop", -2, kWrite | kFast, 1, 1, 1, pop<Side::kLeft>,
     "Returns the first elements in a list after removing them. Deletes the list if the last element was "
     "popped.",
     "1.0.0", "list"},
    {"rpop", -2, kWrite | kFast, 1, 1, 1, pop<Side::kRight>,
     "Returns and removes the last elements of a list. Deletes the list if the last element was popped.",
     "1.0.0", "list"},
    {"llen", 2, kRead | kFast, 1, 1, 1, llen, "Returns the length of a list.", "1.0.0", "list"},
    {"lrange", 4, kRead, 1, 1, 1, lrange, "Returns a range of elements from a list.", "1.0.0", "list"},
    {"lindex", 3, kRead, 1, 1, 1, lindex, "Returns an element from a list by its index.", "1.0.0", "list"},
    {"lset", 4, kWrite | kDenyOom, 1, 1, 1, lset, "Sets the value of an element in a list by its index.",
     "1.0.0", "list"},
    {"linsert", 5, kWrite | kDenyOom, 1, 1, 1, linsert,
     "Inserts an element before or after another element in a list.", "2.2.0", "list"},
    {"lrem", 4, kWrite, 1, 1, 1, lrem,
     "Removes elements from a list. Deletes the list if the last element was removed.", "1.0.0", "list"},
    {"ltrim", 4, kWrite, 1, 1, 1, ltrim,
     "Removes elements from both ends a list. Deletes the list if all elements were trimmed.", "1.0.0",
     "list"},
    {"lpos", -3, kRead, 1, 1, 1, lpos, "Returns the index of matching elements in a list.", "6.0.6", "list"},
    {"lmove", 5, kWrite | kDenyOom, 1, 2, 1, lmove,
     "Returns an element after popping it from one list and pushing it to another.", "6.2.0", "list"},
    {"rpoplpush", 3, kWrite | kDenyOom, 1, 2, 1, rpoplpush,
     "Returns the last element of a list after removing and pushing it to another list.", "1.2.0", "list"},
    {"lmpop", -4, kWrite, 0, 0, 0, lmpop, "Returns multiple elements from a list after removing them.",
     "7.0.0", "list", 1},
};

}  // namespace

std::optional<Side> parse_side(Context& context, std::string_view text) {
  if (equals_ignoring_case(text, "left")) return Side::kLeft;
  if (equals_ignoring_case(text, "right")) return Side::kRight;
  context.reply.error(kSyntaxError);
  return std::nullopt;
}

void insert(memory::Sequence& list, Side side, std::string_view text) {
  list.insert(side == Side::kLeft ? 0 : list.size(), text);
}

// Takes out so many from a side, the outermost first.
std::vector<std::string> take(memory::Sequence& list, Side side, std::int64_t count) {
  std::vector<std::string> taken;
  const auto most = static_cast<std::uint32_t>(std::min<std::int64_t>(count, list.size()));
  if (most == 0) return taken;
  list.visit(side == Side::kLeft ? 0 : list.size() - 1, side == Side::kRight, [&](Item element) {
    taken.push_back(text_of(element));
    return taken.size() < most;
  });
  list.erase(side == Side::kLeft ? 0 : list.size() - most, most);
  return taken;
}

Moved move_element(Layer& layer, Instant now, std::span<const std::string_view, 2> pair, Side from, Side to,
                   bool hold) {
  std::optional<Layer::Guard> guard;
  if (hold) guard.emplace(layer.lock(pair));
  std::optional<std::string> element;
  const auto bound = [&](std::string_view key) { return layer.route(key).bound; };
  bool wrong = bound(pair[0]);
  if (!wrong && bound(pair[1])) return {.element = {}, .error = kWrongType};
  if (!wrong)
    layer.look_up(pair[0], now, [&](const EntryView& entry) {
      wrong = !is_collection(entry, CollectionKind::kList);
      if (wrong) return;
      Collection all(entry.bytes());
      const Sequence list(all);
      element = text_of(list.at(from == Side::kLeft ? 0 : list.size() - 1));
    });
  if (wrong) return {.element = {}, .error = kWrongType, .no_list = true};
  if (!element) return {};
  const bool same = pair[0] == pair[1];
  // First where it goes: if there is no room for it, it stays where it is.
  const Edited edited = edit_collection(layer, now, pair[1], CollectionKind::kList, Missing::kIsMade,
                                        Growth{1, element->size()}, [&](Collection& all) {
                                          Sequence list(all);
                                          if (same) take(list, from, 1);
                                          insert(list, to, *element);
                                          return true;
                                        });
  if (edited.wrong_type) return {.element = {}, .error = kWrongType};
  if (const std::string_view error = error_of(edited.outcome); !error.empty())
    return {.element = {}, .error = error};
  if (!same) {
    edit_collection(layer, now, pair[0], CollectionKind::kList, Missing::kStays, {}, [&](Collection& all) {
      Sequence list(all);
      return !take(list, from, 1).empty();
    });
  }
  return {.element = std::move(element)};
}

Family list_commands() {
  return kCommands;
}

}  // namespace forebay::server
