// Pops of lists that wait for an element.

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/database_key.h"
#include "memory/collection/sequence.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/blocking.h"
#include "server/resp/commands/lists.h"
#include "server/resp/commands/registry.h"

namespace forebay::server {
namespace {

using memory::Sequence;
using Outcome = Waiter::Tried::Outcome;

// BLPOP and BRPOP answer [key, element], BLMPOP [key, [element, ...]].
enum class Shape : std::uint8_t { kPair, kNested };

Try pop_from(Layer& layer, Side side, std::int64_t count, Shape shape) {
  return [&layer, side, count, shape](std::string_view key, Instant now, Occasion occasion) -> Waiter::Tried {
    if (layer.route(key).bound) return mistyped(occasion);
    std::vector<std::string> taken;
    const Edited edited =
        edit_collection(layer, now, key, CollectionKind::kList, Missing::kStays, {}, [&](Collection& all) {
          if (occasion == Occasion::kBehind) return false;
          Sequence list(all);
          taken = take(list, side, count);
          return true;
        });
    if (edited.wrong_type) return mistyped(occasion);
    if (taken.empty()) return {};
    std::size_t bytes = 0;
    for (const std::string& element : taken) bytes += element.size();
    auto write = [key = std::string(key), taken = std::move(taken), shape](resp::Writer& reply) {
      reply.array(2);
      reply.bulk(without_database(key));
      if (shape == Shape::kNested) reply.array(taken.size());
      for (const std::string& element : taken) reply.bulk(std::string_view(element));
    };
    return {Outcome::kServed, std::move(write), bytes};
  };
}

template <Side side>
void pop(Context& context) {
  const auto timeout = parse_timeout(context, context.args.back());
  const auto keys = context.args.subspan(1, context.args.size() - 2);
  if (!timeout || refuse_other_than_plain(context, keys)) return;
  try_or_wait(context, keys, *timeout, pop_from(context.layer, side, 1, Shape::kPair));
}

void blmpop(Context& context) {
  const auto keys = numbered_keys(context, 2, kSyntaxError);
  if (!keys) return;
  const std::size_t at = 3 + keys->size();
  if (at >= context.args.size()) return context.reply.error(kSyntaxError);
  const auto side = parse_side(context, context.args[at]);
  if (!side) return;
  const auto count = parse_pop_count(context, at + 1);
  if (!count) return;
  const auto timeout = parse_timeout(context, context.args[1]);
  if (!timeout || refuse_other_than_plain(context, *keys)) return;
  try_or_wait(context, *keys, *timeout, pop_from(context.layer, *side, *count, Shape::kNested));
}

void move(Context& context, Side from, Side to, std::string_view seconds) {
  const auto timeout = parse_timeout(context, seconds);
  const std::span<const std::string_view> pair = context.args.subspan(1, 2);
  if (!timeout || refuse_other_than_plain(context, pair)) return;
  auto attempt = [&layer = context.layer, from, to, target = std::string(pair[1]), hold = !in_exec(context)](
                     std::string_view key, Instant now, Occasion occasion) -> Waiter::Tried {
    if (occasion == Occasion::kBehind) {
      bool wrong = false;
      layer.peek(key, now,
                 [&](const EntryView& entry) { wrong = !is_collection(entry, CollectionKind::kList); });
      return wrong ? mistyped(occasion) : Waiter::Tried{};
    }
    const std::array<std::string_view, 2> keys{key, target};
    Moved moved = move_element(layer, now, keys, from, to, hold);
    if (moved.no_list) return mistyped(occasion);
    if (!moved.error.empty()) return refused(moved.error);
    if (!moved.element) return {};
    const std::size_t bytes = moved.element->size();
    auto write = [element = std::move(*moved.element)](resp::Writer& reply) {
      reply.bulk(std::string_view(element));
    };
    return {Outcome::kServed, std::move(write), bytes};
  };
  try_or_wait(context, pair.first(1), *timeout, std::move(attempt),
              [](resp::Writer& reply) { reply.null(); });
}

void blmove(Context& context) {
  const auto from = parse_side(context, context.args[3]);
  if (!from) return;
  const auto to = parse_side(context, context.args[4]);
  if (to) move(context, *from, *to, context.args[5]);
}

void brpoplpush(Context& context) {
  move(context, Side::kRight, Side::kLeft, context.args[3]);
}

constexpr std::uint32_t kPop = kWrite | kBlocking;

constexpr Command kCommands[] = {
    {"blpop", -3, kPop, 1, -2, 1, pop<Side::kLeft>,
     "Removes and returns the first element in a list. Blocks until an element is available otherwise. "
     "Deletes the list if the last element was popped.",
     "2.0.0", "list"},
    {"brpop", -3, kPop, 1, -2, 1, pop<Side::kRight>,
     "Removes and returns the last element in a list. Blocks until an element is available otherwise. "
     "Deletes "
     "the list if the last element was popped.",
     "2.0.0", "list"},
    {"blmove", 6, kPop | kDenyOom, 1, 2, 1, blmove,
     "Pops an element from a list, pushes it to another list and returns it. Blocks until an element is "
     "available otherwise. Deletes the list if the last element was moved.",
     "6.2.0", "list"},
    {"brpoplpush", 4, kPop | kDenyOom, 1, 2, 1, brpoplpush,
     "Pops an element from a list, pushes it to another list and returns it. Blocks until an element is "
     "available otherwise. Deletes the list if the last element was popped.",
     "2.2.0", "list"},
    {"blmpop", -5, kPop, 0, 0, 0, blmpop,
     "Pops the first element from one of multiple lists. Blocks until an element is available otherwise. "
     "Deletes the list if the last element was popped.",
     "7.0.0", "list", 2},
};

}  // namespace

Family list_blocking_commands() {
  return kCommands;
}

}  // namespace forebay::server
