// GEOSEARCH, GEORADIUS and what is like them.

#include <algorithm>
#include <string>
#include <vector>

#include "base/sort_stably.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/geo.h"
#include "server/resp/commands/registry.h"

namespace forebay::server {
namespace {

constexpr std::string_view kNoPlace = "ERR could not decode requested zset member";

// Which of the commands it is.
struct Form {
  bool by_member = false;  // GEORADIUSBYMEMBER
  bool by_words = false;   // GEOSEARCH, which says by words what is looked for
  bool to_key = false;     // GEOSEARCHSTORE
  bool may_store = false;  // STORE and STOREDIST
};

enum class Order : std::uint8_t { kNone, kNearest, kFarthest };

struct Search {
  geo::Shape shape;
  double metres = 1;  // of the unit in which distances are told
  bool has_centre = false;
  bool has_extent = false;
  bool with_distance = false;
  bool with_hash = false;
  bool with_place = false;
  Order order = Order::kNone;
  std::size_t count = 0;  // 0: all
  bool any = false;
  std::string_view store_to;  // null: it is answered
  bool store_distances = false;
};

// A place that was found.
struct Hit {
  std::string member;
  double score = 0;
  double metres = 0;
  geo::Place place;
};

// Reads the arguments one after the other, as Redis does: the first mistake is the one that is answered.
class SearchParser {
 public:
  SearchParser(Context& context, const Form& form, const Ranking* ranking)
      : context_(context), form_(form), ranking_(ranking) {}

  // Nothing: an error has been answered.
  std::optional<Search> parse() {
    if (!parse_fixed()) return std::nullopt;
    for (; at_ < context_.args.size(); ++at_) {
      if (parse_flag() || parse_value() || (form_.by_words && parse_words())) continue;
      if (!failed_) fail(kSyntaxError);
      return std::nullopt;
    }
    const std::string mistake = contradiction();
    if (!mistake.empty()) {
      fail(mistake);
      return std::nullopt;
    }
    // The first ones of no order are chosen by distance.
    if (search_.count != 0 && search_.order == Order::kNone && !search_.any) search_.order = Order::kNearest;
    return search_;
  }

 private:
  bool fail(std::string_view error) {
    if (!failed_) context_.reply.error(error);
    failed_ = true;
    return false;
  }
  // The same where the error has been answered.
  bool failed() {
    failed_ = true;
    return false;
  }
  bool is(std::string_view word) const { return equals_ignoring_case(context_.args[at_], word); }
  bool has_more(std::size_t arguments) const { return context_.args.size() - at_ - 1 >= arguments; }

  // What stands in its place in front of the options.
  bool parse_fixed() {
    if (form_.by_words) {
      at_ = form_.to_key ? 3 : 2;
      if (form_.to_key) search_.store_to = context_.args[1];
      return true;
    }
    at_ = form_.by_member ? 5 : 6;
    // Where there is no key, nothing is said of the rest.
    if (form_.by_member && ranking_ == nullptr) return true;
    return (form_.by_member ? parse_member(2) : parse_centre(2)) && parse_radius(at_ - 2);
  }

  bool parse_flag() {
    if (is("withdist")) return search_.with_distance = true;
    if (is("withhash")) return search_.with_hash = true;
    if (is("withcoord")) return search_.with_place = true;
    if (is("any")) return search_.any = true;
    if (form_.to_key && is("storedist")) return search_.store_distances = true;
    if (!is("asc") && !is("desc")) return false;
    search_.order = is("asc") ? Order::kNearest : Order::kFarthest;
    return true;
  }

  bool parse_value() {
    if (!has_more(1)) return false;
    if (is("count")) {
      const auto count = parse_integer(context_.args[++at_]);
      if (!count) return fail(kNotAnInteger);
      if (*count <= 0) return fail("ERR COUNT must be > 0");
      search_.count = static_cast<std::size_t>(*count);
      return true;
    }
    const bool distances = is("storedist");
    if (!form_.may_store || (!distances && !is("store"))) return false;
    search_.store_distances = distances;
    search_.store_to = context_.args[++at_];
    return true;
  }

  // The same word may come again, and the last one counts.
  bool parse_words() {
    if (from_ != From::kPlace && is("frommember") && has_more(1)) {
      from_ = From::kMember;
      return parse_member(++at_);
    }
    if (from_ != From::kMember && is("fromlonlat") && has_more(2)) {
      from_ = From::kPlace;
      at_ += 2;
      return parse_centre(at_ - 1);
    }
    if (!search_.shape.is_box && is("byradius") && has_more(2)) {
      at_ += 2;
      return parse_radius(at_ - 1);
    }
    if ((search_.shape.is_box || !search_.has_extent) && is("bybox") && has_more(3)) {
      at_ += 3;
      return parse_box(at_ - 2);
    }
    return false;
  }

  bool parse_centre(std::size_t at) {
    const auto place = parse_place(context_, at);
    if (!place) return failed();
    search_.shape.centre = *place;
    return search_.has_centre = true;
  }

  bool parse_member(std::size_t at) {
    search_.has_centre = true;
    if (ranking_ == nullptr) return true;
    const auto place = place_of_member(*ranking_, context_.args[at]);
    if (!place) return fail(kNoPlace);
    search_.shape.centre = *place;
    return true;
  }

  bool parse_radius(std::size_t at) {
    const auto radius = parse_score(context_, context_.args[at], "ERR need numeric radius");
    if (!radius) return failed();
    if (*radius < 0) return fail("ERR radius cannot be negative");
    const auto metres = parse_unit(context_, context_.args[at + 1]);
    if (!metres) return failed();
    search_.metres = *metres;
    search_.shape.radius = *radius * *metres;
    return search_.has_extent = true;
  }

