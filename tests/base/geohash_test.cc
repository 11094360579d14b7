#include "base/geohash.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace forebay::geo {
namespace {

Place random_place(std::mt19937& random) {
  std::uniform_real_distribution<double> longitudes(-kMostLongitude, kMostLongitude);
  std::uniform_real_distribution<double> latitudes(-kMostLatitude, kMostLatitude);
  const double longitude = longitudes(random);
  return {longitude, latitudes(random)};
}

TEST(Geohash, ScoresArePlacesToWithinAMetre) {
  std::mt19937 random(1);
  for (int i = 0; i < 10'000; ++i) {
    const Place place = random_place(random);
    const Place back = place_of(static_cast<double>(score_of(place)));
    EXPECT_LT(distance(place, back), 1) << place.longitude << ' ' << place.latitude;
  }
}

TEST(Geohash, KnowsPalermoAndCatania) {
  const Place palermo{13.361389, 38.115556};
  const Place catania{15.087269, 37.502669};
  EXPECT_EQ(score_of(palermo), 3479099956230698u);
  EXPECT_EQ(text_of(place_of(3479099956230698)), "sqc8b49rny0");
  EXPECT_NEAR(distance(palermo, catania), 166274, 1);
}

TEST(Geohash, AnyScoreIsSomePlace) {
  for (const double score : {-1.0, 1e300, -1e300, 0x1p52, 0x1p63, 0x1p64}) {
    EXPECT_TRUE(is_within_limits(place_of(score))) << score;
  }
}

TEST(Geohash, ACoverHasAllThatIsWithin) {
  std::mt19937 random(2);
  std::uniform_real_distribution<double> exponents(0, 6);
  std::uniform_real_distribution<double> shares(-1, 1);
  int within = 0;
  for (int i = 0; i < 50'000; ++i) {
    Shape shape;
    shape.centre = random_place(random);
    shape.is_box = i % 2 != 0;
    shape.radius = std::pow(10, exponents(random));
    shape.width = std::pow(10, exponents(random));
    shape.height = std::pow(10, exponents(random));
    // Not where Redis, whose ranges these are, misses places: over the edges of the map and at the poles.
    if (std::abs(shape.centre.latitude) > 60 || std::abs(shape.centre.longitude) > 120) continue;
    constexpr double kDegree = 111'000;  // metres, at the equator
    const Place near{shape.centre.longitude + shares(random) * shape.width / kDegree,
                     shape.centre.latitude + shares(random) * shape.height / kDegree};
    if (!is_within_limits(near)) continue;
    const std::uint64_t score = score_of(near);
    if (!distance_within(shape, place_of(static_cast<double>(score)))) continue;
    ++within;
    bool covered = false;
    const Cover all = cover(shape);
    for (std::size_t range = 0; range < all.count; ++range)
      covered = covered || (score >= all.ranges[range].first && score < all.ranges[range].end);
    EXPECT_TRUE(covered) << shape.centre.longitude << ' ' << shape.centre.latitude << ' ' << shape.radius;
  }
  EXPECT_GT(within, 5'000);
}

}  // namespace
}  // namespace forebay::geo
