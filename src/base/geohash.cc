#include "base/geohash.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace forebay::geo {
namespace {

constexpr double kEarthRadius = 6372797.560856;  // metres
constexpr unsigned kMostSteps = 26;              // bits of each coordinate
constexpr double kToRadians = std::numbers::pi / 180;

double radians(double degrees) {
  return degrees * kToRadians;
}
double degrees(double radians) {
  return radians / kToRadians;
}

struct Interval {
  double min = 0;
  double max = 0;
};
constexpr Interval kLongitudes{-kMostLongitude, kMostLongitude};
constexpr Interval kLatitudes{-kMostLatitude, kMostLatitude};

// A part of the map that is divided into 2^steps parts in both directions.
struct Cell {
  std::uint32_t x = 0;  // from the west
  std::uint32_t y = 0;  // from the south
  unsigned steps = 0;

  bool operator==(const Cell&) const = default;
};

// A number's 32 bits with a zero before each.
std::uint64_t spread(std::uint32_t number) {
  std::uint64_t bits = number;
  bits = (bits | bits << 16) & 0x0000ffff0000ffff;
  bits = (bits | bits << 8) & 0x00ff00ff00ff00ff;
  bits = (bits | bits << 4) & 0x0f0f0f0f0f0f0f0f;
  bits = (bits | bits << 2) & 0x3333333333333333;
  return (bits | bits << 1) & 0x5555555555555555;
}

std::uint32_t gather(std::uint64_t bits) {
  bits &= 0x5555555555555555;
  bits = (bits | bits >> 1) & 0x3333333333333333;
  bits = (bits | bits >> 2) & 0x0f0f0f0f0f0f0f0f;
  bits = (bits | bits >> 4) & 0x00ff00ff00ff00ff;
  bits = (bits | bits >> 8) & 0x0000ffff0000ffff;
  return static_cast<std::uint32_t>(bits | bits >> 16);
}

std::uint64_t bits_of(const Cell& cell) {
  return spread(cell.y) | spread(cell.x) << 1;
}

std::uint32_t part_of(double at, const Interval& all, unsigned steps) {
  const double share = (at - all.min) / (all.max - all.min);
  return static_cast<std::uint32_t>(share * static_cast<double>(std::uint64_t{1} << steps));
}

Cell cell_of(const Place& place, const Interval& latitudes, unsigned steps) {
  return {part_of(place.longitude, kLongitudes, steps), part_of(place.latitude, latitudes, steps), steps};
}

Interval part(std::uint32_t index, const Interval& all, unsigned steps) {
  const double parts = static_cast<double>(std::uint64_t{1} << steps);
  const double length = all.max - all.min;
  return {all.min + index / parts * length, all.min + (double{1} + index) / parts * length};
}

struct Area {
  Interval longitudes;
  Interval latitudes;
};
Area area_of(const Cell& cell) {
  return {part(cell.x, kLongitudes, cell.steps), part(cell.y, kLatitudes, cell.steps)};
}

double middle(const Interval& interval, double most) {
  return std::clamp((interval.min + interval.max) / 2, -most, most);
}

// The map's edges meet. A place on the eastern or northern edge is in a cell behind the last one, which only a step
// in that direction takes back to the map: so Redis finds nothing beyond that edge, and neither does who searches here.
Cell neighbour(const Cell& cell, int east, int north) {
  const auto step = [&](std::uint32_t from, int by) {
    const auto mask = static_cast<std::uint32_t>((std::uint64_t{1} << cell.steps) - 1);
    return by == 0 ? from : (from + static_cast<std::uint32_t>(by)) & mask;
  };
  return {step(cell.x, east), step(cell.y, north), cell.steps};
}

Area bounds(const Shape& shape) {
  const Place& centre = shape.centre;
  const double height = shape.is_box ? shape.height / 2 : shape.radius;
  const double width = shape.is_box ? shape.width / 2 : shape.radius;
  const double up = degrees(height / kEarthRadius);
  // A degree of longitude is shorter where it is farther from the equator.
  const double nearer_pole = centre.latitude < 0 ? centre.latitude - up : centre.latitude + up;
  const double aside = degrees(width / kEarthRadius / std::cos(radians(nearer_pole)));
  return {{centre.longitude - aside, centre.longitude + aside}, {centre.latitude - up, centre.latitude + up}};
}

// How finely the map is divided so that a cell and its neighbours have all within a radius, mostly.
unsigned steps_for(double radius, double latitude) {
  constexpr double kMostMetres = 20037726.37;  // half of the map's width
  if (radius == 0) return kMostSteps;
  int steps = 1;
  for (; radius < kMostMetres; radius *= 2) ++steps;
  steps -= 2;
  // Towards the poles a cell is narrower.
  constexpr double kNarrow = 66;
  constexpr double kNarrower = 80;
  if (std::abs(latitude) > kNarrow) --steps;
  if (std::abs(latitude) > kNarrower) --steps;
  return static_cast<unsigned>(std::clamp(steps, 1, static_cast<int>(kMostSteps)));
}

// Whether the neighbours of a cell end before the bounds do.
bool is_too_fine(const Cell& cell, const Area& bounds) {
  return area_of(neighbour(cell, 0, 1)).latitudes.max < bounds.latitudes.max ||
         area_of(neighbour(cell, 0, -1)).latitudes.min > bounds.latitudes.min ||
         area_of(neighbour(cell, 1, 0)).longitudes.max < bounds.longitudes.max ||
         area_of(neighbour(cell, -1, 0)).longitudes.min > bounds.longitudes.min;
}

struct Direction {
  int east;
  int north;
};
constexpr std::array<Direction, 9> kDirections{
    {{0, 0}, {0, 1}, {0, -1}, {1, 0}, {-1, 0}, {1, 1}, {-1, 1}, {1, -1}, {-1, -1}}};

// Whether the bounds end within the cell itself on that side.
bool is_needless(const Direction& to, const Area& cell, const Area& bounds) {
  return (to.north < 0 && cell.latitudes.min < bounds.latitudes.min) ||
         (to.north > 0 && cell.latitudes.max > bounds.latitudes.max) ||
         (to.east < 0 && cell.longitudes.min < bounds.longitudes.min) ||
         (to.east > 0 && cell.longitudes.max > bounds.longitudes.max);
}

}  // namespace

