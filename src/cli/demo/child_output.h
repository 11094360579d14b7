#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "forebay/result.h"

namespace forebay::cli::demo {

// Runs a program found on PATH and passes on what it writes to standard output, piece by piece, until it
// ends; its input is empty and its messages go nowhere. Returns its exit status (128 + the signal that ended
// it). kUnavailable: there is no such program.
Result<int> run_child(const std::vector<std::string>& command,
                      const std::function<void(std::string_view)>& on_output);

}  // namespace forebay::cli::demo
