// Places as members of sorted sets, by scores of geohash.h. Searching them is in geo_search.cc.

#include "server/resp/commands/geo.h"

#include <fmt/format.h>

#include <array>
#include <vector>

#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/sorted_sets.h"

namespace forebay::server {

std::optional<double> parse_unit(Context& context, std::string_view text) {
  struct Unit {
    std::string_view name;
    double metres;
  };
  constexpr std::array kUnits{Unit{"m", 1}, Unit{"km", 1000}, Unit{"ft", 0.3048}, Unit{"mi", 1609.34}};
  for (const Unit& unit : kUnits) {
    if (equals_ignoring_case(text, unit.name)) return unit.metres;
  }
  context.reply.error("ERR unsupported unit provided. please use M, KM, FT, MI");
  return std::nullopt;
}

std::optional<geo::Place> parse_place(Context& context, std::size_t at) {
  const auto longitude = parse_score(context, context.args[at]);
  if (!longitude) return std::nullopt;
  const auto latitude = parse_score(context, context.args[at + 1]);
  if (!latitude) return std::nullopt;
  const geo::Place place{*longitude, *latitude};
  if (geo::is_within_limits(place)) return place;
  context.reply.error(
      fmt::format("ERR invalid longitude,latitude pair {:.6f},{:.6f}", *longitude, *latitude));
  return std::nullopt;
}

std::optional<geo::Place> place_of_member(const Ranking& ranking, std::string_view member) {
  const auto score = ranking.score(member);
  return score ? std::optional(geo::place_of(*score)) : std::nullopt;
}

void write_distance(resp::Writer& reply, double distance) {
  reply.bulk(fmt::format("{:.4f}", distance));
}

void write_place(resp::Writer& reply, const geo::Place& place) {
  reply.array(2);
  for (const double degrees : {place.longitude, place.latitude}) reply.real(format_float(degrees));
}

namespace {

constexpr std::uint32_t kRead = kReadonly | kConcurrent;

// As ZADD, with the places' scores.
void geoadd(Context& context) {
  if (refuse_sourced(context, context.args[1])) return;
  std::size_t at = 2;
  bool nx = false;
  bool xx = false;
  for (; at < context.args.size(); ++at) {
    const std::string_view word = context.args[at];
    if (equals_ignoring_case(word, "nx")) {
      nx = true;
    } else if (equals_ignoring_case(word, "xx")) {
      xx = true;
    } else if (!equals_ignoring_case(word, "ch")) {
      break;
    }
  }
  if ((context.args.size() - at) % 3 != 0 || (nx && xx)) return context.reply.error(kSyntaxError);
  const std::size_t count = (context.args.size() - at) / 3;
  std::vector<std::string> scores;  // outlive the command
  for (std::size_t i = 0; i < count; ++i) {
    const auto place = parse_place(context, at + 3 * i);
    if (!place) return;
    scores.push_back(std::to_string(geo::score_of(*place)));
  }
  const auto head = context.args.first(at);
  std::vector<std::string_view> args(head.begin(), head.end());
  for (std::size_t i = 0; i < count; ++i) {
    args.push_back(scores[i]);
    args.push_back(context.args[at + 3 * i + 2]);
  }
  Context added = context;
  added.args = args;
  zadd(added);
}

void geodist(Context& context) {
  if (context.args.size() > 5) return context.reply.error(kSyntaxError);
  const bool has_unit = context.args.size() == 5;
  const auto metres = has_unit ? parse_unit(context, context.args[4]) : std::optional<double>(1);
  if (!metres || refuse_sourced(context, context.args[1])) return;
  std::optional<geo::Place> from;
  std::optional<geo::Place> to;
  const Seen seen = see_ranking(context, context.args[1], [&](const Ranking& ranking) {
    from = place_of_member(ranking, context.args[2]);
    to = place_of_member(ranking, context.args[3]);
  });
  if (seen == Seen::kRefused) return;
  if (!from || !to) return context.reply.null();
  write_distance(context.reply, geo::distance(*from, *to) / *metres);
}

// Of each member that the arguments name; nothing where it isn't there. False: an error has been answered.
bool find_places(Context& context, std::vector<std::optional<geo::Place>>& places) {
  if (refuse_sourced(context, context.args[1])) return false;
  const auto members = context.args.subspan(2);
  places.resize(members.size());
  const Seen seen = see_ranking(context, context.args[1], [&](const Ranking& ranking) {
    for (std::size_t i = 0; i < members.size(); ++i) places[i] = place_of_member(ranking, members[i]);
  });
  return seen != Seen::kRefused;
}

void geohash(Context& context) {
  std::vector<std::optional<geo::Place>> places;
  if (!find_places(context, places)) return;
  context.reply.array(places.size());
  for (const auto& place : places) {
    if (place) {
      context.reply.bulk(geo::text_of(*place));
    } else {
      context.reply.null();
    }
  }
}

void geopos(Context& context) {
  std::vector<std::optional<geo::Place>> places;
  if (!find_places(context, places)) return;
  context.reply.array(places.size());
  for (const auto& place : places) {
    if (place) {
      write_place(context.reply, *place);
    } else {
      context.reply.null_array();
    }
  }
}

// Where GEORADIUS and GEORADIUSBYMEMBER store.
void visit_stored_keys(std::span<const std::string_view> args, FunctionRef<void(std::size_t at)> visit) {
  constexpr std::size_t kOptions = 5;
  for (std::size_t at = kOptions; at + 1 < args.size(); ++at) {
    if (equals_ignoring_case(args[at], "store") || equals_ignoring_case(args[at], "storedist")) visit(++at);
  }
}

constexpr Command kCommands[] = {
    {"geoadd", -5, kWrite | kDenyOom, 1, 1, 1, geoadd,
     "Adds one or more members to a geospatial index. The key is created if it doesn't exist.", "3.2.0",
     "geo"},
    {"geodist", -4, kRead | kSteady, 1, 1, 1, geodist,
     "Returns the distance between two members of a geospatial index.", "3.2.0", "geo"},
    {"geohash", -2, kRead | kSteady, 1, 1, 1, geohash,
     "Returns members from a geospatial index as geohash strings.", "3.2.0", "geo"},
    {"geopos", -2, kRead | kSteady, 1, 1, 1, geopos,
     "Returns the longitude and latitude of members from a geospatial index.", "3.2.0", "geo"},
    {"geosearch", -7, kRead, 1, 1, 1, geosearch,
     "Queries a geospatial index for members inside an area of a box or a circle.", "6.2.0", "geo"},
    {"geosearchstore", -8, kWrite | kDenyOom, 1, 2, 1, geosearchstore,
     "Queries a geospatial index for members inside an area of a box or a circle, optionally stores the "
     "result.",
     "6.2.0", "geo"},
    {"georadius", -6, kWrite | kDenyOom, 1, 1, 1, georadius,
     "Queries a geospatial index for members within a distance from a coordinate, optionally stores the "
     "result.",
     "3.2.0", "geo", 0, visit_stored_keys},
    {"georadiusbymember", -5, kWrite | kDenyOom, 1, 1, 1, georadiusbymember,
     "Queries a geospatial index for members within a distance from a member, optionally stores the result.",
     "3.2.0", "geo", 0, visit_stored_keys},
    {"georadius_ro", -6, kRead, 1, 1, 1, georadius_ro,
     "Returns members from a geospatial index that are within a distance from a coordinate.", "3.2.10",
     "geo"},
    {"georadiusbymember_ro", -5, kRead, 1, 1, 1, georadiusbymember_ro,
     "Returns members from a geospatial index that are within a distance from a member.", "3.2.10", "geo"},
};

}  // namespace

Family geo_commands() {
  return kCommands;
}

}  // namespace forebay::server
