#pragma once

// Miss-ratio curves as a picture: one line a policy, the cache's size along a logarithmic axis.

#include <string>
#include <string_view>
#include <vector>

namespace forebay::cli::simulate {

struct CurvePoint {
  double size = 0;        // above 0
  double miss_ratio = 0;  // 0 to 1
};

struct Curve {
  std::string name;
  std::vector<CurvePoint> points;  // in the order of their sizes
};

enum class SizeAxis : std::uint8_t { kEntries, kBytes };

// An SVG document (https://www.w3.org/TR/SVG11/) that needs nothing beside it. Requires: a point at least.
std::string draw_curves(std::string_view title, SizeAxis axis, const std::vector<Curve>& curves);

}  // namespace forebay::cli::simulate
