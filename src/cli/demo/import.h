#pragma once

#include <functional>
#include <string>

#include "cli/demo/console.h"
#include "forebay/result.h"

namespace forebay::cli::demo {

enum class Catalogue : std::uint8_t { kMachine, kSample };

// Makes the database at `path` from this machine's package catalogue, or from the sample if that is wanted or
// apt has nothing to say, and prints where the packages came from. A complete database that is there already
// is kept.
Result<void> import_catalogue(Console& console, const std::string& path, Catalogue wanted,
                              const std::function<bool()>& interrupted);

}  // namespace forebay::cli::demo
