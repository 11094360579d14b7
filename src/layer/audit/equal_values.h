#pragma once

#include <string_view>

namespace forebay::layer {

// Whether two values say the same: the same bytes, or the same JSON but for blanks, the order of an object's members
// and the order of the outermost array's elements. O(n log n).
bool equal_values(std::string_view a, std::string_view b);

}  // namespace forebay::layer
