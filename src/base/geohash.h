#pragma once

// Places on the earth as numbers of 52 bits, near places mostly near numbers: the two coordinates as 26 bits each, bit
// by bit in turn, the longitude's first (G. Niemeyer's geohash, 2008). Redis keeps places so, as scores of a sorted
// set; its limits of latitude (Web Mercator's) and its radius of the earth are these.
//
// Pure functions, thread-safe, O(1).

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace forebay::geo {

struct Place {
  double longitude = 0;  // degrees
  double latitude = 0;
};

inline constexpr double kMostLongitude = 180;
inline constexpr double kMostLatitude = 85.05112878;

inline bool is_within_limits(const Place& place) {
  return place.longitude >= -kMostLongitude && place.longitude <= kMostLongitude &&
         place.latitude >= -kMostLatitude && place.latitude <= kMostLatitude;
}

// Of a place within the limits.
std::uint64_t score_of(const Place& place);
// The middle of what has this score; some place where the score is none of score_of().
Place place_of(double score);
// Eleven characters of the standard's form, whose latitudes go to the poles. 52 bits are ten and a part: the last one
// is 0.
std::string text_of(const Place& place);
// Metres along the great circle.
double distance(const Place& from, const Place& to);

// What is looked for: a circle, or a box whose sides lie along the coordinates.
struct Shape {
  Place centre;
  bool is_box = false;
  double radius = 0;  // metres; of a circle
  double width = 0;   // metres; of a box
  double height = 0;
};
// Metres from the centre; nothing: it is outside.
std::optional<double> distance_within(const Shape& shape, const Place& place);

// Scores from `first` to before `end`.
struct Scores {
  std::uint64_t first = 0;
  std::uint64_t end = 0;
};
// Where all places of a shape are, and others: up to nine ranges, none of them twice in a row. In Redis's order, as
// its clients see it where they don't ask for one.
struct Cover {
  std::array<Scores, 9> ranges;
  std::size_t count = 0;
};
Cover cover(const Shape& shape);

}  // namespace forebay::geo
