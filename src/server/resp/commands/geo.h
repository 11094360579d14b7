#pragma once

// Places as members of sorted sets (base/geohash.h).

#include <optional>
#include <string_view>

#include "base/geohash.h"
#include "server/resp/commands/sorted_sets.h"

namespace forebay::server {

// Metres of a unit. Nothing: an error has been answered.
std::optional<double> parse_unit(Context& context, std::string_view text);
// A longitude at args[at], and a latitude behind it. Nothing: an error has been answered.
std::optional<geo::Place> parse_place(Context& context, std::size_t at);
std::optional<geo::Place> place_of_member(const Ranking& ranking, std::string_view member);

// With four digits after the point.
void write_distance(resp::Writer& reply, double distance);
void write_place(resp::Writer& reply, const geo::Place& place);

// geo_search.cc
void geosearch(Context& context);
void geosearchstore(Context& context);
void georadius(Context& context);
void georadiusbymember(Context& context);
void georadius_ro(Context& context);
void georadiusbymember_ro(Context& context);

}  // namespace forebay::server
