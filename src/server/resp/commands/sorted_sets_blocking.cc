// Pops of sorted sets that wait for a member.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/database_key.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/blocking.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/sorted_sets.h"

namespace forebay::server {
namespace {

using Outcome = Waiter::Tried::Outcome;

// BZPOPMIN and BZPOPMAX answer [key, member, score], BZMPOP [key, [[member, score], ...]].
enum class Shape : std::uint8_t { kTriple, kNested };

Try pop_from(Layer& layer, bool highest, std::int64_t count, Shape shape) {
  return
      [&layer, highest, count, shape](std::string_view key, Instant now, Occasion occasion) -> Waiter::Tried {
        if (layer.route(key).bound) return mistyped(occasion);
        std::vector<Scored> popped;
        const Edited edited = edit_collection(layer, now, key, CollectionKind::kSortedSet, Missing::kStays,
                                              {}, [&](Collection& all) {
                                                if (occasion == Occasion::kBehind) return false;
                                                Ranking ranking(all);
                                                popped = pop_scored(ranking, count, highest);
                                                return true;
                                              });
        if (edited.wrong_type) return mistyped(occasion);
        if (popped.empty()) return {};
        std::size_t bytes = 0;
        for (const Scored& one : popped) bytes += one.first.size();
        auto write = [key = std::string(key), popped = std::move(popped), shape](resp::Writer& reply) {
          reply.array(shape == Shape::kTriple ? 3 : 2);
          reply.bulk(without_database(key));
          if (shape == Shape::kNested) reply.array(popped.size());
          for (const auto& [member, score] : popped) {
            if (shape == Shape::kNested) reply.array(2);
            reply.bulk(std::string_view(member));
            reply.real(score);
          }
        };
        return {Outcome::kServed, std::move(write), bytes};
      };
}

template <bool highest>
void pop(Context& context) {
  const auto timeout = parse_timeout(context, context.args.back());
  const auto keys = context.args.subspan(1, context.args.size() - 2);
  if (!timeout || refuse_sourced(context, keys)) return;
  try_or_wait(context, keys, *timeout, pop_from(context.layer, highest, 1, Shape::kTriple));
}

void bzmpop(Context& context) {
  const auto keys = numbered_keys(context, 2, kSyntaxError);
  if (!keys) return;
  const std::size_t at = 3 + keys->size();
  if (at >= context.args.size()) return context.reply.error(kSyntaxError);
  const bool highest = equals_ignoring_case(context.args[at], "max");
  if (!highest && !equals_ignoring_case(context.args[at], "min")) return context.reply.error(kSyntaxError);
  const auto count = parse_pop_count(context, at + 1);
  if (!count) return;
  const auto timeout = parse_timeout(context, context.args[1]);
  if (!timeout || refuse_sourced(context, *keys)) return;
  try_or_wait(context, *keys, *timeout, pop_from(context.layer, highest, *count, Shape::kNested));
}

constexpr std::uint32_t kPop = kWrite | kBlocking;

constexpr Command kCommands[] = {
    {"bzpopmin", -3, kPop | kFast, 1, -2, 1, pop<false>,
     "Removes and returns the member with the lowest score from one or more sorted sets. Blocks until a "
     "member "
     "is available otherwise. Deletes the sorted set if the last element was popped.",
     "5.0.0", "sorted-set"},
    {"bzpopmax", -3, kPop | kFast, 1, -2, 1, pop<true>,
     "Removes and returns the member with the highest score from one or more sorted sets. Blocks until a "
     "member "
     "is available otherwise. Deletes the sorted set if the last element was popped.",
     "5.0.0", "sorted-set"},
    {"bzmpop", -5, kPop, 0, 0, 0, bzmpop,
     "Removes and returns a member by score from one or more sorted sets. Blocks until a member is available "
     "otherwise. Deletes the sorted set if the last element was popped.",
     "7.0.0", "sorted-set", 2},
};

}  // namespace

Family sorted_set_blocking_commands() {
  return kCommands;
}

}  // namespace forebay::server
