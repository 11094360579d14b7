// Ranges of sorted sets: by rank, by score, by member.

#include <algorithm>
#include <cmath>
#include <limits>

#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/sorted_sets.h"

namespace forebay::server {
namespace {

constexpr std::string_view kNoScore = "ERR min or max is not a float";
constexpr std::string_view kNoMember = "ERR min or max not valid string range item";

struct RangeOptions {
  RangeBy by = RangeBy::kRank;
  bool downwards = false;
  bool scores = false;
  bool limited = false;
  std::int64_t offset = 0;
  std::int64_t count = -1;
};

enum class Named : std::uint8_t { kNothing, kOrder, kAll };  // what the command's name says already

// From args[at] on. Nothing: an error has been answered.
std::optional<RangeOptions> parse_options(Context& context, std::size_t at, RangeOptions options, Named named,
                                          bool may_have_scores) {
  const auto refuse = [&](std::string_view error) {
    context.reply.error(error);
    return std::nullopt;
  };
  for (; at < context.args.size(); ++at) {
    const std::string_view word = context.args[at];
    if (may_have_scores && equals_ignoring_case(word, "withscores")) {
      options.scores = true;
    } else if (equals_ignoring_case(word, "limit") && at + 2 < context.args.size()) {
      const auto offset = parse_integer(context.args[at + 1]);
      const auto count = parse_integer(context.args[at + 2]);
      if (!offset || !count) return refuse(kNotAnInteger);
      options.limited = true;
      options.offset = *offset;
      options.count = *count;
      at += 2;
    } else if (named == Named::kNothing && equals_ignoring_case(word, "rev")) {
      options.downwards = true;
    } else if (named == Named::kNothing && equals_ignoring_case(word, "bylex")) {
      options.by = RangeBy::kMember;
    } else if (named == Named::kNothing && equals_ignoring_case(word, "byscore")) {
      options.by = RangeBy::kScore;
    } else {
      return refuse(kSyntaxError);
    }
  }
  if (options.limited && options.count != -1 && options.by == RangeBy::kRank)
    return refuse("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
  if (options.scores && options.by == RangeBy::kMember)
    return refuse("ERR syntax error, WITHSCORES not supported in combination with BYLEX");
  return options;
}

// The ranks that are left of a range by LIMIT, in the order in which they are shown.
Ranks limit(const Ranks& ranks, const RangeOptions& options) {
  if (!options.limited) return ranks;
  if (options.offset < 0 || options.offset >= ranks.count) return {};
  const auto offset = static_cast<std::uint32_t>(options.offset);
  std::uint32_t count = ranks.count - offset;
  if (options.count >= 0) count = static_cast<std::uint32_t>(std::min<std::int64_t>(count, options.count));
  return {options.downwards ? ranks.from + ranks.count - offset - count : ranks.from + offset, count};
}

// Shows the members of a range.
void show(const Ranking& ranking, const Ranks& ranks, bool downwards,
          FunctionRef<void(Item member, double score)> each) {
  if (ranks.count == 0) return;
  std::uint32_t left = ranks.count;
  ranking.visit(downwards ? ranks.from + ranks.count - 1 : ranks.from, downwards,
                [&](Item member, double score) {
                  each(member, score);
                  return --left != 0;
                });
}

std::optional<Range> parse_range(Context& context, const RangeOptions& options, std::size_t at) {
  const bool swapped = options.downwards && options.by != RangeBy::kRank;
  return Range::parse(context, options.by, context.args[swapped ? at + 1 : at],
                      context.args[swapped ? at : at + 1]);
}

// `scores_allowed`: the command knows WITHSCORES.
void answer_range(Context& context, RangeOptions defaults, Named named) {
  const auto options = parse_options(context, 4, defaults, named, true);
  if (!options) return;
  auto range = parse_range(context, *options, 2);
  if (!range || refuse_unreadable(context, context.args[1])) return;
  with_ranking(context, context.args[1],
               [options = *options, range = std::move(*range)](resp::Writer& reply, const Ranking* ranking) {
                 if (ranking == nullptr) return reply.array(0);
                 const Ranks ranks = limit(range.ranks(*ranking, options.downwards), options);
                 reply.array(options.scores ? scored_elements(reply, ranks.count) : ranks.count);
                 show(*ranking, ranks, options.downwards, [&](Item member, double score) {
                   ItemDigits digits;
                   if (options.scores) {
                     write_scored(reply, member.text(digits), score);
                   } else {
                     write_item(reply, member);
                   }
                 });
               });
}

void erase_range(Context& context, RangeBy by) {
  const auto range = Range::parse(context, by, context.args[2], context.args[3]);
  if (!range || refuse_sourced(context, context.args[1])) return;
  std::int64_t erased = 0;
  const bool done = edit_ranking(context, context.args[1], Missing::kStays, {}, [&](Ranking& ranking) {
    const Ranks ranks = range->ranks(ranking, false);
    ranking.erase_ranks(ranks.from, ranks.count);
    erased = ranks.count;
    return erased != 0;
  });
  if (done) context.reply.integer(erased);
}

}  // namespace

std::optional<Range::End> Range::parse_score_end(std::string_view text) {
  End end;
  if (!text.empty() && text[0] == '(') {
    end.exclusive = true;
    text.remove_prefix(1);
  }
  if (text.empty()) return end;  // which is 0 to Redis
  const auto score = parse_float(text);
  if (!score) return std::nullopt;
  end.score = static_cast<double>(*score);
  return end;
}

std::optional<Range::End> Range::parse_member_end(std::string_view text) {
  End end;
  if (text == "-" || text == "+") {
    end.infinite = text == "-" ? -1 : 1;
    return end;
  }
  if (text.empty() || (text[0] != '(' && text[0] != '[')) return std::nullopt;
  end.exclusive = text[0] == '(';
  end.member = text.substr(1);
  return end;
}

std::optional<Range> Range::parse(Context& context, RangeBy by, std::string_view first,
                                  std::string_view last) {
  Range range;
  range.by_ = by;
  if (by == RangeBy::kRank) {
    const auto from = parse_integer(first);
    const auto to = parse_integer(last);
    if (!from || !to) {
      context.reply.error(kNotAnInteger);
      return std::nullopt;
    }
    range.first_ = *from;
    range.last_ = *to;
    return range;
  }
  const bool scores = by == RangeBy::kScore;
  auto low = scores ? parse_score_end(first) : parse_member_end(first);
  auto high = scores ? parse_score_end(last) : parse_member_end(last);
  if (!low || !high) {
    context.reply.error(scores ? kNoScore : kNoMember);
    return std::nullopt;
  }
  range.low_ = std::move(*low);
  range.high_ = std::move(*high);
  return range;
}

Ranks Range::ranks(const Ranking& ranking, bool downwards) const {
  const std::int64_t size = ranking.size();
  std::int64_t from = 0;
  std::int64_t end = 0;
  switch (by_) {
    case RangeBy::kRank:
      from = clamp_index(first_, size);
      end = std::clamp<std::int64_t>((last_ < 0 ? last_ + size : last_), -1, size - 1) + 1;
      if (downwards) {
        std::swap(from, end);
        from = size - from;
        end = size - end;
      }
      break;
    case RangeBy::kScore: {
      using Among = ScoreKey::Among;
      from = ranking.rank({low_.score, {}, low_.exclusive ? Among::kLast : Among::kFirst});
      end = ranking.rank({high_.score, {}, high_.exclusive ? Among::kFirst : Among::kLast});
      break;
    }
    case RangeBy::kMember: {
      // As in Redis, members are compared as if all had the first one's score.
      double score = 0;
      ranking.visit(0, false, [&](Item, double first) {
        score = first;
        return false;
      });
      const auto rank = [&](const End& bound, bool behind) -> std::int64_t {
        if (bound.infinite != 0) return bound.infinite < 0 ? 0 : size;
        const std::int64_t before = ranking.rank({score, bound.member});
        return before + (behind && ranking.score(bound.member) == score ? 1 : 0);
      };
      from = rank(low_, low_.exclusive);
      end = rank(high_, !high_.exclusive);
      break;
    }
  }
  if (from >= end) return {};
  return {static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(end - from)};
}

void zrange(Context& context) {
  answer_range(context, {}, Named::kNothing);
}
void zrevrange(Context& context) {
  answer_range(context, {.downwards = true}, Named::kAll);
}
void zrangebyscore(Context& context) {
  answer_range(context, {.by = RangeBy::kScore}, Named::kAll);
}
void zrevrangebyscore(Context& context) {
  answer_range(context, {.by = RangeBy::kScore, .downwards = true}, Named::kAll);
}
void zrangebylex(Context& context) {
  answer_range(context, {.by = RangeBy::kMember}, Named::kAll);
}
void zrevrangebylex(Context& context) {
  answer_range(context, {.by = RangeBy::kMember, .downwards = true}, Named::kAll);
}

void zrangestore(Context& context) {
  const auto options = parse_options(context, 5, {}, Named::kNothing, false);
  if (!options) return;
  const auto range = parse_range(context, *options, 3);
  const std::string_view pair[] = {context.args[1], context.args[2]};
  if (!range || refuse_sourced(context, pair)) return;
  const auto guard = hold_keys(context, pair);
  std::vector<Scored> members;
  const Seen seen = see_ranking(context, pair[1], [&](const Ranking& ranking) {
    show(ranking, limit(range->ranks(ranking, options->downwards), *options), options->downwards,
         [&](Item member, double score) { members.emplace_back(text_of(member), score); });
  });
  if (seen == Seen::kRefused || !store_scored(context, pair[0], members)) return;
  context.reply.integer(static_cast<std::int64_t>(members.size()));
}

void zremrangebyrank(Context& context) {
  erase_range(context, RangeBy::kRank);
}
void zremrangebyscore(Context& context) {
  erase_range(context, RangeBy::kScore);
}
void zremrangebylex(Context& context) {
  erase_range(context, RangeBy::kMember);
}

}  // namespace forebay::server
