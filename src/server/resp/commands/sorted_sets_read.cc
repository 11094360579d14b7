// Reading sorted sets of plain keys, ranges apart; and what all of their files share.

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "memory/collection/fields.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/sorted_sets.h"

namespace forebay::server {
namespace {

void count_range(Context& context, RangeBy by) {
  const auto range = Range::parse(context, by, context.args[2], context.args[3]);
  if (!range || refuse_unreadable(context, context.args[1])) return;
  with_ranking(context, context.args[1], [range = *range](resp::Writer& reply, const Ranking* ranking) {
    reply.integer(ranking == nullptr ? 0 : range.ranks(*ranking, false).count);
  });
}

void answer_rank(Context& context, bool downwards) {
  const bool with_score = context.args.size() == 4;
  if (context.args.size() > 4 || (with_score && !equals_ignoring_case(context.args[3], "withscore")))
    return context.reply.error(kSyntaxError);
  if (refuse_unreadable(context, context.args[1])) return;
  with_ranking(context, context.args[1],
               [member = std::string(context.args[2]), downwards, with_score](resp::Writer& reply,
                                                                              const Ranking* ranking) {
                 const auto score = ranking == nullptr ? std::nullopt : ranking->score(member);
                 if (!score) return with_score ? reply.null_array() : reply.null();
                 const std::int64_t rank = ranking->rank({*score, member});
                 if (with_score) reply.array(2);
                 reply.integer(downwards ? ranking->size() - 1 - rank : rank);
                 if (with_score) reply.real(*score);
               });
}

void write_drawn(resp::Writer& reply, const memory::Fields& members, std::int64_t count, bool scores) {
  const auto shown =
      static_cast<std::size_t>(count < 0 ? -count : std::min<std::int64_t>(count, members.size()));
  reply.array(scores ? scored_elements(reply, shown) : shown);
  draw(count, members.size(), [&](std::uint32_t position) {
    const Item member = members.at(position);
    ItemDigits digits;
    if (scores) {
      write_scored(reply, member.text(digits), Item(member.end()).score());
    } else {
      write_item(reply, member);
    }
  });
}

std::uint64_t show_scan(Collection& all, const CollectionScan& scan, std::vector<std::string>& shown) {
  return memory::Fields(all).scan(scan.cursor, scan.count, [&](Item member) {
    std::string text = text_of(member);
    if (scan.match && !scan.match->matches(text)) return;
    shown.push_back(std::move(text));
    shown.push_back(resp::Writer::text_of_real(Item(member.end()).score()));
  });
}

}  // namespace

std::optional<double> parse_score(Context& context, std::string_view text, std::string_view error) {
  if (const auto wide = parse_float(text)) {
    // A score is read as a double at once, so that it is not rounded twice.
    const std::string terminated(text);
    const double score = std::strtod(terminated.c_str(), nullptr);
    if (!std::isinf(score) || std::isinf(*wide)) return score;
  }
  context.reply.error(error);
  return std::nullopt;
}

bool refuse_sourced(Context& context, std::string_view key) {
  if (const NamespaceInfo* space = scored_table(context, key)) {
    context.reply.error("ERR " + std::string(command_name(context)) +
                        " is not available on keys of namespace '" + space->name + "', which have a source");
    return true;
  }
  return refuse_other_than_plain(context, key);
}

bool refuse_unreadable(Context& context, std::string_view key) {
  const NamespaceInfo& space = context.layer.route(key);
  if (space.bound && space.type == EntryType::kCollection && !space.value_column.empty()) return false;
  return refuse_sourced(context, key);
}

bool refuse_sourced(Context& context, std::span<const std::string_view> keys) {
  return std::ranges::any_of(keys, [&](std::string_view key) { return refuse_sourced(context, key); });
}

Seen see_ranking(Context& context, std::string_view key, FunctionRef<void(const Ranking&)> show) {
  return see_collection(context, key, CollectionKind::kSortedSet,
                        [&](Collection& all) { show(Ranking(all)); });
}

bool edit_ranking(Context& context, std::string_view key, Missing missing, Growth growth,
                  FunctionRef<bool(Ranking&)> change) {
  return edit_collection(context, key, CollectionKind::kSortedSet, missing, growth, [&](Collection& all) {
    Ranking ranking(all);
    return change(ranking);
  });
}

bool store_scored(Context& context, std::string_view key, const std::vector<Scored>& members) {
  Growth growth{members.size(), 0};
  for (const Scored& one : members) growth.bytes += one.first.size();
  return store_collection(context, key, CollectionKind::kSortedSet, growth, [&](Collection& all) {
    Ranking ranking(all);
    for (const auto& [member, score] : members) ranking.put(member, score);
  });
}

void write_scored(resp::Writer& reply, std::string_view member, double score) {
  if (reply.protocol() == resp::Protocol::kResp3) reply.array(2);
  reply.bulk(member);
  reply.real(score);
}

std::size_t scored_elements(const resp::Writer& reply, std::size_t members) {
  return reply.protocol() == resp::Protocol::kResp3 ? members : 2 * members;
}

void zcard(Context& context) {
  if (refuse_unreadable(context, context.args[1])) return;
  with_ranking(context, context.args[1], [](resp::Writer& reply, const Ranking* ranking) {
    reply.integer(ranking == nullptr ? 0 : ranking->size());
  });
}

void zscore(Context& context) {
  std::optional<double> score;
  const Seen seen = see_ranking(context, context.args[1],
                                [&](const Ranking& ranking) { score = ranking.score(context.args[2]); });
  if (seen == Seen::kRefused) return;
  if (!score) return context.reply.null();
  context.reply.real(*score);
}

void zmscore(Context& context) {
  const auto members = context.args.subspan(2);
  std::vector<std::optional<double>> scores(members.size());
  const Seen seen = see_ranking(context, context.args[1], [&](const Ranking& ranking) {
    for (std::size_t i = 0; i < members.size(); ++i) scores[i] = ranking.score(members[i]);
  });
  if (seen == Seen::kRefused) return;
  context.reply.array(scores.size());
  for (const auto& score : scores) {
    if (score) {
      context.reply.real(*score);
    } else {
      context.reply.null();
    }
  }
}

void zcount(Context& context) {
  count_range(context, RangeBy::kScore);
}
void zlexcount(Context& context) {
  count_range(context, RangeBy::kMember);
}
void zrank(Context& context) {
  answer_rank(context, false);
}
void zrevrank(Context& context) {
  answer_rank(context, true);
}

void zrandmember(Context& context) {
  const std::string_view key = context.args[1];
  // In the order of hashes, where a position costs as little as in the order of scores.
  if (context.args.size() == 2) {
    if (refuse_unreadable(context, key)) return;
    return with_collection(context, key, CollectionKind::kSortedSet,
                           [](resp::Writer& reply, Collection* all) {
                             if (all == nullptr) return reply.null();
                             const memory::Fields members(*all);
                             write_item(reply, members.at(draw_one(members.size())));
                           });
  }
  const auto count = parse_integer(context.args[2]);
  if (!count) return context.reply.error(kNotAnInteger);
  const bool scores = context.args.size() == 4;
  if (context.args.size() > 4 || (scores && !equals_ignoring_case(context.args[3], "withscores")))
    return context.reply.error(kSyntaxError);
  if (*count < -kMostDrawn) return context.reply.error("ERR value is out of range");
  if (refuse_unreadable(context, key)) return;
  with_collection(context, key, CollectionKind::kSortedSet,
                  [count = *count, scores](resp::Writer& reply, Collection* all) {
                    if (all == nullptr) return reply.array(0);
                    write_drawn(reply, memory::Fields(*all), count, scores);
                  });
}

void zscan(Context& context) {
  auto scan = parse_collection_scan(context);
  if (!scan || refuse_unreadable(context, context.args[1])) return;
  with_collection(context, context.args[1], CollectionKind::kSortedSet,
                  [scan = std::move(*scan)](resp::Writer& reply, Collection* all) {
                    std::vector<std::string> shown;
                    std::uint64_t next = 0;
                    if (all != nullptr) next = show_scan(*all, scan, shown);
                    write_scan(reply, next, shown);
                  });
}

}  // namespace forebay::server