std::uint64_t score_of(const Place& place) {
  return bits_of(cell_of(place, kLatitudes, kMostSteps));
}

Place place_of(double score) {
  constexpr double kEnd = 0x1p63;  // places on the eastern edge have more than 52 bits
  const auto bits = score >= 0 && score < kEnd ? static_cast<std::uint64_t>(score) : 0;
  const Area area = area_of({gather(bits >> 1), gather(bits), kMostSteps});
  return {middle(area.longitudes, kMostLongitude), middle(area.latitudes, kMostLatitude)};
}

std::string text_of(const Place& place) {
  constexpr char kAlphabet[] = "0123456789bcdefghjkmnpqrstuvwxyz";
  constexpr unsigned kBits = 5;
  constexpr unsigned kWhole = 10;
  constexpr Interval kToThePoles{-90, 90};
  const std::uint64_t bits = bits_of(cell_of(place, kToThePoles, kMostSteps));
  std::string text;
  for (unsigned i = 1; i <= kWhole; ++i) text += kAlphabet[bits >> (2 * kMostSteps - i * kBits) & 31];
  return text + kAlphabet[0];
}

double distance(const Place& from, const Place& to) {
  const double first = radians(from.latitude);
  const double second = radians(to.latitude);
  const double north = std::sin((second - first) / 2);
  const double east = std::sin((radians(to.longitude) - radians(from.longitude)) / 2);
  return 2.0 * kEarthRadius *
         std::asin(std::sqrt(north * north + std::cos(first) * std::cos(second) * east * east));
}

std::optional<double> distance_within(const Shape& shape, const Place& place) {
  if (shape.is_box) {
    const Place& centre = shape.centre;
    const double aside = distance(place, {centre.longitude, place.latitude});
    const double up = distance(place, {place.longitude, centre.latitude});
    if (aside > shape.width / 2 || up > shape.height / 2) return std::nullopt;
    return distance(centre, place);
  }
  const double metres = distance(shape.centre, place);
  return metres > shape.radius ? std::nullopt : std::optional(metres);
}

Cover cover(const Shape& shape) {
  const Area bounds = geo::bounds(shape);
  const double radius = shape.is_box ? std::hypot(shape.width / 2, shape.height / 2) : shape.radius;
  unsigned steps = steps_for(radius, shape.centre.latitude);
  Cell centre = cell_of(shape.centre, kLatitudes, steps);
  if (steps > 1 && is_too_fine(centre, bounds)) {
    --steps;
    centre = cell_of(shape.centre, kLatitudes, steps);
  }
  const Area area = area_of(centre);
  Cover cover;
  std::optional<Cell> last;
  for (const Direction& to : kDirections) {
    if (steps >= 2 && is_needless(to, area, bounds)) continue;
    const Cell cell = neighbour(centre, to.east, to.north);
    if (cell == last) continue;  // the map is as narrow as that
    const std::uint64_t bits = bits_of(cell);
    const unsigned unused = 2 * (kMostSteps - steps);
    cover.ranges[cover.count++] = {bits << unused, (bits + 1) << unused};
    // The first one is compared with nothing, as in Redis.
    if (to.east != 0 || to.north != 0) last = cell;
  }
  return cover;
}

}  // namespace forebay::geo
