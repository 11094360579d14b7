// ZUNION, ZINTER, ZDIFF and what is like them. Sets are sorted sets whose scores are all 1.

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "base/hash.h"
#include "memory/collection/fields.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/set_operations.h"
#include "server/resp/commands/sorted_sets.h"

namespace forebay::server {
namespace {

enum class Aggregate : std::uint8_t { kSum, kMin, kMax };

struct CombineOptions {
  std::vector<double> weights;  // by key
  Aggregate aggregate = Aggregate::kSum;
  bool scores = false;
  std::size_t limit = 0;  // 0: none
};

// Shows a key's members with their scores. False: it is neither a set nor a sorted set, which has been answered.
bool see_scored(Context& context, std::string_view key, FunctionRef<void(Collection&, bool scored)> show) {
  bool wrong = false;
  find_entry(context, key, [&](const EntryView& entry) {
    const bool scored = is_collection(entry, CollectionKind::kSortedSet);
    wrong = !scored && !is_collection(entry, CollectionKind::kSet);
    if (wrong) return;
    Collection all(entry.bytes());
    show(all, scored);
  });
  if (wrong) context.reply.error(kWrongType);
  return !wrong;
}

double score_of(Item member, bool scored) {
  return scored ? Item(member.end()).score() : 1;
}

// 0 in the place of what is no number: infinity times 0.
double weighed(double score, double weight) {
  const double product = score * weight;
  return std::isnan(product) ? 0 : product;
}

double together(double one, double other, Aggregate aggregate) {
  switch (aggregate) {
    case Aggregate::kMin:
      return std::min(one, other);
    case Aggregate::kMax:
      return std::max(one, other);
    case Aggregate::kSum:
      break;
  }
  const double sum = one + other;
  return std::isnan(sum) ? 0 : sum;
}

using Keys = std::vector<std::string_view>;

// What the keys come to, by score. Nothing: an error has been answered.
std::optional<std::vector<Scored>> combine(Context& context, SetOperation operation, const Keys& keys,
                                           const CombineOptions& options) {
  std::vector<Scored> members;
  std::unordered_map<std::string, std::size_t, StringHash, std::equal_to<>> places;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const double weight = options.weights[i];
    bool there = false;
    const bool done = see_scored(context, keys[i], [&](Collection& all, bool scored) {
      there = true;
      const memory::Fields fields(all);
      if (i != 0 && operation != SetOperation::kUnion) {
        std::erase_if(members, [&](Scored& one) {
          const bool has = fields.has(one.first);
          if (operation == SetOperation::kDifference) return has;
          if (has) {
            const double score = scored ? fields.value(one.first)->score() : 1;
            one.second = together(one.second, weighed(score, weight), options.aggregate);
          }
          return !has;
        });
        return;
      }
      fields.visit([&](Item member) {
        const double score = weighed(score_of(member, scored), weight);
        std::string text = text_of(member);
        const auto [place, is_new] = places.try_emplace(std::move(text), members.size());
        if (is_new) {
          members.emplace_back(place->first, score);
        } else {
          double& sum = members[place->second].second;
          sum = together(sum, score, options.aggregate);
        }
        return true;
      });
    });
    if (!done) return std::nullopt;
    if (!there && operation == SetOperation::kIntersection) members.clear();
  }
  std::ranges::sort(members, [](const Scored& one, const Scored& other) {
    return one.second != other.second ? one.second < other.second : one.first < other.first;
  });
  return members;
}

// The keys after their number at args[at]. Nothing: an error has been answered.
std::optional<Keys> input_keys(Context& context, std::size_t at) {
  const auto number = parse_integer(context.args[at]);
  const auto refuse = [&](std::string_view error) {
    context.reply.error(error);
    return std::nullopt;
  };
  if (!number) return refuse(kNotAnInteger);
  if (*number < 1)
    return refuse("ERR at least 1 input key is needed for '" + std::string(command_name(context)) +
                  "' command");
  const auto rest = context.args.subspan(at + 1);
  if (*number > static_cast<std::int64_t>(rest.size())) return refuse(kSyntaxError);
  const auto keys = rest.first(static_cast<std::size_t>(*number));
  return Keys(keys.begin(), keys.end());
}

struct Knows {
  bool weights = true;
  bool scores = true;
  bool limit = false;
};

// From args[at] on. Nothing: an error has been answered.
std::optional<CombineOptions> parse_options(Context& context, std::size_t at, std::size_t keys,
                                            const Knows& knows) {
  CombineOptions options;
  options.weights.assign(keys, 1);
  const auto refuse = [&](std::string_view error) {
    context.reply.error(error);
    return std::nullopt;
  };
  for (; at < context.args.size(); ++at) {
    const std::string_view word = context.args[at];
    const std::size_t left = context.args.size() - at - 1;
    if (knows.weights && left >= keys && equals_ignoring_case(word, "weights")) {
      for (double& weight : options.weights) {
        const auto number = parse_score(context, context.args[++at], "ERR weight value is not a float");
        if (!number) return std::nullopt;
        weight = *number;
      }
    } else if (knows.weights && left >= 1 && equals_ignoring_case(word, "aggregate")) {
      const std::string_view how = context.args[++at];
      if (equals_ignoring_case(how, "sum")) {
        options.aggregate = Aggregate::kSum;
      } else if (equals_ignoring_case(how, "min")) {
        options.aggregate = Aggregate::kMin;
      } else if (equals_ignoring_case(how, "max")) {
        options.aggregate = Aggregate::kMax;
      } else {
        return refuse(kSyntaxError);
      }
    } else if (knows.scores && equals_ignoring_case(word, "withscores")) {
      options.scores = true;
    } else if (knows.limit && left >= 1 && equals_ignoring_case(word, "limit")) {
      const auto limit = parse_integer(context.args[++at]);
      if (!limit || *limit < 0) return refuse("ERR LIMIT can't be negative");
      options.limit = static_cast<std::size_t>(*limit);
    } else {
      return refuse(kSyntaxError);
    }
  }
  return options;
}

// A key's type is a mistake that is named before those in the options.
bool refuse_wrong_types(Context& context, const Keys& keys) {
  return std::ranges::any_of(
      keys, [&](std::string_view key) { return !see_scored(context, key, [](Collection&, bool) {}); });
}

void answer(Context& context, SetOperation operation) {
  const auto keys = input_keys(context, 1);
  if (!keys || refuse_sourced(context, *keys)) return;
  const auto guard = hold_keys(context, *keys);
  if (refuse_wrong_types(context, *keys)) return;
  const bool weights = operation != SetOperation::kDifference;
  const auto options = parse_options(context, 2 + keys->size(), keys->size(), {.weights = weights});
  if (!options) return;
  const auto members = combine(context, operation, *keys, *options);
  if (!members) return;
  const bool scores = options->scores;
  context.reply.array(scores ? scored_elements(context.reply, members->size()) : members->size());
  for (const auto& [member, score] : *members) {
    if (scores) {
      write_scored(context.reply, member, score);
    } else {
      context.reply.bulk(member);
    }
  }
}

void store(Context& context, SetOperation operation) {
  const auto keys = input_keys(context, 2);
  if (!keys) return;
  Keys all = *keys;
  all.push_back(context.args[1]);
  if (refuse_sourced(context, all)) return;
  const auto guard = hold_keys(context, all);
  if (refuse_wrong_types(context, *keys)) return;
  const bool weights = operation != SetOperation::kDifference;
  const auto options =
      parse_options(context, 3 + keys->size(), keys->size(), {.weights = weights, .scores = false});
  if (!options) return;
  const auto members = combine(context, operation, *keys, *options);
  if (!members || !store_scored(context, context.args[1], *members)) return;
  context.reply.integer(static_cast<std::int64_t>(members->size()));
}

}  // namespace

void zunion(Context& context) {
  answer(context, SetOperation::kUnion);
}
void zinter(Context& context) {
  answer(context, SetOperation::kIntersection);
}
void zdiff(Context& context) {
  answer(context, SetOperation::kDifference);
}
void zunionstore(Context& context) {
  store(context, SetOperation::kUnion);
}
void zinterstore(Context& context) {
  store(context, SetOperation::kIntersection);
}
void zdiffstore(Context& context) {
  store(context, SetOperation::kDifference);
}

void zintercard(Context& context) {
  const auto keys = input_keys(context, 1);
  if (!keys || refuse_sourced(context, *keys)) return;
  const auto guard = hold_keys(context, *keys);
  if (refuse_wrong_types(context, *keys)) return;
  const auto options = parse_options(context, 2 + keys->size(), keys->size(),
                                     {.weights = false, .scores = false, .limit = true});
  if (!options) return;
  const auto members = combine(context, SetOperation::kIntersection, *keys, *options);
  if (!members) return;
  const std::size_t count = options->limit == 0 ? members->size() : std::min(members->size(), options->limit);
  context.reply.integer(static_cast<std::int64_t>(count));
}

}  // namespace forebay::server
