#pragma once

#include <string_view>

namespace forebay::cli::demo {

// examples/catalogue/packages: a few hundred packages for machines without apt, built into the program.
extern const std::string_view kSampleCatalogue;

}  // namespace forebay::cli::demo