  bool parse_box(std::size_t at) {
    const auto width = parse_score(context_, context_.args[at], "ERR need numeric width");
    if (!width) return failed();
    const auto height = parse_score(context_, context_.args[at + 1], "ERR need numeric height");
    if (!height) return failed();
    if (*width < 0 || *height < 0) return fail("ERR height or width cannot be negative");
    const auto metres = parse_unit(context_, context_.args[at + 2]);
    if (!metres) return failed();
    search_.metres = *metres;
    search_.shape.is_box = true;
    search_.shape.width = *width * *metres;
    search_.shape.height = *height * *metres;
    return search_.has_extent = true;
  }

  std::string contradiction() const {
    const bool shows = search_.with_distance || search_.with_hash || search_.with_place;
    if (search_.store_to.data() != nullptr && shows) {
      return std::string(form_.to_key ? "ERR GEOSEARCHSTORE" : "ERR STORE option in GEORADIUS") +
             " is not compatible with WITHDIST, WITHHASH and WITHCOORD options";
    }
    const std::string name(context_.args[0]);
    if (form_.by_words && !search_.has_centre)
      return "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for " + name;
    if (form_.by_words && !search_.has_extent)
      return "ERR exactly one of BYRADIUS and BYBOX can be specified for " + name;
    if (search_.any && search_.count == 0) return "ERR the ANY argument requires COUNT argument";
    return {};
  }

  enum class From : std::uint8_t { kNothing, kMember, kPlace };

  Context& context_;
  const Form& form_;
  const Ranking* ranking_;  // null: there is no such key
  Search search_;
  From from_ = From::kNothing;
  std::size_t at_ = 0;
  bool failed_ = false;
};

std::vector<Hit> find(const Ranking& ranking, const Search& search) {
  const std::size_t most = search.any ? search.count : ranking.size();
  std::vector<Hit> hits;
  const geo::Cover cover = geo::cover(search.shape);
  for (std::size_t i = 0; i < cover.count && hits.size() < most; ++i) {
    const auto end = static_cast<double>(cover.ranges[i].end);
    const ScoreKey first{static_cast<double>(cover.ranges[i].first), {}, ScoreKey::Among::kFirst};
    ranking.visit(ranking.rank(first), false, [&](Item member, double score) {
      if (score >= end) return false;
      const geo::Place place = geo::place_of(score);
      if (const auto metres = geo::distance_within(search.shape, place))
        hits.push_back({text_of(member), score, *metres, place});
      return hits.size() < most;
    });
  }
  if (search.order == Order::kNearest)
    sort_stably(hits, [](const Hit& a, const Hit& b) { return a.metres < b.metres; });
  if (search.order == Order::kFarthest)
    sort_stably(hits, [](const Hit& a, const Hit& b) { return a.metres > b.metres; });
  if (search.count != 0 && hits.size() > search.count) hits.resize(search.count);
  return hits;
}

void answer(Context& context, const Search& search, const std::vector<Hit>& hits) {
  resp::Writer& reply = context.reply;
  const std::size_t parts =
      (search.with_distance ? 1u : 0u) + (search.with_hash ? 1u : 0u) + (search.with_place ? 1u : 0u);
  reply.array(hits.size());
  for (const Hit& hit : hits) {
    if (parts != 0) reply.array(1 + parts);
    reply.bulk(hit.member);
    if (search.with_distance) write_distance(reply, hit.metres / search.metres);
    if (search.with_hash) reply.integer(static_cast<std::int64_t>(hit.score));
    if (search.with_place) write_place(reply, hit.place);
  }
}

void store(Context& context, const Search& search, const std::vector<Hit>& hits) {
  std::vector<Scored> members;
  for (const Hit& hit : hits)
    members.emplace_back(hit.member, search.store_distances ? hit.metres / search.metres : hit.score);
  if (!store_scored(context, search.store_to, members)) return;
  context.reply.integer(static_cast<std::int64_t>(members.size()));
}

void run(Context& context, const Form& form) {
  // The keys that it may be about, held together.
  std::vector<std::string_view> keys{context.args[form.to_key ? 2 : 1]};
  if (form.to_key) keys.push_back(context.args[1]);
  for (std::size_t at = 5; form.may_store && at + 1 < context.args.size(); ++at) {
    const std::string_view word = context.args[at];
    if (equals_ignoring_case(word, "store") || equals_ignoring_case(word, "storedist"))
      keys.push_back(context.args[at + 1]);
  }
  if (refuse_sourced(context, keys)) return;
  const auto guard = hold_keys(context, keys);
  std::optional<Search> search;
  std::vector<Hit> hits;
  const Seen seen = see_ranking(context, keys[0], [&](const Ranking& ranking) {
    search = SearchParser(context, form, &ranking).parse();
    if (search) hits = find(ranking, *search);
  });
  if (seen == Seen::kRefused) return;
  if (seen == Seen::kNothing) search = SearchParser(context, form, nullptr).parse();
  if (!search) return;
  if (search->store_to.data() == nullptr) return answer(context, *search, hits);
  store(context, *search, hits);
}

}  // namespace

void geosearch(Context& context) {
  run(context, {.by_words = true});
}
void geosearchstore(Context& context) {
  run(context, {.by_words = true, .to_key = true});
}
void georadius(Context& context) {
  run(context, {.may_store = true});
}
void georadiusbymember(Context& context) {
  run(context, {.by_member = true, .may_store = true});
}
void georadius_ro(Context& context) {
  run(context, {});
}
void georadiusbymember_ro(Context& context) {
  run(context, {.by_member = true});
}

}  // namespace forebay::server
