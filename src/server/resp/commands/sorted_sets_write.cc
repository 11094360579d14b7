// Writing sorted sets of plain keys.

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/database_key.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/sorted_sets.h"

namespace forebay::server {
namespace {

constexpr std::string_view kNotANumber = "ERR resulting score is not a number (NaN)";

// What became of one member.
struct Added {
  bool is_new = false;
  bool changed = false;
  std::optional<double> score;  // nothing: the options left it as it is
};

Added add(Ranking& ranking, std::string_view member, double score, const AddOptions& options,
          bool& not_a_number) {
  Added added;
  const auto old = ranking.score(member);
  if (!old) {
    if (options.xx) return added;
    ranking.put(member, score);
    return {true, true, score};
  }
  if (options.nx) return added;
  if (options.incr) score += *old;
  not_a_number = std::isnan(score);
  if (not_a_number) return added;
  if ((options.gt && score <= *old) || (options.lt && score >= *old)) return added;
  added.score = score;
  added.changed = score != *old;
  if (added.changed) ranking.put(member, score);
  return added;
}

// ZADD from args[at] on, with these scores.
void add_all(Context& context, const AddOptions& options, std::span<const double> scores, std::size_t at) {
  std::int64_t news = 0;
  std::int64_t changes = 0;
  bool not_a_number = false;
  std::optional<double> last;
  const Growth growth{scores.size(), bytes_of_arguments(context, at)};
  const Missing missing = options.xx ? Missing::kStays : Missing::kIsMade;
  const bool done = edit_ranking(context, context.args[1], missing, growth, [&](Ranking& ranking) {
    for (std::size_t i = 0; i < scores.size() && !not_a_number; ++i) {
      const Added added = add(ranking, context.args[at + 2 * i + 1], scores[i], options, not_a_number);
      news += added.is_new ? 1 : 0;
      changes += added.changed ? 1 : 0;
      last = added.score;
    }
    return changes != 0;
  });
  if (!done) return;
  if (not_a_number) return context.reply.error(kNotANumber);
  if (!options.incr) return context.reply.integer(options.ch ? changes : news);
  if (!last) return context.reply.null();
  context.reply.real(*last);
}

void pop(Context& context, bool highest) {
  const bool several = context.args.size() == 3;
  if (context.args.size() > 3) return context.reply.error(kSyntaxError);
  std::int64_t count = 1;
  if (several) {
    const auto number = parse_integer(context.args[2]);
    if (!number || *number < 0) return context.reply.error("ERR value is out of range, must be positive");
    count = *number;
  }
  if (refuse_sourced(context, context.args[1])) return;
  std::vector<Scored> popped;
  const bool done = edit_ranking(context, context.args[1], Missing::kStays, {}, [&](Ranking& ranking) {
    popped = pop_scored(ranking, count, highest);
    return !popped.empty();
  });
  if (!done) return;
  const bool nested = several && context.reply.protocol() == resp::Protocol::kResp3;
  context.reply.array(nested ? popped.size() : 2 * popped.size());
  for (const auto& [member, score] : popped) {
    if (nested) context.reply.array(2);
    context.reply.bulk(member);
    context.reply.real(score);
  }
}

}  // namespace

std::optional<AddOptions> parse_add_options(Context& context, std::size_t& at) {
  AddOptions options;
  for (; at < context.args.size(); ++at) {
    const std::string_view word = context.args[at];
    bool* const option = equals_ignoring_case(word, "nx")     ? &options.nx
                         : equals_ignoring_case(word, "xx")   ? &options.xx
                         : equals_ignoring_case(word, "gt")   ? &options.gt
                         : equals_ignoring_case(word, "lt")   ? &options.lt
                         : equals_ignoring_case(word, "ch")   ? &options.ch
                         : equals_ignoring_case(word, "incr") ? &options.incr
                                                              : nullptr;
    if (option == nullptr) break;
    *option = true;
  }
  const std::size_t rest = context.args.size() - at;
  std::string_view error;
  if (rest == 0 || rest % 2 != 0) {
    error = kSyntaxError;
  } else if (options.nx && options.xx) {
    error = "ERR XX and NX options at the same time are not compatible";
  } else if ((options.gt && options.nx) || (options.lt && options.nx) || (options.gt && options.lt)) {
    error = "ERR GT, LT, and/or NX options at the same time are not compatible";
  } else if (options.incr && rest > 2) {
    error = "ERR INCR option supports a single increment-element pair";
  }
  if (error.empty()) return options;
  context.reply.error(error);
  return std::nullopt;
}

std::vector<Scored> pop_scored(Ranking& ranking, std::int64_t count, bool highest) {
  std::vector<Scored> popped;
  const auto most = static_cast<std::uint32_t>(std::min<std::int64_t>(count, ranking.size()));
  if (most == 0) return popped;
  ranking.visit(highest ? ranking.size() - 1 : 0, highest, [&](Item member, double score) {
    popped.emplace_back(text_of(member), score);
    return popped.size() < most;
  });
  for (const Scored& one : popped) ranking.erase(one.first);
  return popped;
}

void zadd(Context& context) {
  std::size_t at = 2;
  const auto options = parse_add_options(context, at);
  if (!options) return;
  std::vector<double> scores;
  for (std::size_t i = at; i < context.args.size(); i += 2) {
    const auto score = parse_score(context, context.args[i]);
    if (!score) return;
    scores.push_back(*score);
  }
  add_all(context, *options, scores, at);
}

void zincrby(Context& context) {
  const auto amount = parse_score(context, context.args[2]);
  if (!amount) return;
  AddOptions options;
  options.incr = true;
  add_all(context, options, {&*amount, 1}, 2);
}

void zrem(Context& context) {
  std::int64_t erased = 0;
  const bool done = edit_ranking(context, context.args[1], Missing::kStays, {}, [&](Ranking& ranking) {
    for (const std::string_view member : context.args.subspan(2)) erased += ranking.erase(member) ? 1 : 0;
    return erased != 0;
  });
  if (done) context.reply.integer(erased);
}

void zpopmin(Context& context) {
  pop(context, false);
}
void zpopmax(Context& context) {
  pop(context, true);
}

void zmpop(Context& context) {
  const auto keys = numbered_keys(context, 1, kSyntaxError);
  if (!keys) return;
  const std::size_t at = 2 + keys->size();
  if (at >= context.args.size()) return context.reply.error(kSyntaxError);
  const bool highest = equals_ignoring_case(context.args[at], "max");
  if (!highest && !equals_ignoring_case(context.args[at], "min")) return context.reply.error(kSyntaxError);
  const auto count = parse_pop_count(context, at + 1);
  if (!count || refuse_sourced(context, *keys)) return;
  const auto guard = hold_keys(context, *keys);
  for (const std::string_view key : *keys) {
    std::vector<Scored> popped;
    const bool done = edit_ranking(context, key, Missing::kStays, {}, [&](Ranking& ranking) {
      popped = pop_scored(ranking, *count, highest);
      return !popped.empty();
    });
    if (!done) return;
    if (popped.empty()) continue;
    context.reply.array(2);
    context.reply.bulk(without_database(key));
    context.reply.array(popped.size());
    for (const auto& [member, score] : popped) {
      context.reply.array(2);
      context.reply.bulk(member);
      context.reply.real(score);
    }
    return;
  }
  context.reply.null_array();
}

}  // namespace forebay::server
